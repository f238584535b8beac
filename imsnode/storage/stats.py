# SPDX-License-Identifier: Apache-2.0
"""Counters of the store."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StorageStats"]


@dataclass(slots=True)
class StorageStats:
    """Counters since the start; written by the writer's thread, read from any."""

    groups: int = 0
    operations: int = 0
    failed_groups: int = 0
    failed_operations: int = 0
    refused: int = 0
    reconnects: int = 0
    background_steps: int = 0
    forgotten: int = 0
    ledger_rows: int = 0
    ledger_dropped: int = 0
    archived: int = 0
    archive_dropped: int = 0
    cdr_lines: int = 0
    cdr_lost: int = 0
