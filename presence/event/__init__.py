# SPDX-License-Identifier: Apache-2.0
"""SIP-specific event notification, both sides, whatever the package (RFC 6665)."""
