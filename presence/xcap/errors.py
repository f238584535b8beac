# SPDX-License-Identifier: Apache-2.0
"""What an XCAP request can be refused with, and the conflict report that goes with a 409."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sip.bodies.xml import add, new_root, write_xml, written

__all__ = ["ERROR_TYPE", "Conflict", "Refusal"]

ERROR_TYPE: Final = "application/xcap-error+xml"

_URN: Final = "urn:ietf:params:xml:ns:xcap-error"


class Refusal(Exception):
    """A request that is not done. headers: of the answer beside its type."""

    def __init__(self, status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = tuple(headers)


class Conflict(Refusal):
    """A 409 with its detailed report (RFC 4825 11).

    Args:
        condition: name of the error element, such as "cannot-insert".
        ancestor: of no-parent: the closest place that exists.
        exists: of uniqueness-failure: the field and values that would do instead, of each.
    """

    def __init__(
        self,
        condition: str,
        phrase: str,
        *,
        ancestor: str = "",
        exists: Iterable[tuple[str, tuple[str, ...]]] = (),
    ) -> None:
        super().__init__(409, phrase)
        self.condition = condition
        self._ancestor = ancestor
        self._exists = tuple(exists)

    def __str__(self) -> str:
        return f"{self.condition}: {self.reason}"

    def body(self) -> bytes:
        """Return the report."""
        root = new_root(_URN, "xcap-error")
        error = add(root, self.condition)
        error.set("phrase", written(self.reason))
        if self._ancestor:
            add(error, "ancestor", self._ancestor)
        for field, values in self._exists:
            exists = add(error, "exists")
            exists.set("field", written(field))
            for value in values:
                add(exists, "alt-value", value)
        return write_xml(root)
