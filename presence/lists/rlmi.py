# SPDX-License-Identifier: Apache-2.0
"""The body of a list's NOTIFY: who is on it and their states in one multipart (RFC 4662 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sip.bodies.mime import Part
from sip.bodies.multipart import join_parts
from sip.bodies.xml import add, new_root, write_xml, written

from .members import Member
from .ports import State

__all__ = ["MEDIA_TYPE", "MULTIPART", "build_list"]

MEDIA_TYPE: Final = b"application/rlmi+xml"
MULTIPART: Final = b"multipart/related"

_NAMESPACE: Final = "urn:ietf:params:xml:ns:rlmi"
# Nothing that is followed forks, so a member has one instance (RFC 4662 5.5).
_INSTANCE: Final = "1"


def build_list(
    uri: str,
    version: int,
    full: bool,
    members: Iterable[tuple[Member, State | None]],
    unique: str,
) -> tuple[bytes, bytes]:
    """Return the Content-Type and the octets of a NOTIFY about a list.

    Args:
        members: with their states, None when nothing is known.
        unique: differs from NOTIFY to NOTIFY; characters as in a domain name.
    """
    root = new_root(_NAMESPACE, "list")
    root.set("uri", written(uri))
    root.set("version", str(version))
    root.set("fullState", "true" if full else "false")
    parts: list[Part] = []
    for number, (member, state) in enumerate(members, 1):
        resource = add(root, "resource")
        resource.set("uri", written(member.uri))
        if member.name:
            add(resource, "name", member.name)
        if state is None:
            continue
        instance = add(resource, "instance")
        instance.set("id", _INSTANCE)
        instance.set("state", state.state)
        if state.reason:
            instance.set("reason", state.reason)
        if state.content:
            cid = f"{number}.{unique}"
            instance.set("cid", cid)
            parts.append(_part(state.content_type, cid, state.content))
    start = f"0.{unique}"
    parts.insert(0, _part(MEDIA_TYPE, start, write_xml(root)))
    boundary, body = join_parts(parts, b"list-%d" % version)
    kind = b'%b;type="%b";start="<%b>";boundary="%b"' % (
        MULTIPART, MEDIA_TYPE, start.encode("ascii"), boundary,
    )  # fmt: skip
    return kind, body


def _part(content_type: bytes, cid: str, content: bytes) -> Part:
    head = b"Content-Transfer-Encoding: binary\r\nContent-ID: <%b>\r\nContent-Type: %b" % (
        cid.encode("ascii"), content_type,
    )  # fmt: skip
    return Part(head, (), content)
