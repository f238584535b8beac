# SPDX-License-Identifier: Apache-2.0
"""XCAP documents for commands: through the running node, or in the database of one at rest."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from presence.xcap import UNCONDITIONAL, Change, Limits, Refusal, Server, Stored, all_usages

from .errors import CommandError
from .session import database, wall_clock

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.control.client import ControlClient
    from imsnode.storage import Database, DocumentKey, Documents

__all__ = ["DocumentDesk", "document_desk"]


class DocumentDesk(Protocol):
    """Does what a request of a client would do, for any document. Raises: CommandError."""

    def find(self, target: str) -> bytes | None:
        """Return the octets of a document or a node of it; None when there is none."""
        ...

    def put(self, target: str, content: bytes) -> bool:
        """Put a document or a node of it; True when there was none before."""
        ...

    def delete(self, target: str) -> None:
        """Delete a document or a node of it."""
        ...


@contextmanager
def document_desk(config: Config) -> Iterator[DocumentDesk]:
    """Open the way to the documents."""
    from imsnode.control.client import ControlClient, NodeNotRunning

    try:
        with ControlClient(config.control_socket) as client:
            yield _OfNode(client)
            return
    except NodeNotRunning:
        pass
    with database(config) as opened:
        yield _Alone(config, opened)


@contextmanager
def _refusals() -> Iterator[None]:
    """Let what refuses a request end the command, or one step of an import."""
    from imsnode.control.client import ControlRefused
    from imsnode.storage import StorageError

    try:
        yield
    except (Refusal, ControlRefused, StorageError) as error:
        raise CommandError(str(error)) from error


class _OfNode:
    """Asks the running node."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    @_refusals()
    def find(self, target: str) -> bytes | None:
        """Ask for the octets."""
        answer = self._client.document("GET", target)
        return base64.b64decode(answer["content_base64"]) if answer["status"] == 200 else None

    @_refusals()
    def put(self, target: str, content: bytes) -> bool:
        """Have it put."""
        return bool(self._client.document("PUT", target, content)["status"] == 201)

    @_refusals()
    def delete(self, target: str) -> None:
        """Have it deleted."""
        self._client.document("DELETE", target)


class _Alone:
    """Works on the database of a node that does not run."""

    def __init__(self, config: Config, opened: Database) -> None:
        from imsnode.library import StoredLibrary
        from imsnode.mailing import reserved_aors
        from imsnode.settings import xcap_limits
        from imsnode.storage import Accounts, Documents, GroupStore

        limits: Limits = xcap_limits(config)
        self._server = Server(all_usages(), "/xcap", limits)
        self._documents: Documents = Documents(opened)
        root = config.xcap.root or f"http://{config.http.listen}/xcap"
        self._library = StoredLibrary(self._server, self._documents, lambda: root)
        self._accounts = Accounts(opened)
        self._groups = GroupStore(opened, config.domains)
        self._reserved = reserved_aors(config.domains)

    @_refusals()
    def find(self, target: str) -> bytes | None:
        """Read it."""
        where = self._server.locate_text(target)
        if where.usage.is_computed(where.own):
            stored: Stored | None = Stored("", where.usage.computed(where.own, self._library))
        else:
            stored = self._documents.read(where.key)
        try:
            return self._server.get(where, stored, UNCONDITIONAL).octets
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    @_refusals()
    def put(self, target: str, content: bytes) -> bool:
        """Write it."""
        where = self._server.locate_text(target)
        self._server.check_put(where, where.media_type, len(content))
        stored = self._documents.read(where.key)
        change = self._server.put(where, content, stored, UNCONDITIONAL, self._taken(where.key))
        self._write(where.key, stored, change)
        return change.created

    @_refusals()
    def delete(self, target: str) -> None:
        """Remove it."""
        where = self._server.locate_text(target)
        self._server.check_delete(where)
        stored = self._documents.read(where.key)
        change = self._server.delete(where, stored, UNCONDITIONAL, self._taken(where.key))
        self._write(where.key, stored, change)

    def _write(self, key: DocumentKey, stored: Stored | None, change: Change) -> None:
        from imsnode.storage import DocumentWrite, Outcome
        from sip.aio.ids import SystemIds

        found = stored.etag if stored else ""
        token, most = SystemIds().token(16), self._server.limits.documents
        write = DocumentWrite(key, found, token, change.octets, wall_clock(), change.claims, most)
        outcome = self._documents.write_now(write)
        if outcome is not Outcome.DONE:
            raise CommandError(outcome.value)

    def _taken(self, key: DocumentKey) -> Callable[[str], bool]:
        def taken(uri: str) -> bool:
            if uri in self._reserved or self._documents.claimant(uri) not in (None, key):
                return True
            return self._accounts.get(uri) is not None or self._groups.get(uri) is not None

        return taken
