# SPDX-License-Identifier: Apache-2.0
"""The secret of a node, which is in a file beside its configuration and not in the database."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["CARDS", "SECRET_FILE", "node_secret"]

SECRET_FILE = "imsnode.key"  # noqa: S105 - the name of the file
CARDS = b"SIM cards"
"""What the key is for that seals the keys of SIM cards."""


def node_secret(path: Path) -> bytes:
    """Read the secret; made once, so that what it signed and sealed outlives a restart."""
    with contextlib.suppress(FileNotFoundError):
        secret = path.read_bytes()
        if len(secret) >= 32:
            return secret
    secret = secrets.token_bytes(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
    return secret
