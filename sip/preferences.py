# SPDX-License-Identifier: Apache-2.0
"""Which devices a request asks for: the communication services they registered.

Of caller preferences (RFC 3841) what IMS routes by: the ICSI and IARI feature tags of
Accept-Contact. A device has a service when one of its values is among those asked for. One that
registered no features at all is not judged by them (RFC 3841 7.2.2): it is asked where no other
has the service.

Spec: RFC 3840 9; RFC 3841 7.2; TS 24.229 5.4.3.3, 7.9.2, 7.9.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .errors import BadMessage
from .forward import Target
from .grammar import Params, parse_params, unquote
from .message import Request
from .registrar import Binding

__all__ = ["capable"]

# Feature tags without a plus (RFC 3840 9), and the one with it that says who, not what.
_BASE: Final = frozenset((
    b"actor", b"application", b"audio", b"automata", b"class", b"control", b"data",
    b"description", b"duplex", b"events", b"extensions", b"isfocus", b"language", b"methods",
    b"mobility", b"priority", b"schemes", b"text", b"type", b"video",
))  # fmt: skip
_INSTANCE: Final = b"+sip.instance"
_SERVICES: Final = frozenset((b"+g.3gpp.icsi-ref", b"+g.3gpp.iari-ref"))

_Wish = dict[bytes, frozenset[bytes]]


def capable(request: Request, targets: Sequence[Target]) -> Sequence[Target] | None:
    """Return the targets with the services a request asks for.

    None when it asks for none, or when there is no target that could have or lack them.
    """
    try:
        wishes = [wish for item in request.items("accept-contact") if (wish := _wish(item))]
    except BadMessage:
        return None  # a preference that nobody understands is none (RFC 3841 4)
    if not wishes or not targets:
        return None
    offers = [(target, _offer(target)) for target in targets]
    having = [target for target, offer in offers if offer and any(_has(offer, w) for w in wishes)]
    return having or [target for target, offer in offers if offer is not None and not offer]


def _wish(item: bytes) -> _Wish:
    _, semicolon, params = item.partition(b";")
    return _services(parse_params(semicolon + params, "Accept-Contact"))


def _offer(target: Target) -> Params | None:
    """Return the feature tags that a device registered; None for what cannot be told."""
    binding = target.binding
    if not isinstance(binding, Binding):
        return None
    try:
        params = parse_params(binding.params, "Contact")
    except BadMessage:
        return None
    return [
        (name, value)
        for name, value in params
        if name in _BASE or (name[:1] == b"+" and name != _INSTANCE)
    ]


def _services(params: Params) -> _Wish:
    return {
        name: frozenset(one.strip(b" \t").lower() for one in unquote(value).split(b","))
        for name, value in params
        if name in _SERVICES and value is not None
    }


def _has(features: Params, wish: _Wish) -> bool:
    offered = _services(features)
    return all(not offered.get(name, frozenset()).isdisjoint(want) for name, want in wish.items())
