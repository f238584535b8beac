# SPDX-License-Identifier: Apache-2.0
"""What a device takes, by its Contact: sessions, single messages (RFC 3840, OMA CPM, RCC.07)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sip.errors import ParseError
from sip.forward import Target
from sip.grammar import parse_params, unquote
from sip.registrar import Binding

__all__ = ["Capability", "capability", "capability_of"]

#: Feature tags by which a device says that it takes sessions of messages.
_SESSION_TAGS: Final = frozenset((b"message", b"+g.oma.sip-im", b"+g.oma.sip-im.large-message"))
#: Service identifiers that mean the same, in +g.3gpp.icsi-ref.
_SESSION_SERVICES: Final = (b"oma.cpm.session", b"oma.cpm.largemsg")


_FILE_TRANSFER: Final = b"rcs.fthttp"


@dataclass(frozen=True, slots=True)
class Capability:
    """sessions: True or False where the device says so, None where it does not. messages: False
    where it rules out MESSAGE. files: it takes files by HTTP as RCS refers to them."""

    sessions: bool | None
    messages: bool
    files: bool = False

    @property
    def only_sessions(self) -> bool:
        """True for a device that can be reached by a session alone."""
        return self.sessions is True and not self.messages


def capability_of(target: Target) -> Capability:
    """Return what the device behind a target has registered."""
    binding = target.binding
    return capability(binding.params) if isinstance(binding, Binding) else Capability(None, True)


@lru_cache(maxsize=1024)
def capability(params: bytes) -> Capability:
    """Return what the parameters of a Contact say."""
    try:
        named = {
            name.lower(): unquote(value or b"") for name, value in parse_params(params, "Contact")
        }
    except ParseError:
        return Capability(None, True)
    says = bool(_SESSION_TAGS & named.keys()) or any(
        service in named.get(b"+g.3gpp.icsi-ref", b"") for service in _SESSION_SERVICES
    )
    files = any(_FILE_TRANSFER in name + b"=" + value for name, value in named.items())
    methods = {each.strip().upper() for each in named.get(b"methods", b"").split(b",")} - {b""}
    if not methods:
        return Capability(says or None, True, files)
    sessions: bool | None = says or None
    if b"INVITE" not in methods:
        sessions = False
    elif b"MESSAGE" not in methods:
        sessions = True
    return Capability(sessions, b"MESSAGE" in methods, files)
