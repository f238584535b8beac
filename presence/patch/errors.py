# SPDX-License-Identifier: Apache-2.0
"""Why a patch could not be applied, and the document that says so (RFC 5261 section 5.1)."""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from sip.bodies.xml import Element, add, new_root, write_xml, written
from sip.errors import ParseError

__all__ = ["ERROR_TYPE", "PatchError"]

ERROR_TYPE: Final = b"application/patch-ops-error+xml"

_NAMESPACE: Final = "urn:ietf:params:xml:ns:patch-ops-error"
# The conditions that name no operation.
_ABOUT_ALL: Final = ("invalid-diff-format", "invalid-character-set")


class PatchError(ParseError):
    """A patch cannot be applied; nothing of it was.

    ``condition`` is the name of an error element of RFC 5261 5.1, ``operation`` what failed.
    """

    def __init__(self, condition: str, reason: str, operation: Element | None = None) -> None:
        super().__init__("patch", reason)
        self.condition = condition if operation is not None else _ABOUT_ALL[0]
        self.operation = operation

    def document(self) -> bytes:
        """Return the body of type ``ERROR_TYPE`` that explains the refusal."""
        root = new_root(_NAMESPACE, "patch-ops-error")
        element = add(root, self.condition)
        element.set("phrase", written(self.reason))
        if self.operation is not None:
            operation = deepcopy(self.operation)
            operation.tail = None
            element.append(operation)
        return write_xml(root)
