# SPDX-License-Identifier: Apache-2.0
"""Messages and files: too large a message becomes a link, and whom a link is sent to may fetch.

A MESSAGE that a network without congestion control would have to carry must not have more than
1300 octets (RFC 3428 8). It is carried all the same, refused with 513, or its content becomes a
file of the sender, as the sender's domain has it. What is stored may go by UDP later.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice

from pager.ports import Bindings, Clock
from sip.bodies import external_body, filetransfer
from sip.bodies.cpim import CpimMessage, compose, is_cpim, parse_cpim
from sip.endpoint import Endpoint
from sip.errors import BadMessage
from sip.flow import Flow
from sip.forward import Target
from sip.limits import Limits
from sip.message import Request
from sip.reasons import REASONS
from sip.rewrite import rewrite
from sip.transaction.server import ServerTransaction

from .content import ContentRefused, ContentStore, Kept
from .storage.archive_group import is_notice

__all__ = ["Large", "Oversize", "OversizeSettings", "TooLarge"]

_AT_A_TIME = 64
#: How a device says that it takes files by HTTP (RCC.07, in a Contact parameter).
_FILE_TRANSFER = b"rcs.fthttp"
#: What a link of this node holds; whatever carries it, an XML document or a text.
_PATH = b"/api/v1/files/"
_LINK = re.compile(re.escape(_PATH) + rb"([A-Za-z0-9_-]{32})(?![A-Za-z0-9_-])")
_LINKS = 20  # that one message shares
_MANY = 256  # recipients whose devices are looked at one by one
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


class TooLarge(Exception):
    """A message is refused. status: 403, 503 or 513."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Oversize:
    """Takes large messages out of the way, and shares files with those they are sent to.

    Args:
        registered: Contact parameters behind a target.
        link: the URL of a file by its token. on: sends a message on whose content was moved.
        wake: has the endpoint's output sent. local: the domains served here.
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
        local: Sequence[str],
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
        self._local = frozenset(local)
        self._moving: set[asyncio.Task[None]] = set()

    # --- to one

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
        """Deal with a MESSAGE that is too large or has links; False for one that goes on as it is.

        Args: shown: as the recipient would get it. target: the next hop to another domain.
        """
        kind = shown.get("content-type") or b""
        tokens = self._unshared(sender, (aor,), kind, shown.body) if target is None else []
        large = self.settings.domains.get(sender.rpartition("@")[2], Large.CARRY)
        if (large is Large.CARRY and not tokens) or is_notice(kind, shown.body):
            return False
        targets = (target,) if target is not None else self._bindings.targets(aor, now)
        large = self._fate(large, _octets(shown), len(shown.body), (targets,))
        if large is Large.CARRY and not tokens:
            return False
        if large is Large.REFUSE:
            reason = self._refusal().encode()
            self._endpoint.reply(request, flow, 513, now, reason)
        elif len(self._moving) >= _AT_A_TIME:
            self._endpoint.reply(request, flow, 503, now, None, (b"Retry-After: 5",))
        else:
            transaction = self._endpoint.accept(request, flow, now)
            as_rcs, person = self._as_rcs(targets), self._person(aor, (aor,))

            async def send() -> None:
                await self._share(sender, tokens, (aor,))
                moved = shown
                if large is Large.INDIRECT:
                    given = await self.move(sender, (aor,), person, kind, shown.body, as_rcs)
                    moved = self._with(shown, *given)
                self._on(transaction, moved, sender, aor, target)

            self._begin(transaction, send())
        return True

    # --- to many

    def take_many(
        self,
        transaction: ServerTransaction,
        request: Request,
        sender: str,
        address: str,
        recipients: Sequence[str],
        readers: Sequence[str],
        content: tuple[bytes, bytes],
        go: Callable[[bytes, bytes], object],
        now: float,
    ) -> bool:
        """Deal with a message to many; False for one that goes on as it is.

        Args:
            readers: who may fetch what it refers to; a group stands for its members.
            content: Content-Type and octets of what everybody gets. go: called with those that
            take their place.
        """
        kind, body = content
        tokens = self._unshared(sender, readers, kind, body)
        octets = _octets(request) - len(request.body) + len(body)
        large = self.fate(sender, kind, body, octets, recipients, now)
        if large is Large.CARRY and not tokens:
            return False
        if large is Large.REFUSE:
            self._answer(transaction, 513, self._refusal())
        elif len(self._moving) >= _AT_A_TIME:
            self._answer(transaction, 503, "too many at once")
        else:

            async def send() -> None:
                given = content
                await self._share(sender, tokens, readers)
                if large is Large.INDIRECT:
                    person = self._person(address, recipients)
                    given = await self.move(sender, readers, person, kind, body, False)
                go(*given)

            self._begin(transaction, send())
        return True

    async def fit(
        self, sender: str, readers: Sequence[str], recipients: Sequence[str], kind: bytes,
        body: bytes, octets: int,
    ) -> tuple[bytes, bytes]:  # fmt: skip
        """Return the Content-Type and octets in which a message of the node's own may be sent.

        Args: readers: who may fetch what it refers to. octets: of the header lines, about.
        Raises: TooLarge.
        """
        await self._share(sender, self._unshared(sender, readers, kind, body), readers)
        now = self._clock.now()
        large = self.fate(sender, kind, body, octets + len(body), recipients, now)
        if large is Large.CARRY:
            return kind, body
        if large is Large.REFUSE:
            raise TooLarge(513, self._refusal())
        person = self._person(readers[0], recipients)
        return await self.move(sender, readers, person, kind, body, False)

    def fate(
        self, sender: str, kind: bytes, body: bytes, octets: int, recipients: Sequence[str],
        now: float,
    ) -> Large:  # fmt: skip
        """Say what becomes of a message of so many octets to these; () for too many to name."""
        large = self.settings.domains.get(sender.rpartition("@")[2], Large.CARRY)
        if large is Large.CARRY or is_notice(kind, body):
            return Large.CARRY
        if not 0 < len(recipients) <= _MANY:
            return self._fate(large, octets, len(body), ((),))
        ways = (self._bindings.targets(who, now) for who in recipients)
        return self._fate(large, octets, len(body), ways)

    def _fate(
        self, large: Large, octets: int, inline: int, ways: Iterable[Sequence[Target]]
    ) -> Large:
        settings = self.settings
        if large is Large.INDIRECT and 0 < settings.inline < inline:
            return large
        if large is Large.CARRY or octets <= settings.octets:
            return Large.CARRY
        safe = all(targets and all(one.flow.reliable for one in targets) for targets in ways)
        return Large.CARRY if safe else large

    # --- files

    def _unshared(self, sender: str, readers: Iterable[str], kind: bytes, body: bytes) -> list[str]:
        """Return the links of the sender's own files that somebody here may not fetch yet."""
        if _PATH not in body and _PATH not in kind:
            return []
        links = dict.fromkeys(_LINK.findall(kind + b" " + body))
        tokens = [token.decode() for token in islice(links, _LINKS)]
        found = [self._store.unshared(sender, tokens, who) for who in readers if self._here(who)]
        return list(dict.fromkeys(token for some in found for token in some))

    async def _share(self, sender: str, tokens: Iterable[str], readers: Iterable[str]) -> None:
        here = [who for who in readers if self._here(who)]
        for token in tokens:
            try:
                await self._store.share(token, sender, here)
            except ContentRefused as refused:
                raise _refused(refused) from None

    async def move(
        self, sender: str, readers: Sequence[str], person: str, kind: bytes, body: bytes,
        as_rcs: bool,
    ) -> tuple[bytes, bytes]:  # fmt: skip
        """Put a content into a file; return the Content-Type and octets that refer to it.

        Args: person: in whose name the link is for whoever has it, "" for readers alone.
        Raises: TooLarge, ParseError.
        """
        around, media, octets = _content(kind, body)
        try:
            if not self._store.may_upload(sender):
                raise ContentRefused("type", "files are not kept for the sender")
            here = [who for who in readers if self._here(who)]
            token, kept = await self._store.put(sender, media, "", len(octets), _once(octets), here)
            if person:
                token = await self._store.link_for(token, sender, person)
        except ContentRefused as refused:
            raise _refused(refused) from None
        return _refer(kind, around, self._link(token), kept, as_rcs)

    def _here(self, aor: str) -> bool:
        """Say whether somebody has credentials of this node."""
        return aor.rpartition("@")[2] in self._local

    def _person(self, address: str, recipients: Sequence[str]) -> str:
        """Return in whose name a link is made that needs no credentials, "" for none."""
        few = len(recipients) <= _MANY
        return address if few and not all(map(self._here, recipients)) else ""

    # --- answers

    def _begin(self, transaction: ServerTransaction, send: Coroutine[object, object, None]) -> None:
        async def run() -> None:
            try:
                await send
            except TooLarge as refused:
                self._answer(transaction, refused.status, refused.reason)
            except BadMessage as error:
                self._answer(transaction, error.status_hint, error.reason)
            self._wake()

        task = asyncio.ensure_future(run())
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)

    def _refusal(self) -> str:
        return f"Message Too Large: {self.settings.octets} octets need a connection"

    def _answer(self, transaction: ServerTransaction, status: int, reason: str) -> None:
        text = reason.encode("ascii", "replace")
        if not text.startswith(REASONS[status]):
            text = REASONS[status] + b": " + text
        lines = (b"Retry-After: 5",) if status == 503 else ()
        self._endpoint.respond(transaction, status, self._clock.now(), text, lines)

    def _as_rcs(self, targets: Sequence[Target]) -> bool:
        """Say whether all devices of the recipient take files as RCS sends them."""
        return bool(targets) and all(
            _FILE_TRANSFER in self._registered(one).lower() for one in targets
        )

    def _with(self, request: Request, kind: bytes, body: bytes) -> Request:
        """Return a message with another content."""
        return with_content(request, kind, body, self._endpoint.limits)


def with_content(request: Request, kind: bytes, body: bytes, limits: Limits) -> Request:
    """Return a message with another content."""
    lines = [
        line
        for name, line in zip(request.names, request.lines, strict=True)
        if not name.startswith("content-")
    ]
    return rewrite(request, [*lines, b"Content-Type: " + kind], body, limits)


def _refer(
    kind: bytes, around: CpimMessage | None, url: str, kept: Kept, as_rcs: bool
) -> tuple[bytes, bytes]:
    """Return the Content-Type and octets of a reference in the place of a content."""
    if as_rcs:
        until = datetime.fromtimestamp(int(kept.expires_at), UTC).isoformat()
        file = filetransfer.File(
            url, kept.size, kept.content_type, until.replace("+00:00", "Z"), kept.name
        )
        media = filetransfer.MEDIA_TYPE
        body = filetransfer.build_file_transfer(filetransfer.FileTransfer(file))
    else:
        media, body = external_body.build_external_body(
            url.encode(), kept.content_type.encode(), kept.size, kept.expires_at,
            kept.digest.encode() + b"@content.invalid",
        )  # fmt: skip
    if around is None:
        return media, body
    headers = [header.line.partition(b": ")[::2] for header in around.headers]
    return kind, compose(headers, [(b"Content-Type", media)], body).encode()


def _refused(refused: ContentRefused) -> TooLarge:
    if refused.kind == "readers":
        return TooLarge(403, refused.detail)
    return TooLarge(503 if refused.kind in _LATER else 513, refused.detail)


def _octets(request: Request) -> int:
    return sum(map(len, request.lines)) + 2 * len(request.lines) + len(request.body)


def _content(kind: bytes, body: bytes) -> tuple[CpimMessage | None, str, bytes]:
    """Return what a message carries: the CPIM message around it if there is one, type, octets.

    Raises: ParseError.
    """
    if not is_cpim(kind):
        return None, (kind or b"text/plain").decode("utf-8", "replace"), body
    around = parse_cpim(body)
    part = around.part
    return around, part.content_type.decode("utf-8", "replace"), part.content


async def _once(octets: bytes) -> AsyncIterator[bytes]:
    yield octets
