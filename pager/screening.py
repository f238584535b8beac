# SPDX-License-Identifier: Apache-2.0
"""What a user lets in and a domain allows: values, and the pure decision about one message.

A user's wishes (`UserPolicy`) and the rules of the recipient's domain (`DomainPolicy`) meet the
facts of a message (`Incoming`); the outcome is a `Decision` like any other of the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from sip.bodies.mediatype import media_type

from . import rules
from .policy import Act, Decision

__all__ = [
    "ADMIT",
    "Acquaintance",
    "BlockAnswer",
    "Content",
    "DomainPolicy",
    "Incoming",
    "Kind",
    "Strangers",
    "UserPolicy",
    "Verdict",
    "content",
    "incoming",
    "judge",
    "specificity",
    "unwelcome",
]

_CPIM: Final = b"message/cpim"
_HEAD_BYTES: Final = 8192  # of a CPIM body, looked at for the type of what it carries
_EXACT: Final = 1000
_DOMAIN: Final = 999  # above the length of any host name


class Strangers(StrEnum):
    """What somebody may send with whom the recipient has had nothing to do."""

    ANYTHING = "anything"
    TEXT = "text"  # text/* alone
    ONE = "one"  # one text until the recipient has sent something back
    NOTHING = "nothing"


class BlockAnswer(StrEnum):
    """What a sender hears whom the recipient does not want to hear from."""

    UNAVAILABLE = "unavailable"  # what it would hear if no device were registered
    FORBIDDEN = "forbidden"  # 403
    DECLINE = "decline"  # 603


class Kind(Enum):
    """What a body is to the rules."""

    TEXT = auto()
    OTHER = auto()
    COMPOSING = auto()  # RFC 3994
    RECEIPT = auto()  # an IMDN (RFC 5438)
    RECALL = auto()  # a revocation of an earlier message


class Acquaintance(Enum):
    """What the recipient has had to do with the sender."""

    NONE = auto()
    HEARD = auto()  # the sender has sent something
    SENT = auto()  # the recipient has sent something


_KINDS: Final = {
    b"application/im-iscomposing+xml": Kind.COMPOSING,
    b"message/imdn+xml": Kind.RECEIPT,
    b"application/vnd.gsma.rcsrevoke+xml": Kind.RECALL,
}
_OF_AN_EXCHANGE: Final = frozenset((Kind.RECEIPT, Kind.RECALL))
_NOTICES: Final = _OF_AN_EXCHANGE | {Kind.COMPOSING}


@dataclass(frozen=True, slots=True)
class UserPolicy:
    """What one user wants.

    block, allow: addresses of record, ``*@DOMAIN``, ``*@*.DOMAIN`` or ``*``; the more specific
    entry counts, among equals ``block``. types: ``text/plain``, ``image/*``; empty takes all.
    size: largest body in octets, 0 for no limit of its own. strangers: None leaves it to the
    domain. muted_until: epoch seconds; until then messages are stored and not sent.
    """

    aor: str
    block: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    size: int = 0
    strangers: Strangers | None = None
    muted_until: float = 0.0

    def empty(self, wall: float) -> bool:
        """Say whether it changes nothing (any more)."""
        wishes = self.block or self.allow or self.types or self.size or self.strangers
        return not wishes and self.muted_until <= wall


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """What a domain allows.

    For its recipients: types, size, strangers (as in `UserPolicy`) and block_answer. For its
    senders: rate and burst of messages (per second; 0 for no limit but the node's), fan_out
    (different recipients in an hour, 0 for any number), new_recipients (in a day, 0 for any
    number). rules: names of the content rules for what its users send or get.
    """

    types: tuple[str, ...] = ()
    size: int = 0
    strangers: Strangers = Strangers.ANYTHING
    block_answer: BlockAnswer = BlockAnswer.UNAVAILABLE
    rate: float = 0.0
    burst: int = 1
    fan_out: int = 0
    new_recipients: int = 0
    rules: tuple[str, ...] = ()

    @property
    def judges_all(self) -> bool:
        """True when messages have to be looked at although no user has wishes of their own."""
        limits = self.types or self.size or self.rate or self.fan_out or self.new_recipients
        return bool(limits or self.rules or self.remembers)

    @property
    def remembers(self) -> bool:
        """True when it has to be known who has had to do with whom."""
        return self.strangers is not Strangers.ANYTHING or self.new_recipients > 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """The facts of a message. types: lower-case media types, of the body and of what it carries."""

    sender: str
    kind: Kind
    types: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, for content rules: what a CPIM body carries, else the body itself.

    media_type: lower-case, without parameters.
    """

    sender: str
    recipient: str
    media_type: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as text when it is text/*, else ""; octets that are no UTF-8 are replaced."""
        if not self.media_type.startswith("text/"):
            return ""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with what its answer says beside the status.

    claimed: the message is the one a stranger may send; a refusal gives the right to it back.
    """

    decision: Decision
    reason: bytes | None = None
    lines: tuple[bytes, ...] = ()
    claimed: bool = False


ADMIT: Final = Decision(Act.FORWARD, rules.FORWARDED)
_HOLD: Final = Decision(Act.HOLD, rules.MUTED)
_TOO_LARGE: Final = Decision(Act.REFUSE, rules.TOO_LARGE_HERE, 413)
_WRONG_TYPE: Final = Decision(Act.REFUSE, rules.TYPE_NOT_TAKEN, 415)
_STATUS: Final = {BlockAnswer.FORBIDDEN: 403, BlockAnswer.DECLINE: 603}


def judge(
    user: UserPolicy, domain: DomainPolicy, message: Incoming, met: Acquaintance, wall: float
) -> Verdict | None:
    """Decide what becomes of a message for ``user``; None lets it pass.

    A receipt, a revocation and a notice of composing belong to an exchange that exists: they are
    held to the block list alone, except that a stranger's composing is turned away.
    """
    ranking = specificity(user.allow, message.sender)
    if _is_blocked(user, message.sender, ranking):
        return Verdict(_turned_away(domain, rules.SENDER_BLOCKED))
    notice = message.kind in _NOTICES
    if not notice:
        refusal = _unfit(user.types or domain.types, _least(user.size, domain.size), message)
        if refusal is None and user.types and domain.types:
            refusal = _unfit(domain.types, 0, message)
        if refusal is not None:
            return refusal
    claimed = False
    strangers = user.strangers or domain.strangers
    strange = not ranking and met is not Acquaintance.SENT
    if strange and strangers is not Strangers.ANYTHING and message.kind not in _OF_AN_EXCHANGE:
        if strangers is Strangers.NOTHING or message.kind is not Kind.TEXT:
            return Verdict(_turned_away(domain, rules.STRANGER))
        claimed = strangers is Strangers.ONE
        if claimed and met is Acquaintance.HEARD:
            return Verdict(_turned_away(domain, rules.STRANGER_AGAIN))
    if wall < user.muted_until:
        return Verdict(_HOLD, claimed=claimed)
    return Verdict(ADMIT, claimed=True) if claimed else None


def unwelcome(
    user: UserPolicy, domain: DomainPolicy, sender: str, met: Acquaintance
) -> Decision | None:
    """Decide whether somebody may ask a user for something other than to take a message.

    Returns: how they are turned away, None for who is not.
    """
    ranking = specificity(user.allow, sender)
    if _is_blocked(user, sender, ranking):
        return _turned_away(domain, rules.SENDER_BLOCKED)
    strange = not ranking and met is not Acquaintance.SENT
    if strange and (user.strangers or domain.strangers) is Strangers.NOTHING:
        return _turned_away(domain, rules.STRANGER)
    return None


def _is_blocked(user: UserPolicy, sender: str, ranking: int) -> bool:
    blocking = specificity(user.block, sender)
    return bool(blocking) and blocking >= ranking


def _turned_away(domain: DomainPolicy, rule: str) -> Decision:
    status = _STATUS.get(domain.block_answer)
    return Decision(Act.IGNORE, rule) if status is None else Decision(Act.REFUSE, rule, status)


def _least(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


def _unfit(types: tuple[str, ...], size: int, message: Incoming) -> Verdict | None:
    """Refuse what is too large or of another type than those; RFC 3261 21.4.13 asks for Accept."""
    if size and message.size > size:
        return Verdict(_TOO_LARGE)
    if types and not all(_taken(types, one) for one in message.types):
        return Verdict(_WRONG_TYPE, lines=(b"Accept: " + ", ".join(types).encode(),))
    return None


def _taken(types: tuple[str, ...], one: str) -> bool:
    return one in types or one.partition("/")[0] + "/*" in types


def specificity(patterns: frozenset[str], aor: str) -> int:
    """Return how closely the best of ``patterns`` names an address of record; 0: none does."""
    if not patterns:
        return 0
    if aor in patterns:
        return _EXACT
    host = aor.rpartition("@")[2]
    if "*@" + host in patterns:
        return _DOMAIN
    _, dot, parent = host.partition(".")
    while dot:
        if "*@*." + parent in patterns:
            return 1 + len(parent)
        _, dot, parent = parent.partition(".")
    return 1 if "*" in patterns else 0


def incoming(content_type: bytes | None, body: bytes, sender: str) -> Incoming:
    """Gather the facts of a message; a CPIM body counts as what it carries (RFC 3862)."""
    outer = media_type(content_type or b"text/plain")
    types = (outer,)
    if outer == _CPIM:
        types = (_carried(body),)
    kind = _KINDS.get(types[0])
    if kind is None:
        kind = Kind.TEXT if types[0].startswith(b"text/") else Kind.OTHER
    names = tuple([one.decode("ascii", "replace") for one in types])
    return Incoming(sender, kind, names, len(body))


def content(content_type: bytes | None, body: bytes, facts: Incoming, recipient: str) -> Content:
    """Return what content rules get to see of a message."""
    if media_type(content_type or b"") == _CPIM:
        body = body.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2]
    return Content(facts.sender, recipient, facts.types[0], body)


def _carried(body: bytes) -> bytes:
    """Return the media type of what a CPIM body carries, text/plain when it says none."""
    mime = body[:_HEAD_BYTES].partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[0]
    for line in mime.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip(b" \t").lower() == b"content-type":
            return media_type(value)
    return b"text/plain"
