# SPDX-License-Identifier: Apache-2.0
"""Dialogs of both sides, as values and functions over messages (RFC 3261 section 12).

Nothing here sends, waits or looks anything up. Whoever keeps dialogs keeps them under
`Dialog.key`, which `key_of_request` and `key_of_response` compute for what arrives.
"""

from __future__ import annotations

from typing import Final

from .errors import LocalProtocolError, ParseError
from .headers.address import STAR, Address, parse_address
from .message import Message, Request, Response

DialogKey = tuple[bytes, bytes, bytes]  # Call-ID, local tag, remote tag
NO_CSEQ: Final = -1

# RFC 3261 12.2, RFC 3311 5, RFC 6665 4.4.1 and RFC 3515: what moves the remote target.
_TARGET_REFRESH: Final = frozenset(("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"))
_HIGHEST_CSEQ: Final = 2**31 - 1


class Dialog:
    """One dialog seen from our side.

    local_uri, remote_uri: From and To values without tag, as they came. remote_target: the peer's
    Contact URI. route_set: Route values in the order we print them. local_cseq, remote_cseq: last
    numbers used, NO_CSEQ while there is none. secure: requests must stay on SIPS. confirmed: a 2xx
    made it, otherwise it is early.
    """

    __slots__ = ("call_id", "confirmed", "local_cseq", "local_tag", "local_uri", "remote_cseq",
                 "remote_tag", "remote_target", "remote_uri", "route_set", "secure")  # fmt: skip

    def __init__(
        self,
        call_id: bytes,
        local_tag: bytes,
        remote_tag: bytes,
        local_uri: bytes,
        remote_uri: bytes,
        remote_target: bytes,
        route_set: tuple[bytes, ...] = (),
        local_cseq: int = NO_CSEQ,
        remote_cseq: int = NO_CSEQ,
        secure: bool = False,
        confirmed: bool = True,
    ) -> None:
        self.call_id = call_id
        self.local_tag = local_tag
        self.remote_tag = remote_tag
        self.local_uri = local_uri
        self.remote_uri = remote_uri
        self.remote_target = remote_target
        self.route_set = route_set
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.secure = secure
        self.confirmed = confirmed

    @property
    def key(self) -> DialogKey:
        """The dialog ID (RFC 3261 12)."""
        return (self.call_id, self.local_tag, self.remote_tag)


def key_of_request(request: Request) -> DialogKey:
    """Return the ID of the dialog an incoming request belongs to."""
    return (request.call_id, request.to_tag, request.from_tag)


def key_of_response(response: Response) -> DialogKey:
    """Return the ID of the dialog a response to our request belongs to."""
    return (response.call_id, response.from_tag, response.to_tag)


def uas_dialog(
    request: Request, local_tag: bytes, secure: bool = False, confirmed: bool = True
) -> Dialog:
    """Return the dialog made by answering `request` with `local_tag` in To.

    `secure`: it came over TLS; together with a SIPS Request-URI the dialog is secure.
    Raises: ParseError (400) without exactly one Contact.
    Spec: RFC 3261 12.1.1.
    """
    return Dialog(
        call_id=request.call_id,
        local_tag=local_tag,
        remote_tag=request.from_tag,
        local_uri=without_tag(request.to_address()),
        remote_uri=without_tag(request.from_address()),
        remote_target=_contact(request),
        route_set=tuple(address.raw for address in request.record_routes()),
        remote_cseq=request.cseq,
        secure=secure and request.ruri().secure,
        confirmed=confirmed,
    )


def uac_dialog(response: Response, secure: bool = False) -> Dialog:
    """Return the dialog made by `response` (101 to 299) to a request of ours.

    `secure`: the request went over TLS to a SIPS Request-URI.
    Raises: ParseError (400) without exactly one Contact.
    Spec: RFC 3261 12.1.2.
    """
    return Dialog(
        call_id=response.call_id,
        local_tag=response.from_tag,
        remote_tag=response.to_tag,
        local_uri=without_tag(response.from_address()),
        remote_uri=without_tag(response.to_address()),
        remote_target=_contact(response),
        route_set=tuple(address.raw for address in reversed(response.record_routes())),
        local_cseq=response.cseq,
        secure=secure,
        confirmed=response.status >= 200,
    )


def next_request(
    dialog: Dialog, method: str, cseq: int = NO_CSEQ
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return (Request-URI, header fields) of the next request inside the dialog.

    The fields are Route, From, To, Call-ID and CSeq; Via, Max-Forwards and whatever the method
    needs are the caller's. The local CSeq moves on by one, from 1 when there was none; an ACK names
    the number of its INVITE in `cseq` instead, and moves nothing.
    Raises: LocalProtocolError when the numbers are used up.
    Spec: RFC 3261 12.2.1.1, 13.2.2.4.
    """
    if cseq == NO_CSEQ:
        if dialog.local_cseq >= _HIGHEST_CSEQ:
            raise LocalProtocolError("the dialog has no CSeq left")
        cseq = 1 if dialog.local_cseq == NO_CSEQ else dialog.local_cseq + 1
        dialog.local_cseq = cseq
    uri, routes = request_route(dialog)
    headers = [(b"Route", route) for route in routes]
    headers += [
        (b"From", _tagged(dialog.local_uri, dialog.local_tag)),
        (b"To", _tagged(dialog.remote_uri, dialog.remote_tag)),
        (b"Call-ID", dialog.call_id),
        (b"CSeq", b"%d %b" % (cseq, method.encode("ascii"))),
    ]
    return uri, headers


def request_route(dialog: Dialog) -> tuple[bytes, tuple[bytes, ...]]:
    """Return (Request-URI, Route values), bent for a strict router when the first hop is one."""
    routes = dialog.route_set
    if not routes:
        return dialog.remote_target, ()
    first = parse_address(routes[0], "Route").uri
    if "lr" in first.params:
        return dialog.remote_target, routes
    return first.raw, (*routes[1:], b"<" + dialog.remote_target + b">")


def accept_request(dialog: Dialog, request: Request) -> int:
    """Take a request that belongs to `dialog`.

    Returns: 0 when it is in order, 500 when its CSeq is too low, 400 when it refreshes the target
    with something that is none; the dialog is unchanged then. ACK and CANCEL change nothing.
    Spec: RFC 3261 12.2.2.
    """
    if request.method in ("ACK", "CANCEL"):
        return 0
    if dialog.remote_cseq != NO_CSEQ and request.cseq <= dialog.remote_cseq:
        return 500
    if request.method in _TARGET_REFRESH and request.has("contact"):
        try:
            dialog.remote_target = _contact(request)
        except ParseError:
            return 400
    dialog.remote_cseq = request.cseq
    return 0


def accept_response(dialog: Dialog, response: Response) -> bool:
    """Take a final response to a request of ours in `dialog`; False when the dialog is over.

    A 2xx to a target refresh moves the remote target and confirms an early dialog; 481 and 408 end
    it. Spec: RFC 3261 12.2.1.2.
    """
    if response.status in (408, 481):
        return False
    if 200 <= response.status < 300 and response.method in _TARGET_REFRESH:
        dialog.confirmed = True
        contacts = response.contacts()
        if contacts is not STAR and len(contacts) == 1:
            dialog.remote_target = contacts[0].uri.raw
    return True


def without_tag(address: Address) -> bytes:
    """Return a From or To value as it came, less its tag parameter."""
    if not address.tag:
        return address.raw
    head = address.display + b" " if address.display else b""
    rest = b"".join(
        b";" + name + (b"" if value is None else b"=" + value)
        for name, value in address.params
        if name != b"tag"
    )
    return b"%b<%b>%b" % (head, address.uri.raw, rest)


def _tagged(value: bytes, tag: bytes) -> bytes:
    if not tag:
        return value
    # A bare URI would take the parameter for its own (RFC 3261 20).
    return b"%b;tag=%b" % (value if b"<" in value else b"<" + value + b">", tag)


def _contact(message: Message) -> bytes:
    contacts = message.contacts()
    if contacts is STAR or len(contacts) != 1:
        raise ParseError("Contact", "a dialog needs exactly one Contact")
    return contacts[0].uri.raw
