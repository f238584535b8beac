# SPDX-License-Identifier: Apache-2.0
"""What the collector of cycles need not look at.

A record of texts and numbers that waits to be written is part of no cycle. Python finds that out by
itself, after it has looked at all that is in it, which for what every message leaves behind costs
more than to make it. Compiled, collector.pxd tells Python; interpreted, nothing happens.
"""

from __future__ import annotations

from typing import TypeVar

_Record = TypeVar("_Record")


def untracked(record: _Record) -> _Record:
    """Return a tuple, list or entry that holds nothing but texts, numbers and such."""
    return record
