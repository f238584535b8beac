# SPDX-License-Identifier: Apache-2.0
"""What is verified, and as whom, as the command line says it."""

from __future__ import annotations

import pytest

from imsnode.verify.target import Account, Target, account, target


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("sip:192.0.2.1", Target("UDP", "192.0.2.1", 5060, "192.0.2.1")),
        ("sip:ims.test:5070;transport=tcp", Target("TCP", "ims.test", 5070, "ims.test")),
        ("sips:ims.test", Target("TLS", "ims.test", 5061, "ims.test")),
    ],
)
def test_a_server(uri: str, found: Target) -> None:
    assert target(uri) == found
    assert target(uri, "example.test").domain == "example.test"


@pytest.mark.parametrize(
    "uri", ["ims.test", "tel:+1", "sip:", "sip:ims.test;transport=carrier-pigeon"]
)
def test_what_is_no_server(uri: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        target(uri)


def test_an_account() -> None:
    assert account("alice:s3:cret", "ims.test") == Account("alice", "ims.test", "s3:cret")
    assert account("sip:alice@b.test:x", "ims.test").aor == "sip:alice@b.test"
    assert account("alice", "ims.test", "other").password == "other"
    for text in ("alice", ":x", "sip:@b"):
        with pytest.raises(ValueError, match="password|user"):
            account(text, "ims.test")
