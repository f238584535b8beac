# SPDX-License-Identifier: Apache-2.0
"""What a sender wants kept from those who are not trusted, and how a MESSAGE keeps it.

The identity that the network vouches for may be known inside the trust domain and nowhere else:
`Proxy.trusts` says which next hops belong to it, and what leaves for any other loses `ASSERTED`.

Spec: RFC 3323 sections 4 and 5 (`none`, `header`, `session`, `user`, `critical`); RFC 3325 sections
5, 7 and 9.3 (`id`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .grammar import split_commas
from .headers.address import parse_address
from .headers.layout import BORDER
from .limits import Limits
from .message import Message, Request
from .rewrite import rewrite

__all__ = [
    "ANONYMOUS",
    "ANONYMOUS_HOST",
    "ASSERTED",
    "BORDER",
    "asked",
    "asks_id",
    "at_most_two",
    "conceal",
    "is_anonymous",
    "shown",
    "unmet",
]

ANONYMOUS_HOST: Final = "anonymous.invalid"  # RFC 3323 4.1.1.3
#: Who the sender of a concealed message is to its recipient.
ANONYMOUS: Final = "sip:anonymous@anonymous.invalid"
#: Headers in which the network says who sends; `id` keeps them inside the trust domain.
ASSERTED: Final = frozenset(("p-asserted-identity", "p-served-user", "remote-party-id"))

_FROM: Final = b'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag='
# RFC 3323 5.3. Call-ID would be another one, but the operator finds the message by it.
_INFORMATIONAL: Final = frozenset(
    ("call-info", "in-reply-to", "organization", "reply-to", "subject", "user-agent")
)
# RFC 3323 5.1. Via, too, ends here: the message leaves as one of this node's own.
_ROUTING: Final = frozenset(("contact", "record-route"))
_DONE: Final = frozenset((b"header", b"session", b"user"))
_OF_A_MESSAGE: Final = _DONE | {b"id"}
_OF_ANY_REQUEST: Final = frozenset((b"id",))
_NOTHING: Final[frozenset[bytes]] = frozenset()


def asked(message: Message) -> frozenset[bytes]:
    """Return the values of Privacy, lower-case; nothing without one and with `none`."""
    return _words(b";".join(message.get_all("privacy")))


def _words(value: bytes) -> frozenset[bytes]:
    values = value.replace(b",", b";").split(b";")
    words = frozenset([value.strip(b" \t").lower() for value in values]) - {b""}
    return _NOTHING if b"none" in words else words


def asks_id(message: Message) -> bool:
    """Say whether the asserted identity is not for those who are not trusted (RFC 3325 7)."""
    return b"id" in asked(message)


def unmet(wishes: frozenset[bytes], method: str) -> list[bytes]:
    """Return what cannot be had here: with `critical` the request has to fail (RFC 3323 5: 500).

    A MESSAGE sets up no session, so nothing is left to do for `session`.
    """
    able = _OF_A_MESSAGE if method == "MESSAGE" else _OF_ANY_REQUEST
    return sorted(wishes - able - {b"critical"})


def is_anonymous(message: Message) -> bool:
    """Say whether From names nobody."""
    return message.from_uri.host == ANONYMOUS_HOST


def conceal(request: Request, wishes: frozenset[bytes], identity: bytes, limits: Limits) -> Request:
    """Return a MESSAGE as its recipient may see it, with the same body, octet for octet.

    What was done is taken out of Privacy (RFC 3323 5). `id` stays, and stands for `user` as well:
    every element behind this one that knows the identity has to keep it, and who does not want to
    be named in From is not to be named beside it. From names nobody for `id` too: where it says
    the same as P-Asserted-Identity, hiding that alone would hide nothing.

    Args:
        identity: AoR that was authenticated here, for those who are trusted; b"" when the request
            came with its own.
    """
    user = b"user" in wishes
    private = user or b"id" in wishes
    gone = {"privacy"}
    if user:
        gone |= _INFORMATIONAL
    if b"header" in wishes:
        gone |= _ROUTING
    if identity:
        gone.add("p-asserted-identity")
    lines = []
    for name, line in zip(request.names, request.lines, strict=True):
        if name == "from" and private and not is_anonymous(request):
            line = _FROM + request.from_tag
        if name not in gone:
            lines.append(line)
    left = wishes - _DONE | ({b"id"} if private else _NOTHING)
    if left - {b"critical"}:
        # "critical" comes last (RFC 3323 4.2).
        values = sorted(left - {b"critical"}) + [b"critical"] * (b"critical" in left)
        lines.append(b"Privacy: " + b";".join(values))
    if identity and private:
        lines.append(b"P-Asserted-Identity: <" + identity + b">")
    return rewrite(request, lines, request.body, limits)


def shown(headers: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
    """Return the header fields of a request as they leave for somebody who is not trusted."""
    hidden = BORDER
    if any(name.lower() == b"privacy" and b"id" in _words(value) for name, value in headers):
        hidden = BORDER | ASSERTED
    return [one for one in headers if one[0].lower().decode("utf-8", "replace") not in hidden]


def at_most_two(values: list[bytes]) -> list[bytes]:
    """Return the values of P-Asserted-Identity that may stand together (RFC 3325 9.1).

    One sip or sips URI and one tel URI, the first of each. Raises: ParseError.
    """
    kept: dict[bool, bytes] = {}
    for value in values:
        for item in split_commas(value, "P-Asserted-Identity"):
            uri = parse_address(item, "P-Asserted-Identity").uri
            if uri.is_sip or uri.scheme == "tel":
                kept.setdefault(uri.is_sip, item)
    return list(kept.values())
