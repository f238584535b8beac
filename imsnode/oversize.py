# SPDX-License-Identifier: Apache-2.0
"""Messages that are too large for their way: refused, or their content moved into a file.

RFC 3428 section 8 keeps a MESSAGE of more than 1300 octets from ways where congestion is not
controlled. A way is safe when every device of the recipient, or the next hop, is reached by a
connection now. What would be stored may go by UDP later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pager.ports import Bindings, Clock
from sip.bodies import external_body, filetransfer
from sip.bodies.cpim import CpimMessage, compose, is_cpim, parse_cpim
from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Target
from sip.message import REASONS, Request
from sip.rewrite import rewrite
from sip.transaction.server import ServerTransaction

from .content import ContentRefused, ContentStore, Kept
from .storage.archive_group import is_notice

__all__ = ["Large", "Oversize", "OversizeSettings"]

_AT_A_TIME = 64
#: How a device says that it takes files by HTTP (RCC.07, in a Contact parameter).
_FILE_TRANSFER = b"rcs.fthttp"
_LATER = frozenset(("full", "quota", "unavailable"))


class Large(StrEnum):
    """What becomes of a large message."""

    CARRY = "carry"  # sent all the same: by TCP where there is some, else by UDP
    INDIRECT = "indirect"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class OversizeSettings:
    """What is large, and what then.

    octets: of a whole request; more needs a safe way. inline: of a body; more is moved whatever
    the way could take, 0: none is. domains: what holds for the senders of a domain.
    """

    octets: int
    inline: int
    domains: Mapping[str, Large]

    @property
    def active(self) -> bool:
        """True when some domain does not simply carry them."""
        return any(large is not Large.CARRY for large in self.domains.values())


class Oversize:
    """Takes large messages out of the way.

    Args:
        registered: Contact parameters behind a target.
        link: the URL of a file by its token. on: sends a message on whose content was moved.
        wake: has the endpoint's output sent.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        bindings: Bindings,
        store: ContentStore,
        registered: Callable[[Target], bytes],
        link: Callable[[str], str],
        on: Callable[[ServerTransaction, Request, str, str, Target | None], None],
        clock: Clock,
        wake: Callable[[], None],
        settings: OversizeSettings,
    ) -> None:
        self.settings = settings
        self._endpoint = endpoint
        self._bindings = bindings
        self._store = store
        self._registered = registered
        self._link = link
        self._on = on
        self._clock = clock
        self._wake = wake
        self._moving: set[asyncio.Task[None]] = set()

    def take(
        self,
        request: Request,
        shown: Request,
        flow: Flow,
        sender: str,
        aor: str,
        target: Target | None,
        now: float,
    ) -> bool:
        """Deal with a MESSAGE that is too large; False for one that goes on as it is.

        Args: shown: as the recipient would get it. target: the next hop to another domain.
        """
        settings = self.settings
        large = settings.domains.get(sender.rpartition("@")[2], Large.CARRY)
        if large is Large.CARRY or is_notice(shown.get("content-type") or b"", shown.body):
            return False
        targets = (target,) if target is not None else self._bindings.targets(aor, now)
        safe = bool(targets) and all(one.flow.reliable for one in targets)
        over = not safe and _octets(shown) > settings.octets
        moved = large is Large.INDIRECT and 0 < settings.inline < len(shown.body)
        if not over and not moved:
            return False
        if large is Large.REFUSE:
            reason = b"Message Too Large: %d octets need a connection" % settings.octets
            self._endpoint.reply(request, flow, 513, now, reason)
        elif len(self._moving) >= _AT_A_TIME:
            self._endpoint.reply(request, flow, 503, now, None, (b"Retry-After: 5",))
        else:
            transaction = self._endpoint.accept(request, flow, now)
            moving = self._move(transaction, shown, sender, aor, target, self._as_rcs(targets))
            task = asyncio.ensure_future(moving)
            self._moving.add(task)
            task.add_done_callback(self._moving.discard)
        return True

    def _as_rcs(self, targets: Sequence[Target]) -> bool:
        """Say whether all devices of the recipient take files as RCS sends them."""
        return bool(targets) and all(
            _FILE_TRANSFER in self._registered(one).lower() for one in targets
        )

    async def _move(
        self,
        transaction: ServerTransaction,
        request: Request,
        sender: str,
        aor: str,
        target: Target | None,
        as_rcs: bool,
    ) -> None:
        """Put the content into a file, and send on a message that refers to it."""
        try:
            around, kind, octets = _content(request)
            if not self._store.may_upload(sender):
                raise ContentRefused("type", "files are not kept for the sender")
            token, kept = await self._store.put(sender, kind, "", len(octets), _once(octets))
            smaller = self._refer(request, around, self._link(token), kept, as_rcs)
        except ContentRefused as refused:
            status = 503 if refused.kind in _LATER else 513
            self._answer(transaction, status, refused.detail)
        except BadMessage as error:
            self._answer(transaction, error.status_hint, error.reason)
        else:
            self._on(transaction, smaller, sender, aor, target)
        self._wake()

    def _answer(self, transaction: ServerTransaction, status: int, reason: str) -> None:
        text = REASONS[status] + b": " + reason.encode("ascii", "replace")
        lines = (b"Retry-After: 5",) if status == 503 else ()
        self._endpoint.respond(transaction, status, self._clock.now(), text, lines)

    def _refer(
        self, request: Request, around: CpimMessage | None, url: str, kept: Kept, as_rcs: bool
    ) -> Request:
        """Return the message with a reference in the place of its content."""
        if as_rcs:
            until = datetime.fromtimestamp(int(kept.expires_at), UTC).isoformat()
            file = filetransfer.File(
                url, kept.size, kept.content_type, until.replace("+00:00", "Z"), kept.name
            )
            kind = filetransfer.MEDIA_TYPE
            body = filetransfer.build_file_transfer(filetransfer.FileTransfer(file))
        else:
            kind, body = external_body.build_external_body(
                url.encode(), kept.content_type.encode(), kept.size, kept.expires_at,
                kept.digest.encode() + b"@content.invalid",
            )  # fmt: skip
        if around is not None:
            headers = [header.line.partition(b": ")[::2] for header in around.headers]
            body = compose(headers, [(b"Content-Type", kind)], body).encode()
            kind = request.get("content-type") or b"message/cpim"
        lines = [
            line
            for name, line in zip(request.names, request.lines, strict=True)
            if not name.startswith("content-")
        ]
        return rewrite(request, [*lines, b"Content-Type: " + kind], body, self._endpoint.limits)


def _octets(request: Request) -> int:
    return sum(map(len, request.lines)) + 2 * len(request.lines) + len(request.body)


def _content(request: Request) -> tuple[CpimMessage | None, str, bytes]:
    """Return what a message carries: the CPIM message around it if there is one, type, octets.

    Raises: ParseError.
    """
    kind = request.get("content-type") or b"text/plain"
    if not is_cpim(kind):
        return None, kind.decode("utf-8", "replace"), request.body
    around = parse_cpim(request.body)
    part = around.part
    return around, part.content_type.decode("utf-8", "replace"), part.content


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets
