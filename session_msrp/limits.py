# SPDX-License-Identifier: Apache-2.0
"""Bounds of what one MSRP connection and one session may hold."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets (`_bytes`), seconds (`_s`) and counts.

    chunk_bytes: of a chunk that is larger, pieces are handed on as they come. message_bytes and
    partials bound one session's messages under way, partial_s how long one may stand still.
    """

    head_bytes: int = 8 * 1024
    chunk_bytes: int = 64 * 1024
    path_uris: int = 8
    message_bytes: int = 20 * 1024 * 1024
    partials: int = 8
    partial_s: float = 30.0
