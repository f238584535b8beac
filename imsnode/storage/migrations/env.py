# SPDX-License-Identifier: Apache-2.0
"""Run migrations inside the transaction that the caller has opened.

SQLite and PostgreSQL both take back table definitions with their transaction, so a process that
dies half way leaves the store as it was (threats.md D10).
"""

from __future__ import annotations

from alembic import context

from imsnode.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
