# SPDX-License-Identifier: Apache-2.0
"""What the shell can fail with before it runs."""

from __future__ import annotations

from ..errors import SipError


class BindError(SipError):
    """A listener could not be opened.

    Fields: address as written in the settings ("udp:127.0.0.1:5060"), setting (the key that named
    it), reason (lower case, the operating system's words).
    """

    def __init__(self, address: str, setting: str, reason: str) -> None:
        super().__init__(f"cannot open {address} (setting {setting}): {reason}")
        self.address = address
        self.setting = setting
        self.reason = reason
