# SPDX-License-Identifier: Apache-2.0
"""Which devices take short messages inside SIP, and nothing else (TS 24.341, RFC 3840)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from sip.forward import Target
from sip.registrar import Binding

__all__ = ["takes_sms_alone", "target_takes_sms_alone"]

_SMS: Final = b"+g.3gpp.smsip"
#: A device that says one of these takes messages of people as well.
_MORE: Final = (b"+g.oma.sip-im", b"oma.cpm", b"gsma.rcs", b"+g.3gpp.icsi-ref", b"methods")


@lru_cache(maxsize=1024)
def takes_sms_alone(params: bytes) -> bool:
    """Say whether a Contact with these parameters is a phone that knows short messages alone."""
    said = params.lower()
    return _SMS in said and not any(tag in said for tag in _MORE)


def target_takes_sms_alone(target: Target) -> bool:
    """Say the same of the device behind a target."""
    binding = target.binding
    return isinstance(binding, Binding) and takes_sms_alone(binding.params)
