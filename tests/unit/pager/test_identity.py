# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from pager.identity import (
    MessageIds,
    cpim_message_id,
    delivery_call_id,
    submission_key,
)
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message
from tests.support.sip_messages import request_bytes

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"
CPIM = (
    b"From: <sip:alice@ims.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: 34jk324j\r\n\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
)


def request(**kwargs: object) -> Request:
    message = parse_message(request_bytes(**kwargs), Limits())  # type: ignore[arg-type]  # test
    assert isinstance(message, Request)
    return message


def test_ids_sort_by_time_and_are_unique() -> None:
    ids = MessageIds("0a1b2")
    walls = [1.0, 1.5, 1.5, 2.0, 40.0, 1.75e9, 1.75e9, 1.75e9 + 1, 1.75e9 - 100, 4e9]
    made = [ids.next(wall) for wall in walls]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch("m[0-9a-v]{18}", one) for one in made)
    assert MessageIds("0a1b3").next(1.0) != made[0]


def test_key_is_the_same_for_a_repeat_under_another_branch() -> None:
    first = submission_key(request(), ALICE, BOB)
    assert len(first) == 16
    assert submission_key(request(branch=b"z9hG4bKother", body=b"other"), ALICE, BOB) == first


def test_key_differs_in_every_part() -> None:
    keys = {
        submission_key(request(), ALICE, BOB),
        submission_key(request(), BOB, ALICE),
        submission_key(request(), ALICE, "sip:carol@ims.test"),
        submission_key(request(), "sip:a", "lice@ims.testsip:bob@ims.test"),
        submission_key(request(call_id=b"call-2"), ALICE, BOB),
        submission_key(request(cseq=2), ALICE, BOB),
    }
    assert len(keys) == 6


def test_key_of_a_cpim_message_is_its_message_id() -> None:
    extra = (b"Content-Type: message/cpim",)
    one = submission_key(request(extra=extra, body=CPIM), ALICE, BOB)
    assert submission_key(request(extra=extra, body=CPIM, call_id=b"x"), ALICE, BOB) == one
    other = CPIM.replace(b"34jk", b"35jk")
    assert submission_key(request(extra=extra, body=other), ALICE, BOB) != one
    assert submission_key(request(extra=extra, body=CPIM), BOB, ALICE) != one


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (b"message/cpim", CPIM, b"34jk324j"),
        (b"Message/CPIM; charset=x", CPIM, b"34jk324j"),
        (b"text/plain", CPIM, b""),
        (None, CPIM, b""),
        (b"message/cpim", CPIM.replace(b"imdn <", b"x <").replace(b"imdn.M", b"x.M"), b"34jk324j"),
        (b"message/cpim", CPIM.replace(b"NS: imdn", b"NS: other"), b""),
        (b"message/cpim", CPIM.replace(b"Message-ID", b"message-id"), b""),
        (b"message/cpim", CPIM.replace(b"imdn.M", b"\r\nimdn.M"), b""),
        (b"message/cpim", b"NS: <urn:ietf:params:imdn>\r\nMessage-ID: d\r\n\r\n", b"d"),
        (b"message/cpim", b"", b""),
        (b"message/cpim", b"X: y\r\n" * 2000 + CPIM, b""),
    ],
)
def test_cpim_message_id(content_type: bytes | None, body: bytes, expected: bytes) -> None:
    assert cpim_message_id(content_type, body) == expected


def test_delivery_call_id_is_stable_and_per_device() -> None:
    assert delivery_call_id("m1", "<a>") == delivery_call_id("m1", "<a>")
    assert len({delivery_call_id(m, d) for m in ("m1", "m2") for d in ("", "<a>", "<b>")}) == 6
