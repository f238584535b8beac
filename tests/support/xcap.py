"""A small XCAP server for tests: one usage without a schema, or all that the node has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from presence.xcap import (
    UNCONDITIONAL,
    Change,
    Conditions,
    Content,
    Document,
    Limits,
    Own,
    Server,
    Stored,
    Usage,
    all_usages,
)

ALICE = "sip:alice@ims.test"
ELEMENT = "application/xcap-el+xml"
ATTRIBUTE = "application/xcap-att+xml"


class FreeUsage(Usage):
    """Documents of any shape."""

    def validate(self, document: Document, own: Own) -> None:
        """Take everything."""


def free_usage(namespace: str = "") -> Usage:
    """Return a usage that takes every well-formed document."""
    return FreeUsage("test", namespace, "application/test+xml", "root")


@dataclass
class Shelf:
    """One document of alice's, changed by requests; entity tags are "1", "2" and so on."""

    usages: Sequence[Usage] = field(default_factory=all_usages)
    path: str = "test/users/sip:alice@ims.test/index"
    limits: Limits = field(default_factory=Limits)
    stored: Stored | None = None
    taken: frozenset[str] = frozenset()
    writes: int = 0

    def __post_init__(self) -> None:
        self.server = Server(self.usages, "/xcap", self.limits)

    def get(self, node: str = "", query: str = "", **conditions: Any) -> Content:
        target = self._target(node, query)
        return self.server.get(target, self.stored, Conditions(**conditions))

    def put(
        self, body: bytes, node: str = "", query: str = "", media_type: str = "", **conditions: Any
    ) -> int:
        target = self._target(node, query)
        usual = ATTRIBUTE if "@" in node.rpartition("/")[2][:1] else ELEMENT
        usual = usual if node else target.usage.media_type
        self.server.check_put(target, media_type or usual, len(body))
        change = self.server.put(
            target, body, self.stored, Conditions(**conditions), self.taken.__contains__
        )
        return self._keep(change)

    def delete(self, node: str = "", query: str = "", **conditions: Any) -> int:
        target = self._target(node, query)
        self.server.check_delete(target)
        change = self.server.delete(
            target, self.stored, Conditions(**conditions) if conditions else UNCONDITIONAL,
            self.taken.__contains__,
        )  # fmt: skip
        return self._keep(change)

    def octets(self) -> bytes:
        assert self.stored is not None
        return self.stored.octets

    def _target(self, node: str, query: str) -> Any:
        path = self.path.encode()
        if node:
            path += b"/~~/" + quote(node, safe="/@=*:%~").encode()
        return self.server.locate(path, query.encode())

    def _keep(self, change: Change) -> int:
        self.writes += 1
        gone = change.octets is None
        self.stored = None if gone else Stored(str(self.writes), change.octets or b"")
        return 201 if change.created else 200
