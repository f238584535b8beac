# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

import pytest

from sip.flow import Flow
from sip.tokens import LONGEST_TOKEN, MAC_OCTETS, UNBOUND, FlowTokens

SECRET = b"0123456789abcdefghij"
V4 = Flow("TCP", ("192.0.2.1", 5060), ("198.51.100.7", 41234))
V6 = Flow("TLS", ("2001:db8::1", 5061), ("2001:db8::7", 65535))


@pytest.mark.parametrize(("flow", "length"), [(V4, 32), (V6, LONGEST_TOKEN)])
def test_a_token_names_its_flow(flow: Flow, length: int) -> None:
    tokens = FlowTokens(SECRET)
    token = tokens.make(flow, b"call-1")
    name = tokens.read(token, b"call-1")
    assert name is not None
    assert name.names(flow)
    assert (name.transport, name.local, name.remote) == (flow.transport, flow.local, flow.remote)
    assert name.proven
    assert len(token) <= length


def test_a_token_without_flow_only_proves_that_it_is_ours() -> None:
    tokens = FlowTokens(SECRET)
    assert tokens.read(tokens.make(None, b"c"), b"c") is UNBOUND


def test_a_token_is_a_legal_user_part() -> None:
    token = FlowTokens(SECRET).make(V6, b"x")
    assert all(chr(octet).isalnum() or octet in b"-_" for octet in token)


def test_every_changed_character_is_noticed() -> None:
    tokens = FlowTokens(SECRET)
    token = tokens.make(V4, b"c")
    for at in range(len(token)):
        for other in b"Az0-_%!":
            changed = token[:at] + bytes([other]) + token[at + 1 :]
            if changed != token:
                name = tokens.read(changed, b"c")
                # base64 leaves spare bits in the last character only
                assert name is None or at == len(token) - 1


@pytest.mark.parametrize(
    "token", [b"", b"A", b"alice", b"=" * 8, b"\xff\xfe", b"A" * 65, b"A" * 14, b"%00" * 4]
)
def test_garbage_is_no_token(token: bytes) -> None:
    assert FlowTokens(SECRET).read(token, b"c") is None


def test_a_token_is_good_for_one_dialog_and_one_secret() -> None:
    tokens = FlowTokens(SECRET)
    token = tokens.make(V4, b"call-1")
    assert tokens.read(token, b"call-2") is None
    assert FlowTokens(b"another secret of 20+").read(token, b"call-1") is None


def test_content_of_another_shape_is_refused_even_with_a_right_mac() -> None:
    tokens = FlowTokens(SECRET)
    for content in (b"\x00x", b"\x01short", b"\x09" + b"x" * 12, b"\x81" + b"x" * 12):
        mac = hmac.digest(SECRET, content + b"c", "sha256")[:MAC_OCTETS]
        assert tokens.read(urlsafe_b64encode(mac + content).rstrip(b"="), b"c") is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError):
        FlowTokens(b"short")
