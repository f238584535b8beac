# SPDX-License-Identifier: Apache-2.0
"""Chat rooms of a node (RFC 7701, RFC 4579), and what goes on around them (`upkeep`)."""
