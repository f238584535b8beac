# SPDX-License-Identifier: Apache-2.0
"""How far a message came, read from its story."""

from __future__ import annotations

import pytest

from imsnode.storage import Story, state_of
from pager.values import Step

AT = 1_000.0


def story(outcome: str, *steps: Step) -> Story:
    made = Story("m1", b"c", "sip:alice@ims.test", "sip:bob@ims.test", AT, 5, outcome)
    made.steps += [(AT, "received", "", 0, "forwarded"), *steps]
    return made


def answered(device: str, status: int, rule: str, at: float = AT + 1) -> Step:
    return (at, "answered", device, status, rule)


def receipt(device: str, rule: str, at: float = AT + 2) -> Step:
    return (at, "receipt", device, 0, rule)


@pytest.mark.parametrize(
    ("outcome", "steps", "state", "at"),
    [
        ("", [], "sent", AT),
        ("stored", [(AT + 1, "stored", "", 0, "no-binding")], "stored", AT + 1),
        ("retrying", [answered("a", 486, "try-again")], "stored", AT + 1),
        ("rejected", [answered("a", 415, "device-refused")], "failed", AT + 1),
        ("expired", [(AT + 9, "expired", "", 0, "deadline")], "failed", AT + 9),
        ("relayed", [answered("a", 200, "device-accepted")], "delivered", AT + 1),
        (
            "relayed",
            [answered("a", 200, "device-accepted"), receipt("a", "display-displayed")],
            "displayed",
            AT + 2,
        ),
        (
            "relayed",
            [answered("a", 200, "device-accepted"), receipt("a", "delivery-failed")],
            "failed",
            AT + 2,
        ),
        (
            "refused",
            [answered("a", 200, "device-accepted"), answered("b", 415, "device-refused", AT + 5)],
            "delivered",
            AT + 1,
        ),
        ("stored", [receipt("", "processing-stored")], "stored", AT + 2),
    ],
)
def test_the_state_at_the_recipient(outcome: str, steps: list[Step], state: str, at: float) -> None:
    found = state_of(story(outcome, *steps))
    assert (found.state, found.at) == (state, at)


def test_each_device_has_its_own() -> None:
    found = state_of(
        story(
            "relayed",
            answered("a", 200, "device-accepted"),
            answered("b", 200, "device-accepted"),
            answered("c", 415, "device-refused"),
            receipt("b", "display-displayed", AT + 3),
            receipt("b", "delivery-delivered", AT + 4),
        )
    )
    assert [(d.device, d.state, d.at, d.witness) for d in found.devices] == [
        ("a", "delivered", AT + 1, "sip"),
        ("b", "displayed", AT + 3, "imdn"),
        ("c", "failed", AT + 1, "sip"),
    ]
