# SPDX-License-Identifier: Apache-2.0
"""Bounds on what is accepted from the network."""

from __future__ import annotations

from typing import Final


class Limits:
    """Sizes in octets, counts in items. Reaching one refuses the message, nothing else.

    ``message_body_bytes`` is for the body of a MESSAGE request, which is stored when the recipient
    is away.
    """

    __slots__ = ("body_bytes", "head_bytes", "header_bytes", "headers", "message_body_bytes",
                 "message_bytes", "method_bytes", "start_line_bytes", "vias")  # fmt: skip

    def __init__(
        self,
        *,
        message_bytes: int = 81920,
        head_bytes: int = 16384,
        start_line_bytes: int = 8192,
        header_bytes: int = 8192,
        headers: int = 128,
        method_bytes: int = 64,
        vias: int = 70,
        body_bytes: int = 65536,
        message_body_bytes: int = 32768,
    ) -> None:
        self.message_bytes: Final = message_bytes
        self.head_bytes: Final = head_bytes
        self.start_line_bytes: Final = start_line_bytes
        self.header_bytes: Final = header_bytes
        self.headers: Final = headers
        self.method_bytes: Final = method_bytes
        self.vias: Final = vias
        self.body_bytes: Final = body_bytes
        self.message_body_bytes: Final = message_body_bytes
