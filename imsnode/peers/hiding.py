# SPDX-License-Identifier: Apache-2.0
"""What a peer does not get to see of the network behind this node, and how it comes back.

Nothing is remembered. What is hidden is sealed into what the peer has to return as it is: the Via
that gets the answer, the Record-Route and Contact of a dialog, the Call-ID. A token is the same
whenever the same is hidden (AES-SIV, RFC 5297), so that a resend is one and a Call-ID stays one;
one that was changed, or made for another peer, means nothing.

Call-IDs are two name spaces: ours are sealed towards the peer, and the peer's own carry its name in
here, so that either side's is known for what it is in both directions.

Spec: RFC 3261 8.1.1.7, 8.2.6.2 (Via returned), 12.1 (route set and remote target kept as they are).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from sip.grammar import split_commas
from sip.headers.address import parse_address
from sip.uri import Uri

from .head import Head

__all__ = ["Hiding"]

_MARK: Final = b"imsn-"
_PARAM: Final = b";imsn="
_TOKEN: Final = rb"[A-Za-z0-9_-]+"
_IN_VIA = re.compile(rb";imsn=(" + _TOKEN + rb")")
_IN_ROUTE = re.compile(rb";imsn=([fr])(" + _TOKEN + rb")")
_IN_URI = re.compile(rb"(sips?):imsn-(" + _TOKEN + rb")@[^\s;?>,]+(?:;transport=\w+)?")
# Headers whose value begins with a Call-ID, or is one.
_CALL_IDS: Final = ("replaces", "join", "target-dialog", "in-reply-to")
# What a contact says of the device itself.
_OF_THE_DEVICE = re.compile(
    rb';\s*(?:\+sip\.instance|pub-gruu|temp-gruu|reg-id)(?:\s*=\s*(?:"[^"]*"|[^;,\s]*))?',
    re.IGNORECASE,
)


class Hiding:
    """Hides and restores for one peer.

    Args: secret: 64 octets, the same in every run. is_own: tells whether a URI is this node's.
    """

    def __init__(self, name: str, secret: bytes, is_own: Callable[[Uri], bool]) -> None:
        self._name = name.encode()
        self._suffix = b"~" + self._name
        self._cipher = AESSIV(secret)
        self._is_own = is_own

    def hide(self, head: Head, here: bytes, transport: str) -> None:
        """Change a message that goes to the peer.

        Args: here: host and port of ours that the peer answers to. Raises: BadMessage.
        """
        if head.is_request:
            self._hide_vias(head)
        self._hide_routes(head)
        if not head.first("cseq").endswith(b"REGISTER"):
            self._hide_contacts(head, here, transport)
        head.edit("call-id", self._call_id_out)
        for name in _CALL_IDS:
            head.edit(name, lambda value: self._first_word(value, self._call_id_out))

    def restore(self, head: Head) -> None:
        """Change a message that comes from the peer back. Raises: BadMessage."""
        if head.is_request:
            head.edit_target(self._restored_uri)
            head.edit("refer-to", self._restored_uri)
            self._restore_route(head, "route", b"Route")
        else:
            self._restore_vias(head)
            self._restore_route(head, "record-route", b"Record-Route")
        head.edit("call-id", self._call_id_in)
        for name in _CALL_IDS:
            head.edit(name, lambda value: self._first_word(value, self._call_id_in))

    # ----------------------------------------------------------------- tokens

    def _seal(self, kind: bytes, value: bytes) -> bytes:
        return urlsafe_b64encode(self._cipher.encrypt(value, [self._name, kind])).rstrip(b"=")

    def _open(self, kind: bytes, token: bytes) -> bytes | None:
        try:
            sealed = urlsafe_b64decode(token + b"=" * (-len(token) % 4))
            return self._cipher.decrypt(sealed, [self._name, kind])
        except (InvalidTag, ValueError):
            return None

    # -------------------------------------------------------------------- Via

    def _hide_vias(self, head: Head) -> None:
        own, *others = head.values("via")
        if others:
            own += _PARAM + self._seal(b"via", b"\n".join(others))
            head.put("via", b"Via", (own,))

    def _restore_vias(self, head: Head) -> None:
        own, *rest = head.values("via") or [b""]
        found = _IN_VIA.search(own)
        others = None if found is None else self._open(b"via", found.group(1))
        if found is not None and others is not None:
            own = own[: found.start()] + own[found.end() :]
            head.put("via", b"Via", (own, *others.split(b"\n"), *rest))

    # ----------------------------------------------------------- Record-Route

    def _hide_routes(self, head: Head) -> None:
        """Put what stands on our far side of our own values into the nearest of these.

        In a request that is below ours; in a response above, where the caller reads backwards.
        """
        values = head.values("record-route")
        own = [self._is_own(parse_address(value, "Record-Route").uri) for value in values]
        if not any(own):
            return
        if head.is_request:
            last = own.index(False) - 1 if False in own else len(own) - 1
            kept, hidden, kind = values[: last + 1], values[last + 1 :], b"f"
            at = last
        else:
            first = own.index(True)
            kept, hidden, kind = values[first:], values[:first], b"r"
            at = 0
        if hidden and at >= 0:
            mark = _PARAM + kind + self._seal(b"route" + kind, b"\n".join(hidden))
            kept[at] = _in_uri(kept[at], mark)
            head.put("record-route", b"Record-Route", kept)

    def _restore_route(self, head: Head, name: str, written: bytes) -> None:
        values = head.values(name)
        restored: list[bytes] = []
        for value in values:
            found = _IN_ROUTE.search(value)
            kind = found.group(1) if found is not None else b""
            hidden = None if found is None else self._open(b"route" + kind, found.group(2))
            if found is None or hidden is None:
                restored.append(value)
                continue
            others = hidden.split(b"\n")
            restored.append(value[: found.start()] + value[found.end() :])
            restored += others[::-1] if kind == b"r" else others
        if len(restored) != len(values):
            head.put(name, written, restored)

    # ---------------------------------------------------------------- Contact

    def _hide_contacts(self, head: Head, here: bytes, transport: str) -> None:
        def hidden(value: bytes) -> bytes:
            if value.strip() == b"*":
                return value
            return b", ".join(self._contact(one, here, transport) for one in split_commas(value))

        head.edit("contact", hidden)

    def _contact(self, value: bytes, here: bytes, transport: str) -> bytes:
        address = parse_address(value, "Contact")
        uri = address.uri
        if not uri.is_sip or self._is_own(uri):
            return value
        suffix = b"" if transport == "UDP" else b";transport=" + transport.lower().encode()
        shown = b"%b:%b%b@%b%b" % (
            uri.scheme.encode(), _MARK, self._seal(b"contact", uri.raw), here, suffix,
        )  # fmt: skip
        # Without the display name, in which a device may have written the very address.
        at = address.raw.index(uri.raw, len(address.display)) + len(uri.raw)
        after = address.raw[at:].removeprefix(b">")
        return b"<%b>%b" % (shown, _OF_THE_DEVICE.sub(b"", after))

    def _restored_uri(self, value: bytes) -> bytes:
        def restored(found: re.Match[bytes]) -> bytes:
            return self._open(b"contact", found.group(2)) or found.group(0)

        return _IN_URI.sub(restored, value) if _MARK in value else value

    # ---------------------------------------------------------------- Call-ID

    def _call_id_out(self, value: bytes) -> bytes:
        if value.endswith(self._suffix):
            return value[: -len(self._suffix)]
        return _MARK + self._seal(b"call", value)

    def _call_id_in(self, value: bytes) -> bytes:
        if value.startswith(_MARK):
            ours = self._open(b"call", value[len(_MARK) :])
            if ours is not None:
                return ours
        return value + self._suffix

    @staticmethod
    def _first_word(value: bytes, edit: Callable[[bytes], bytes]) -> bytes:
        word, mark, rest = value.partition(b";")
        return edit(word.strip()) + mark + rest


def _in_uri(value: bytes, mark: bytes) -> bytes:
    """Put a parameter at the end of the URI in a name-addr."""
    end = value.rindex(b">")
    return value[:end] + mark + value[end:]
