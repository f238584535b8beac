# SPDX-License-Identifier: Apache-2.0
"""Waking devices that sleep by push notifications (RFC 8599)."""
