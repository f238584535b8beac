# SPDX-License-Identifier: Apache-2.0
"""Terminals with SIM cards: a client that has Milenage of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.clients import Bench, Sipp
from tests.support.running import RunningNode

# Characters on the command lines of the clients, hexadecimal digits for the node.
K, OP, AMF = "0123456789abcdef", "fedcba9876543210", "aa"

User = Callable[[], str]


@pytest.fixture
def holder(node: RunningNode, user: User) -> str:
    """A user with a card."""
    name = user()
    node.command(
        "user", "set", f"sip:{name}@ims.test", "--aka-k-stdin", "--op", OP.encode().hex(),
        "--amf", AMF.encode().hex(), text=f"{K.encode().hex()}\n",
    )  # fmt: skip
    return name


@pytest.mark.peer("sipp")
def test_sipp_registers_and_writes(bench: Bench, holder: str, user: User) -> None:
    """SIPp has no security association: it answers the challenge to its MESSAGE as well."""
    card = Sipp(bench, holder, credentials=f"password={K} aka_K={K} aka_OP={OP} aka_AMF={AMF}")
    card.register(port=5999)
    other = Sipp(bench, user())
    other.stay("message_uas")
    card.message(other.user, "from a card")
    other.await_log("message_uas", "from a card")
