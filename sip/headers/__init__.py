# SPDX-License-Identifier: Apache-2.0
"""One module per header family: parse, compare, print. The raw text is always kept beside it."""
