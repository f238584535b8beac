"""Session descriptions: what is not touched stays as it came."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies.sdp import Media, Sdp, parse_sdp
from sip.errors import ParseError

TEXT = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=setup:active\r\n"
    b"m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n"
    b"m=message 2855/2 TCP/MSRP *\r\ni=chat\r\nc=IN IP6 2001:db8::1\r\na=path:msrp://x\r\n"
    b"a=sendrecv\r\na=path:again\r\n"
)


def test_what_nobody_changes_comes_back() -> None:
    assert parse_sdp(TEXT).print() == TEXT
    assert parse_sdp(TEXT.replace(b"\r\n", b"\n")).print() == TEXT


def test_sections() -> None:
    sdp = parse_sdp(TEXT)
    audio, message = sdp.media
    assert (audio.kind, audio.port, audio.protocol, audio.formats) == (
        b"audio", 4000, b"RTP/AVP", [b"0", b"8"],
    )  # fmt: skip
    assert (message.port, message.formats) == (2855, [b"*"])
    assert sdp.connection(audio) == "192.0.2.1"
    assert sdp.connection(message) == "2001:db8::1"
    assert sdp.session.attribute(b"setup") == b"active"
    assert message.attribute(b"sendrecv") == b""
    assert message.attribute(b"setup") is None


def test_changes_stay_in_their_section() -> None:
    sdp = parse_sdp(TEXT)
    audio, message = sdp.media
    message.set_port(9)
    message.set_attribute(b"path", b"msrp://y")
    message.set_attribute(b"setup", b"passive")
    message.set_connection("192.0.2.9")
    audio.set_connection("::1")
    message.remove_attributes(b"sendrecv")
    assert sdp.print().endswith(
        b"m=audio 4000 RTP/AVP 0 8\r\nc=IN IP6 ::1\r\na=rtpmap:0 PCMU/8000\r\n"
        b"m=message 9 TCP/MSRP *\r\ni=chat\r\nc=IN IP4 192.0.2.9\r\na=path:msrp://y\r\n"
        b"a=setup:passive\r\n"
    )


@pytest.mark.parametrize(
    "value", [b"IN IP4 host.test", b"IN IP4", b"IN IP4 224.2.1.1/127", b"ATM X 1"]
)
def test_a_connection_that_is_no_address(value: bytes) -> None:
    sdp = parse_sdp(b"v=0\r\nc=%b\r\nm=audio 1 RTP/AVP 0\r\n" % value)
    assert sdp.connection(sdp.media[0]) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"v=1\r\n", b"s=-\r\n", b"v=0\r\nX=1\r\n", b"v=0\r\nm=audio\r\n", b"v=0\r\nno line\r\n",
     b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n", b"v=0\r\nm=audio x RTP/AVP 0\r\n", b"v=0\r\na=\x00\r\n",
     b"v=0\r\n\r\nm=audio 1 RTP/AVP 0\r\n", b"v=0\r\n" + b"a=x\r\n" * 3000],
)  # fmt: skip
def test_what_is_none(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse_sdp(body)


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_nothing_but_its_own_error_comes_out(body: bytes) -> None:
    try:
        sdp = parse_sdp(b"v=0\r\n" + body)
    except ParseError:
        return
    assert isinstance(sdp, Sdp)
    assert all(isinstance(media, Media) for media in sdp.media)
