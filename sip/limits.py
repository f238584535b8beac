# SPDX-License-Identifier: Apache-2.0
"""Bounds on what is accepted from the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in octets, counts in items. Reaching one refuses the message, nothing else."""

    message_bytes: int = 81920
    head_bytes: int = 16384
    start_line_bytes: int = 8192
    header_bytes: int = 8192
    headers: int = 128
    method_bytes: int = 64
    vias: int = 70
    body_bytes: int = 65536
    message_body_bytes: int = 32768
    """Body of a MESSAGE request, which is stored when the recipient is away."""
