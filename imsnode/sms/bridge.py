# SPDX-License-Identifier: Apache-2.0
"""Message centres as parts of a node: who sends what where, and what comes from there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imsnode.config import Config
from imsnode.config.sms import Smsc
from imsnode.mailroom import Mailroom
from imsnode.peers.ranges import number_of
from imsnode.storage import Part, Sent, StorageError
from pager import rules
from pager.submission import Submission
from pager.values import LedgerEntry, StoredMessage
from sip.flow import Flow
from sip.message import Request
from sip.uri import Uri, parse_uri

from .content import ACCEPT, read_content
from .incoming import Incoming
from .link import Link, LinkSettings
from .outgoing import NumberRoom, Sender
from .receipt import Outcome

if TYPE_CHECKING:
    from imsnode.app import App

__all__ = ["SmsBridge"]

_log = logging.getLogger(__name__)

_AT_A_TIME = 1000  # numbers whose messages are being sent
_CLEAN_S = 3600.0
_SENT_S = 7 * 86400.0  # how long a centre may take to say what became of a message
_TEXT = b"text/plain;charset=UTF-8"


class SmsBridge:
    """The centres of a node; the gate hands it messages to their numbers.

    The mailboxes of numbers are those of the pager: what it answered 202 is kept until a centre
    has taken it.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._centres: dict[str, _Centre] = {}
        self._rooms: Mailroom | None = None
        self._queue: dict[str, None] = {}
        self._unkept: list[tuple[Sent, asyncio.Future[None]]] = []
        self._keeping = False
        self._cleaning: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ start, stop

    def start(self) -> None:
        """Connect to the centres of the configuration, and take up what waits for them."""
        if self._app.config.smsc:
            self.configure(self._app.config)

    def configure(self, config: Config) -> None:
        """Serve exactly these centres from now on; links whose settings stay go on."""
        wanted = {one.name: one for one in config.smsc}
        for name in [n for n, c in self._centres.items() if wanted.get(n) != c.settings]:
            self._centres.pop(name).close()
        for name, settings in wanted.items():
            if name not in self._centres:
                self._centres[name] = _Centre(self, settings, _password(config, settings))
        self._app.node.gateway = self if wanted else None
        if wanted and self._rooms is None:
            self._open_rooms()
        self._take_up()

    def _open_rooms(self) -> None:
        app = self._app
        pager = app.messaging.pager
        self._rooms = Mailroom(
            app.storage.messages,
            app.storage.ledger,
            pager.keeper.uncount,
            app.clock,
            app.messaging.mailroom.retry,
            lambda: pager.observers,
        )
        pager.observe(self._rooms)
        pager.observe(self)
        self._clean()

    async def close(self) -> None:
        """Let the centres go; what they have not taken stays in the store."""
        if self._cleaning is not None:
            self._cleaning.cancel()
        if self._rooms is not None:
            await self._rooms.close()
        centres, self._centres = self._centres, {}
        for centre in centres.values():
            centre.close()
        await asyncio.gather(*(centre.task for centre in centres.values()), return_exceptions=True)

    # --------------------------------------------------------------- the gate

    def recipient_of(self, uri: Uri) -> str:
        """Return the mailbox of the number in a URI, "" when no centre takes it."""
        number = number_of(uri)
        return "" if not number or self.user_of(number) else self.mailbox_of(number)

    def mailbox_of(self, number: str) -> str:
        """Return the mailbox of a number, "" when no centre takes it."""
        if not number.startswith("+") or self._centre_of(number) is None:
            return ""
        return f"sip:{number}@{self._app.config.domains[0]}"

    def take(
        self, request: Request, shown: Request, flow: Flow, sender: str, aor: str, now: float
    ) -> None:
        """Take a MESSAGE to a number of a centre: stored, answered 202, sent on."""
        app = self._app
        if read_content(request.get("content-type") or b"", request.body) is None:
            app.edge.endpoint.refuse(
                request, flow, 415, now, b"Phones get text alone", (ACCEPT,), ()
            )
            return
        transaction = app.edge.endpoint.accept(request, flow, now)
        app.messaging.pager.take(transaction, shown, None, sender, aor, now, app.clock.wall())

    # -------------------------------------------------- observer of the pager

    def answered(self, submission: Submission, now: float) -> None:
        """A message was stored: when it is for a number, it is to be sent."""
        if submission.status == 202:
            self._serve(submission.recipient)

    def concluded(self, *_: object) -> None:
        """The mailroom knows itself."""

    expired = concluded

    def copied(self, copies: Sequence[StoredMessage], parent_id: str, now: float) -> None:
        """Copies of a message to a group were stored."""
        for copy in copies:
            self._serve(copy.recipient)

    def _take_up(self) -> None:
        for aor in self._app.messaging.pager.keeper.waiting_recipients():
            self._serve(aor)

    def _serve(self, aor: str) -> None:
        """Have the mailbox of a number emptied, now or when others are."""
        rooms = self._rooms
        if rooms is None or not aor.startswith("sip:+"):
            return
        room = rooms.rooms.get(aor)
        if room is not None:
            room.news.set()
            return
        uri = parse_uri(aor.encode())
        centre = self._centre_of(number_of(uri)) if self.recipient_of(uri) == aor else None
        if centre is None:
            return
        if len(rooms.rooms) >= _AT_A_TIME:
            self._queue[aor] = None
            return
        made = NumberRoom(rooms, aor, centre.settings.name)
        made.emptied = self._emptied
        rooms.rooms[aor] = made
        made.serve(centre.sender)

    def _emptied(self, aor: str) -> None:
        rooms = self._rooms
        if rooms is not None:
            rooms.rooms.pop(aor, None)
        if self._queue:
            following = next(iter(self._queue))
            del self._queue[following]
            self._serve(following)

    def _centre_of(self, number: str) -> _Centre | None:
        """Return the centre with the longest first digits."""
        best, longest = None, 0
        for centre in self._centres.values():
            for digits in centre.settings.numbers:
                if number.startswith(digits) and len(digits) > longest:
                    best, longest = centre, len(digits)
        return best

    # ------------------------------------------------- imsnode.sms.incoming.Desk

    def recipient(self, number: str) -> str:
        """Return the user who has a number, "" for nobody."""
        return self.user_of(number)

    def user_of(self, number: str) -> str:
        """Return the address of record that is a number or a short code of ours."""
        account = self._app.admission.directory.identities.public.get(f"tel:{number}")
        if account is not None:
            return account if self._app.admission.is_user(account) else ""
        for domain in self._app.config.domains:
            aor = f"sip:{number}@{domain}"
            if self._app.admission.is_user(aor):
                return aor
        return ""

    async def submit(self, source: str, recipient: str, text: str, identity: str) -> int:
        """Give a user a message of a phone."""
        sender = f"sip:{_escaped(source)}@{self._app.config.domains[0]}"
        return await self.send(sender, recipient, text, identity)

    async def send(self, sender: str, recipient: str, text: str, identity: str) -> int:
        """Send a text in somebody's name; returns the status, once that is for good."""
        answered: asyncio.Future[int] = self._app.loop.create_future()

        def done(status: int, _reason: str) -> None:
            if not answered.done():
                answered.set_result(status)

        self._app.messaging.submit(sender, recipient, _TEXT, text.encode(), done, identity=identity)
        return await answered

    async def keep_part(self, part: Part) -> list[Part] | None:
        """Keep a part."""
        short = self._app.storage.short_messages
        wall = self._app.clock.wall()
        return await self._app.loop.run_in_executor(None, short.keep_part, part, wall)

    async def forget_parts(self, part: Part) -> None:
        """Forget the parts of a message."""
        short = self._app.storage.short_messages
        await self._app.loop.run_in_executor(None, short.forget_parts, part)

    async def reported(self, smsc: str, outcome: Outcome) -> bool:
        """Note what became of a message of ours, and tell its sender who asked."""
        short, loop = self._app.storage.short_messages, self._app.loop
        centre = self._centres.get(smsc)
        if centre is not None and not await centre.sender.kept(outcome.ids):
            return False
        sent = await loop.run_in_executor(None, short.find_sent, smsc, outcome.ids)
        if sent is None:
            _log.info("receipt for nothing that is known", extra={"smsc": smsc})
            return True
        self._note(sent, smsc, outcome)
        left = await loop.run_in_executor(None, short.settle, sent, not outcome.delivered)
        if sent.asked and (left == 0 or not outcome.delivered):
            self._app.messaging.receipts.reported(
                sent.sender, sent.recipient, sent.asked, outcome.delivered
            )
            self._app.edge.driver.wake()
        return True

    def _note(self, sent: Sent, smsc: str, outcome: Outcome) -> None:
        says = rules.SAYS_DELIVERED if outcome.delivered else rules.SAYS_FAILED
        step = (self._app.clock.wall(), rules.RECEIPT, smsc, 0, says)
        self._app.storage.ledger.note(
            LedgerEntry(
                sent.message_id, sent.call_id, sent.at, sent.sender, sent.recipient, 0, [step], "",
                False,
            )
        )  # fmt: skip

    # ---------------------------------------------------------------- the store

    async def keep_sent(self, sent: Sequence[Sent]) -> None:
        """Return when it is on disk what a centre took; many are written together."""
        loop = self._app.loop
        futures = [loop.create_future() for _ in sent]
        self._unkept += zip(sent, futures, strict=True)
        if not self._keeping:
            self._keeping = True
            try:
                while self._unkept:
                    await self._keep_all()
            finally:
                self._keeping = False
        await asyncio.gather(*futures)

    async def _keep_all(self) -> None:
        together, self._unkept = self._unkept, []
        short = self._app.storage.short_messages
        rows = [one for one, _ in together]
        try:
            await self._app.loop.run_in_executor(None, short.keep_sent, rows)
        except StorageError as error:
            # The centre has it: that nobody will be told what became of it is the lesser harm.
            _log.error("receipts will be missed", extra={"messages": len(rows), "why": str(error)})
        for _, future in together:
            future.set_result(None)

    def _clean(self) -> None:
        """Forget what is too old, now and every hour."""
        app, wall = self._app, self._app.clock.wall()
        lifetimes = [one.part_lifetime for one in app.config.smsc]
        parts_at = wall - max(lifetimes, default=86400.0)
        app.loop.run_in_executor(
            None, app.storage.short_messages.forget_before, parts_at, wall - _SENT_S
        )
        self._cleaning = app.loop.call_later(_CLEAN_S, self._clean)

    def links(self) -> dict[str, Link]:
        """Return the links by name."""
        return {name: centre.link for name, centre in self._centres.items()}


class _Centre:
    """One centre: its link and what goes through it."""

    def __init__(self, bridge: SmsBridge, settings: Smsc, password: str) -> None:
        self.settings = settings
        incoming = Incoming(settings.name, bridge)
        self.link = Link(
            settings.name,
            LinkSettings(
                settings.address.host,
                settings.address.port,
                settings.system_id,
                password,
                settings.system_type,
                settings.window,
                settings.rate,
                settings.enquire,
                settings.answer,
            ),
            incoming.take,
        )
        app = bridge._app
        self.sender = Sender(
            self.link, settings.long, settings.source, settings.receipts, bridge.keep_sent,
            app.clock.wall,
        )  # fmt: skip
        self.task = app.loop.create_task(self.link.run())

    def close(self) -> None:
        """Begin to end the link."""
        self.sender.close()
        self.task.cancel()


def _password(config: Config, settings: Smsc) -> str:
    if settings.password_file is None:
        return ""
    try:
        return (config.directory / settings.password_file).read_text("utf-8").strip()
    except OSError as error:
        _log.error("password cannot be read", extra={"smsc": settings.name, "why": str(error)})
        return ""


def _escaped(source: str) -> str:
    """Return a number or a name as the user part of an address."""
    kept = (
        c if (c.isalnum() and c.isascii()) or c in "+-_.!~*'()" else f"%{ord(c) & 0xFF:02X}"
        for c in source
    )
    return "".join(kept) or "unknown"
