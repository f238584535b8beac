# SPDX-License-Identifier: Apache-2.0
"""Event state that users publish (RFC 3903)."""
