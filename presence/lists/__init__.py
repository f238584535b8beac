# SPDX-License-Identifier: Apache-2.0
"""Resource lists: one subscription to the state of many (RFC 4662, RFC 4826, RFC 5367)."""
