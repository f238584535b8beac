# SPDX-License-Identifier: Apache-2.0
"""Alembic migrations of the store; run from imsnode.storage.database, never by hand."""
