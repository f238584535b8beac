# SPDX-License-Identifier: Apache-2.0
"""Flows against servers that do what a clause leaves to them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from imsnode.verify.catalogue import load
from imsnode.verify.lab import Lab
from imsnode.verify.outcome import Failed
from sip.limits import Limits
from sip.message import Response
from sip.parser import parse_message

ANSWER = (
    b"SIP/2.0 %d Said\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n%bContent-Length: 0\r\n\r\n"
)


class Registrar:
    """Lab and phone in one. policy: the status of a Path that the client did not announce."""

    alice = None

    def __init__(self, policy: int) -> None:
        self.policy = policy

    async def phone(self, _account: object) -> Registrar:
        return self

    async def register(self, fields: Any = (), **_: object) -> Response:
        path = dict(fields).get(b"Path")
        status = self.policy if path and b"Supported" not in dict(fields) else 200
        line = b"Path: %b\r\n" % path if path and status == 200 else b""
        answer = parse_message(ANSWER % (status, line), Limits())
        assert isinstance(answer, Response)
        return answer


@pytest.mark.parametrize("policy", [420, 200])
async def test_a_registrar_may_take_a_path_that_was_not_announced(policy: int) -> None:
    """RFC 3327 5.3: 420 is the recommended policy; some MAY take it."""
    (flow,) = load(ids={"RG-04"})
    await flow.run(cast(Lab, Registrar(policy)))
    with pytest.raises(Failed):
        await flow.run(cast(Lab, Registrar(403)))
