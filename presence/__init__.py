# SPDX-License-Identifier: Apache-2.0
"""Presence and events: subscriptions, publications, documents, rules and lists (RFC 6665)."""
