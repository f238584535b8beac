# SPDX-License-Identifier: Apache-2.0
"""Sessions that the node takes in the place of a user: what they bring goes on as messages.

A message of such a session is submitted to the pager like a MESSAGE of the caller, so it is
screened, stored, kept in the history, delivered and told of as any other; its MSRP answer leaves
when the pager has answered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pager import Pager, StoreMode, rules
from pager.ports import Clock, Ledger
from pager.values import LedgerEntry, Notice
from session_msrp.errors import MediaError
from session_msrp.files import FileOffer
from session_msrp.limits import Limits
from session_msrp.party import MediaWish
from sip.bodies.sdp import Media, parse_sdp
from sip.errors import BadMessage, SipError
from sip.flow import Flow
from sip.forward import Target
from sip.ids import IdSource
from sip.limits import Limits as Codec
from sip.message import Request, trim
from sip.registrar import Binding, date_line
from sip.routing import Refusal
from sip.timers import TimerQueue
from sip.transaction.server import ServerTransaction

from ..local import Asked, local_message
from .capability import capability, capability_of
from .filegate import files_of
from .filing import FileTaken, Filing
from .taken import Standby, Taken
from .talk import Talk
from .talks import Talks, description_in

__all__ = ["UNABLE", "Deferring", "DeferringSettings", "kept_fields"]

Deliver = Literal["auto", "session", "pager"]

#: Header fields of an INVITE that mean the same in the messages of its session (RCC.07, OMA CPM).
_KEPT: Final = frozenset(
    (
        b"contribution-id",
        b"conversation-id",
        b"inreplyto-contribution-id",
        b"p-asserted-service",
        b"p-preferred-service",
        b"accept-contact",
        b"privacy",
        b"subject",
    )
)
#: How long a session that lost its connection may be taken up again by a new offer.
_RESUME_S: Final = 30.0
#: What a talk says of its end, and the rule it is by; anything else is somebody's hanging up.
_ENDS: Final = (
    ("connection: ", rules.CONNECTION_LOST),
    ("nobody connected", rules.CONNECTION_LOST),
    ("the session timer", rules.TIMER_OVER),
    ("nothing passed", rules.SESSION_IDLE),
    ("the node stops", rules.NODE_STOPPED),
)
_MEDIA: Final = re.compile(rb"^m=([a-z]+) [1-9]", re.MULTILINE)
#: Final answers after which no device can take the session for the moment, and those after which
#: it may be taken by other means.
_AWAY: Final = frozenset((404, 408, 410, 430, 480, 500, 503))
UNABLE: Final = frozenset((405, 406, 415, 420, 488, 501, 606))


@dataclass(frozen=True, slots=True)
class DeferringSettings:
    """See `imsnode.config.sessions.Msrp`. octets: of one message. patience_s: with devices that do
    not answer a call."""

    deferred: bool = False
    interwork: bool = False
    octets: int = 512 * 1024
    deliver: Deliver = "auto"
    user_sessions: int = 20
    idle_s: float = 7200.0
    patience_s: float = 4.0

    @property
    def active(self) -> bool:
        """True when the node itself takes part in sessions."""
        return self.deferred or self.interwork


class Deferring:
    """Takes sessions that nobody else can take."""

    def __init__(
        self,
        talks: Talks,
        pager: Pager,
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        retry_after: Callable[[], tuple[bytes, ...]],
        wake: Callable[[], None],
        timers: TimerQueue,
        pause: Callable[[str, float], float],
        filing: Filing,
        settings: DeferringSettings,
    ) -> None:
        """Join it; ``wake`` has the endpoint's output sent."""
        self._filing = filing
        self.timers = timers
        #: Seconds until a user may send one more message, 0 for at once; counts it then.
        self.pause = pause
        self.settings = settings
        self.limits = Limits(message_bytes=settings.octets)
        self.taken = 0
        self._open: dict[tuple[str, str], set[Talk]] = {}
        self._callers: Counter[str] = Counter()  # sessions that were taken, by who called
        self._talks = talks
        self._pager = pager
        self._alone: set[str] = set()  # who has a device that takes sessions alone
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._retry_after = retry_after
        self._wake = wake
        #: Of requests that are made of a session's messages.
        self._codec = Codec(
            message_bytes=2 * settings.octets + 65536,
            body_bytes=settings.octets,
            message_body_bytes=settings.octets,
        )

    # -- INVITEs -----------------------------------------------------------------------------------

    def wants(self, request: Request, called: str, targets: Sequence[Target]) -> bool:
        """Say whether an INVITE for a user is to be answered here and not sent to devices."""
        if request.to_tag or not _offers_session(request):
            return False
        if not targets:
            return self._defers(called)
        return self.settings.interwork and all(
            capability_of(target).sessions is False for target in targets
        )

    def _defers(self, called: str) -> bool:
        """Say whether anything is stored for a user."""
        mode = self._pager.settings.mode_for(called)
        return self.settings.deferred and mode is not StoreMode.OFF

    def take(
        self,
        request: Request,
        flow: Flow,
        caller: str,
        called: str,
        reachable: bool,
        now: float,
        transaction: ServerTransaction | None = None,
    ) -> Refusal | None:
        """Answer an INVITE in a user's place; a Refusal where that cannot be.

        Args: reachable: there are devices, which take no sessions. transaction: of an INVITE that
            devices were sent.
        """
        if self._callers[caller] >= self.settings.user_sessions:
            return Refusal(503, b"Too many sessions", self._retry_after())
        rule = rules.NOBODY_THERE if transaction is None else rules.NOBODY_TOOK
        if reachable:
            rule = rules.NO_SESSIONS
        taker = self._taker(request, caller, called, rule)
        if isinstance(taker, Refusal):
            return taker
        user, wish = taker
        talk = self._talks.take(
            user, request, flow, called, caller, self.limits, now, wish, transaction=transaction
        )
        if isinstance(talk, Refusal):
            if isinstance(user, FileTaken):
                user.wait()
            return talk
        self.taken += 1
        self._callers[caller] += 1
        talk.idle_s = self.settings.idle_s
        if isinstance(user, Taken):
            talk.resume_s = _RESUME_S
            self._open.setdefault((caller, called), set()).add(talk)
        talk.accept()
        return None

    def _taker(
        self, request: Request, caller: str, called: str, rule: str
    ) -> tuple[Taken | FileTaken, MediaWish] | Refusal:
        """Return who takes what an INVITE offers, messages or a file, and what is said of it."""
        headers = _kept(request)
        try:
            found = file_in(request)
        except (BadMessage, MediaError) as error:
            return Refusal(488, b"Session description: " + error.reason.encode(), ())
        if found is None:
            wish = MediaWish(types=b"message/cpim *", wrapped=b"*", max_size=self.settings.octets)
            return Taken(self, caller, called, headers, rule), wish
        media, file = found
        why = self._filing.refusal(caller, file)
        taker = None if why else self._filing.take(self, caller, called, headers, rule, file)
        if taker is None:
            why = why or "the beginning of the file is not here"
            return Refusal(488, b"File not taken: " + why.encode(), ())
        return taker, taker.wish(media)

    def behind(self, request: Request, flow: Flow, caller: str, called: str) -> Standby | None:
        """Return who stands by while devices are asked, None when nobody has to."""
        if request.to_tag or not _offers_session(request):
            return None
        return Standby(self, request, flow, caller, called)

    def takes_over(self, called: str, status: int) -> tuple[bool, bool]:
        """Say whether a call is taken that devices have answered so, and whether they are there."""
        if status in UNABLE:
            return self.settings.interwork, True
        return status in _AWAY and self._defers(called), False

    def moved(
        self, aor: str, old: tuple[Binding, ...], new: tuple[Binding, ...], now: float
    ) -> None:
        """Take note whether a user has a device that takes sessions alone."""
        if self.settings.interwork and any(
            binding.params and capability(binding.params).only_sessions for binding in new
        ):
            self._alone.add(aor)
            self._pager.bridged.add(aor)
        elif aor in self._alone:
            self._alone.discard(aor)
            self._pager.bridged.discard(aor)

    # -- messages ----------------------------------------------------------------------------------

    def submit(
        self,
        talk: Talk,
        sender: str,
        recipient: str,
        content: tuple[bytes, bytes],
        headers: Sequence[tuple[bytes, bytes]],
        identity: str,
        answered: Callable[[int, str], None],
    ) -> None:
        """Hand the content of a session's message to the pager."""
        now, wall = self._clock.now(), self._clock.wall()
        kind, body = content
        try:
            request = local_message(
                self._ids, sender, recipient, kind, body, date_line(wall), headers, identity,
                self._codec,
            )  # fmt: skip
        except SipError as error:  # a Content-Type that is none
            answered(400, str(error))
            return
        message_id = self._pager.originate(
            Asked(request, answered), request, sender, recipient, now, wall,
            most=self.settings.octets, network=True,
        )  # fmt: skip
        step = (wall, rules.IN_SESSION, "", 0, rules.BY_CALL)
        self._ledger.note(
            LedgerEntry(
                message_id, talk.call_id, wall, sender, recipient, len(body), [step], "", False
            )
        )
        self._wake()

    def open_with(self, caller: str, called: str, contact: bytes) -> Talk | None:
        """Return a session that a device of a caller has with the node in the called user's place.

        None where there is none by which the device could be sent anything now.
        """
        for talk in self._open.get((caller, called), ()):
            dialog, peer = talk.dialog, talk.peer
            if dialog is None or peer is None or dialog.remote_target != contact:
                continue
            if talk.connected and peer.direction in (b"sendrecv", b"recvonly"):
                return talk
        return None

    def ended(self, talk: Talk, user: Taken | FileTaken, status: int, reason: str) -> None:
        """Have the ledger say what a session was that the node took."""
        self._callers[user.caller] -= 1
        if self._callers[user.caller] <= 0:
            del self._callers[user.caller]
        there = self._open.get((user.caller, user.called))
        if there is not None:
            there.discard(talk)
            if not there:
                del self._open[(user.caller, user.called)]
        if status >= 300:
            return  # it could not be taken after all
        wall = self._clock.wall()
        began = wall - (self._clock.now() - talk.began)
        steps = [
            (began, rules.TAKEN, "", 200, user.rule),
            (wall, rules.SESSION_ENDED, reason, 0, _why(reason)),
        ]
        if user.verdict:
            steps.insert(1, (wall, rules.FILE, "", 0, user.verdict))
        self._ledger.note(
            LedgerEntry(
                talk.id, talk.call_id, began, user.caller, user.called, user.octets, steps,
                rules.ENDED, notice=Notice(rules.SESSION, b""),
            )
        )  # fmt: skip


def _why(reason: str) -> str:
    """Return the rule behind the end of a talk, which `Talk` names in words."""
    return next((rule for words, rule in _ENDS if reason.startswith(words)), rules.HUNG_UP)


def _offers_session(request: Request) -> bool:
    """Say whether an INVITE offers nothing but a session of messages."""
    if b"m=message " not in request.body:
        return False
    try:
        body = description_in(request)
    except BadMessage:
        return False
    return body is not None and b"\nm=" in body and _MEDIA.findall(body) == [b"message"]


def file_in(request: Request) -> tuple[Media, FileOffer] | None:
    """Return the file that an INVITE is about, None for none. Raises: ParseError, MediaError."""
    body = description_in(request)
    files = files_of(parse_sdp(body)) if body is not None else []
    return files[0] if files else None


def _kept(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the header fields of an INVITE that its messages have too."""
    return kept_fields([line.partition(b":")[::2] for line in map(trim, request.lines)])


def kept_fields(fields: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the header fields that mean the same for a message and for its session."""
    return [
        (name.strip(), value.strip()) for name, value in fields if name.strip().lower() in _KEPT
    ]
