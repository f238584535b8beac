# SPDX-License-Identifier: Apache-2.0
"""Third-party REGISTER: how an S-CSCF tells application servers who is registered.

Both directions: what one says of a user, and what one of our own looks like. The request is from
the S-CSCF (From, Contact) about the user (To); its body may hold what the filter criterion says to
the application server, the user's own REGISTER and the answer that got.

Spec: TS 24.229 5.4.1.7, 5.4.1.7A, 5.7.1.1 and 7.6 (the XML of service-info).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sip.bodies.mime import Part, media_type, parse_fields
from sip.bodies.multipart import is_multipart, join_parts, parse_multipart
from sip.bodies.xml import child, parse_xml, text_of, written
from sip.grammar import parse_uint
from sip.headers.address import STAR, Address
from sip.limits import Limits
from sip.message import Message, Request, Response
from sip.parser import parse_message
from sip.uri import Uri

from .criteria import ApplicationServer

__all__ = ["SERVICE_INFO", "ThirdParty", "body_for", "read_third_party"]

#: Media type of what a filter criterion has to say to its application server.
SERVICE_INFO: Final = b"application/3gpp-ims+xml"
_MESSAGE: Final = b"message/sip"
_DOCUMENT: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<ims-3gpp version="1"><service-info>%b</service-info></ims-3gpp>\n'
)
_PARTS: Final = 4
_LONGEST_S: Final = 2**32 - 1
_DAY_S: Final = 86_400  # where nothing says how long (RFC 3261 leaves it to the registrar)


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """What a third-party REGISTER says.

    identity: the public identity it is about. server: Contact URI of the S-CSCF, None without one.
    lifetime_s: 0 when the user, or one of their devices, is not registered any more. info: from the
    filter criterion. contacts: of devices that are registered, as far as it tells.
    """

    identity: Uri
    server: Uri | None
    lifetime_s: int
    info: str = ""
    contacts: tuple[Address, ...] = ()


def read_third_party(request: Request, limits: Limits) -> ThirdParty:
    """Read a REGISTER of an S-CSCF about a user. Raises: BadMessage."""
    contacts = request.contacts()
    server = None
    stated: bytes | None = None
    if contacts is not STAR and contacts:
        server = contacts[0].uri
        stated = contacts[0].param(b"expires")
    value = stated if stated is not None else request.get("expires")
    lifetime_s = _DAY_S if value is None else parse_uint(value, _LONGEST_S, "Expires")
    info = ""
    devices: tuple[Address, ...] = ()
    for kind, content in _contents(request):
        if kind == SERVICE_INFO:
            info = _service_info(content)
        elif kind == _MESSAGE:
            # Of the two messages the answer, which comes last, tells of every device.
            told = parse_message(content, limits)
            if lifetime_s or isinstance(told, Response):
                devices = _contacts_of(told) or devices
    return ThirdParty(request.to_uri, server, lifetime_s, info, devices)


def body_for(
    server: ApplicationServer, register: bytes, answer: bytes, boundary: bytes
) -> tuple[bytes, bytes]:
    """Return Content-Type and body of a REGISTER to an application server, b"" for none.

    Args: register, answer: the user's own REGISTER and its answer, as their octets.
    """
    contents: list[tuple[bytes, bytes]] = []
    if server.info:
        contents.append((SERVICE_INFO, _service_info_document(server.info)))
    if server.with_request:
        contents.append((_MESSAGE, register))
    if server.with_response:
        contents.append((_MESSAGE, answer))
    if len(contents) < 2:
        return contents[0] if contents else (b"", b"")
    boundary, body = join_parts([_part(*content) for content in contents], boundary)
    return b'multipart/mixed;boundary="%b"' % boundary, body


def _part(content_type: bytes, content: bytes) -> Part:
    head = b"Content-Type: " + content_type
    return Part(head, parse_fields(head, "multipart"), content)


def _contents(request: Request) -> Sequence[tuple[bytes, bytes]]:
    content_type = request.get("content-type")
    if content_type is None or not request.body:
        return ()
    if not is_multipart(content_type):
        return ((media_type(content_type), request.body),)
    parts = parse_multipart(content_type, request.body, _PARTS)
    return [(part.media_type, part.content) for part in parts]


def _service_info(document: bytes) -> str:
    root = parse_xml(document, "service-info")
    return text_of(child(root, "{*}service-info"))


def _service_info_document(info: str) -> bytes:
    text = written(info).replace("&", "&amp;").replace("<", "&lt;").encode()
    return _DOCUMENT % text


def _contacts_of(message: Message) -> tuple[Address, ...]:
    found = message.contacts()
    if found is STAR:
        return ()
    return tuple(contact for contact in found if contact.param(b"expires") != b"0")
