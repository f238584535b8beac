# SPDX-License-Identifier: Apache-2.0
"""Short messages: a bridge to message centres (SMPP), and short messages inside SIP."""
