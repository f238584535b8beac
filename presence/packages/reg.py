# SPDX-License-Identifier: Apache-2.0
"""The package `reg`: which devices of a user are registered (RFC 3680, TS 24.229 5.4.2.1.2).

A device's GRUUs are told with it (RFC 5628): only its user may follow the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from lxml import etree

from sip.bodies.xml import Element, add, new_root, write_xml, written
from sip.gruu import Gruus
from sip.registrar import Binding

from ..event.package import Body
from ..event.states import WatcherEvent
from ..event.subscription import Subscription
from .own import OwnPackage, Terrain

__all__ = ["MEDIA_TYPE", "RegPackage"]

MEDIA_TYPE: Final = b"application/reginfo+xml"

_NAMESPACE: Final = "urn:ietf:params:xml:ns:reginfo"
_GRUUS: Final = "urn:ietf:params:xml:ns:gruuinfo"
# A temporary GRUU counts as long as the Call-ID it was made with, whatever the CSeq was.
_FIRST_CSEQ: Final = "1"
_GONE: Final = 50  # contacts of one user whose end is remembered for the next NOTIFY

_Seen = dict[str, tuple[str, int]]


class RegPackage(OwnPackage):
    """`presence.event.package.EventPackage` for registrations.

    Args: bindings: the live bindings of a user. gruus: makes the GRUUs that are told, None: none.
        identities: all that is registered with a user, the user's own address first.
    """

    def __init__(
        self,
        bindings: Callable[[str, float], Sequence[Binding]],
        terrain: Terrain,
        gruus: Gruus | None = None,
        identities: Callable[[str], Sequence[str]] = lambda aor: (aor,),
    ) -> None:
        super().__init__("reg", MEDIA_TYPE, terrain)
        self._identities = identities
        self.gruus = gruus
        self._bindings = bindings
        self._gone: dict[str, dict[str, tuple[Binding, str]]] = {}

    def close(self, sub: Subscription) -> None:
        """Forget which contacts went when nobody asks any more."""
        if not self.notifier.subscriptions(self.key, sub.resource):
            self._gone.pop(sub.resource, None)

    def moved(
        self,
        aor: str,
        old: Sequence[Binding],
        new: Sequence[Binding],
        now: float,
        by_operator: bool = False,
    ) -> None:
        """Take note that the bindings of a user changed, by whom ever.

        A registration that the operator ended ends its subscriptions too.
        """
        subs = self.notifier.subscriptions(self.key, aor)
        if not subs:
            return
        here = {binding.contact for binding in new}
        gone = self._gone.setdefault(aor, {})
        for binding in old:
            if binding.contact not in here:
                event = "expired" if binding.expires_at <= now else "unregistered"
                gone[_id(binding)] = (binding, "deactivated" if by_operator else event)
        while len(gone) > _GONE:
            del gone[next(iter(gone))]
        self.notifier.changed(self.key, aor, now)
        if by_operator and not new:
            for sub in subs:
                self.notifier.terminate(sub, WatcherEvent.DEACTIVATED, now)

    def render(self, sub: Subscription, wall: float) -> Body | None:
        """Return the registration: all contacts, or those that changed since the last NOTIFY."""
        now = self.terrain.now()
        bindings = self._bindings(sub.resource, now)
        before: _Seen | None = sub.memo if isinstance(sub.memo, dict) else None
        seen = {_id(one): (one.call_id.decode("utf-8", "replace"), one.cseq) for one in bindings}
        sub.memo = seen
        sub.version += 1
        root = new_root(_NAMESPACE, "reginfo")
        root.set("version", str(sub.version))
        root.set("state", "full" if before is None else "partial")
        ended = _ended(self._gone.get(sub.resource, {}), before or {}, seen)
        state = "active" if bindings else ("terminated" if ended else "init")
        for aor in self._identities(sub.resource):
            registration = add(root, "registration")
            registration.set("aor", aor)
            registration.set("id", _hash(aor.encode()))
            registration.set("state", state)
            for binding, event in ended:
                _write(registration, binding, "terminated", event, now)
            for binding in bindings:
                known = None if before is None else before.get(_id(binding))
                if known == seen[_id(binding)]:
                    continue
                event = "refreshed" if known is not None else "registered"
                if known is None and aor != sub.resource:
                    event = "created"  # it came with another one (TS 24.229 5.4.2.1.2)
                contact = _write(registration, binding, "active", event, now)
                if self.gruus is not None and self.gruus.fit(binding):
                    _write_gruus(contact, binding, self.gruus)
        return Body(MEDIA_TYPE, write_xml(root))


def _ended(
    gone: dict[str, tuple[Binding, str]], before: _Seen, seen: _Seen
) -> list[tuple[Binding, str]]:
    """Return the contacts that a watcher knows and that are there no more."""
    return [gone[one] for one in before if one not in seen and one in gone]


def _write(registration: Element, binding: Binding, state: str, event: str, now: float) -> Element:
    contact = add(registration, "contact")
    contact.set("id", _id(binding))
    contact.set("state", state)
    contact.set("event", event)
    contact.set("callid", _text(binding.call_id))
    contact.set("cseq", str(binding.cseq))
    if state == "active":
        contact.set("expires", str(max(0, int(binding.expires_at - now))))
    if binding.q < 1000:
        contact.set("q", f"{binding.q / 1000:g}")
    add(contact, "uri", _text(_without_push(binding.contact)))
    for name, value in _parameters(binding.params):
        element = add(contact, "unknown-param", value)
        element.set("name", name)
    return contact


def _write_gruus(contact: Element, binding: Binding, gruus: Gruus) -> None:
    names = {"gr": _GRUUS}
    public = etree.SubElement(contact, f"{{{_GRUUS}}}pub-gruu", nsmap=names)
    public.set("uri", _text(gruus.public(binding)))
    temporary = etree.SubElement(contact, f"{{{_GRUUS}}}temp-gruu", nsmap=names)
    temporary.set("uri", _text(gruus.temporary(binding)))
    temporary.set("first-cseq", _FIRST_CSEQ)


def _parameters(params: bytes) -> list[tuple[str, str]]:
    found = []
    for item in params.split(b";"):
        name, _, value = item.strip().partition(b"=")
        if name and not name.lower().startswith(b"pn-"):
            found.append((_text(name), _text(value)))
    return found


def _without_push(uri: bytes) -> bytes:
    """Return a contact URI without what would let others push to the device (RFC 8599 13)."""
    first, *params = uri.split(b";")
    return b";".join([first, *(one for one in params if one[:3].lower() != b"pn-")])


def _text(octets: bytes) -> str:
    return written(octets.decode("utf-8", "replace"))


def _id(binding: Binding) -> str:
    return _hash(binding.contact)


def _hash(text: bytes) -> str:
    return blake2b(text, digest_size=6).hexdigest()
