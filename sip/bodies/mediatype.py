# SPDX-License-Identifier: Apache-2.0
"""Which type a Content-Type names; asked of every message that is not plain text."""

from __future__ import annotations

from typing import Final

__all__ = ["CPIM", "is_cpim", "media_type"]

CPIM: Final = b"message/cpim"


def media_type(value: bytes) -> bytes:
    """Return what stands before the parameters of a header value, lower-case."""
    return value.partition(b";")[0].strip(b" \t").lower()


def is_cpim(content_type: bytes) -> bool:
    """Say whether a Content-Type names message/cpim."""
    if content_type == CPIM:
        return True
    return content_type[:12].lower() == CPIM and media_type(content_type) == CPIM
