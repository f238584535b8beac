# SPDX-License-Identifier: Apache-2.0
"""Which devices a request asks for: the communication services they registered.

Of caller preferences (RFC 3841) what IMS routes by: the ICSI and IARI feature tags of
Accept-Contact. A device has a service when one of its values is among those asked for.

Spec: RFC 3841 7.2.4; TS 24.229 5.4.3.3, 7.9.2, 7.9.3.
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
    return [target for target in targets if any(_has(target, wish) for wish in wishes)]


def _wish(item: bytes) -> _Wish:
    _, semicolon, params = item.partition(b";")
    return _services(parse_params(semicolon + params, "Accept-Contact"))


def _services(params: Params) -> _Wish:
    return {
        name: frozenset(one.strip(b" \t").lower() for one in unquote(value).split(b","))
        for name, value in params
        if name in _SERVICES and value is not None
    }


def _has(target: Target, wish: _Wish) -> bool:
    binding = target.binding
    if not isinstance(binding, Binding):
        return False
    try:
        offered = _services(parse_params(binding.params, "Contact"))
    except BadMessage:
        return False
    return all(not offered.get(name, frozenset()).isdisjoint(want) for name, want in wish.items())
