# SPDX-License-Identifier: Apache-2.0
"""Unix sockets in folders with long names."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["short_path"]

_LONGEST = 107  # sun_path holds 108 octets with the closing NUL


def short_path(path: Path) -> str:
    """Give a name for a Unix socket that fits into a socket address.

    A path that is too long is named through an open descriptor of its folder, which then stays
    open for the life of the process (Linux). Raises OSError when the folder does not exist.
    """
    text = str(path)
    if len(os.fsencode(text)) <= _LONGEST:
        return text
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/self/fd/{folder}/{path.name}"
