from __future__ import annotations

import pytest

from sip.limits import Limits
from sip.salvage import salvage
from tests.support.wire import REQUEST, RESPONSE, changed, with_line, without

LIMITS = Limits()


def test_everything() -> None:
    partial = salvage(REQUEST, LIMITS)
    assert partial is not None
    assert partial.method == "MESSAGE"
    assert partial.via is not None
    assert partial.via.branch == b"z9hG4bKabc"
    assert [line.partition(b":")[0] for line in partial.copied] == [
        b"From", b"To", b"Call-ID", b"CSeq",
    ]  # fmt: skip
    assert partial.to_at == 1


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\r\n\r\n", RESPONSE, without(b"Via"), REQUEST.replace(b"MESSAGE", b"ACK"),
        REQUEST.replace(b" SIP/2.0\r\n", b"\r\n", 1), b"GET / HTTP/1.1\r\nVia: x\r\n\r\n",
        changed(REQUEST, b"Via: SIP", b"Via: \x00SIP"), b"Via: x\r\n\r\n",
        b"\x00\x01\x00\x00!\x12\xa4B" + b"a" * 40,
    ],
)  # fmt: skip
def test_nothing_to_answer(data: bytes) -> None:
    assert salvage(data, LIMITS) is None


def test_harmful_lines_are_left_out() -> None:
    for octets in (b"\x00", b"\r", b"\n", b"\x1b[2J"):
        partial = salvage(changed(REQUEST, b"call-1", b"call" + octets), LIMITS)
        assert partial is not None
        assert [line.partition(b":")[0] for line in partial.copied] == [b"From", b"To", b"CSeq"]


def test_first_of_several() -> None:
    partial = salvage(with_line(b"t: <sip:other>;tag=1\r\nVIA: SIP/2.0/TCP b"), LIMITS)
    assert partial is not None
    assert partial.copied[1] == b"To: <sip:bob@ims.test>"
    assert partial.via_lines[1] == b"VIA: SIP/2.0/TCP b"


@pytest.mark.parametrize("line", [b"To: <sip:a>;tag=1", b"To: <sip:a> ; TAG = 1"])
def test_a_tag_is_not_given_twice(line: bytes) -> None:
    partial = salvage(changed(REQUEST, b"To: <sip:bob@ims.test>", line), LIMITS)
    assert partial is not None
    assert partial.to_at == -1


def test_a_cut_line_is_not_echoed() -> None:
    data = REQUEST[: REQUEST.index(b"1 MESSAGE")]
    partial = salvage(data, LIMITS)
    assert partial is not None
    assert not any(line.startswith(b"CSeq") for line in partial.copied)


def test_folds_out_of_order() -> None:
    data = changed(REQUEST, b"Via: SIP", b" folded\r\nVia: SIP")
    assert salvage(data, LIMITS) is not None
    folded = salvage(changed(REQUEST, b"To: <", b"To:\r\n <"), LIMITS)
    assert folded is not None
    assert folded.copied[1] == b"To:\r\n <sip:bob@ims.test>"
