"""Files in session descriptions (RFC 5547, MS-14)."""

from __future__ import annotations

from hashlib import sha1

import pytest

from session_msrp.chunk import Chunk
from session_msrp.errors import MediaError
from session_msrp.files import (
    FileCheck,
    FileOffer,
    FilePolicy,
    FileWatch,
    answer_attributes,
    read_file,
    rename_file,
    safe_name,
)
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_request
from sip.bodies.sdp import Media, parse_sdp

DIGEST = ":".join(f"{octet:02X}" for octet in sha1(b"hello").digest())
# RFC 5547 9.1, shortened.
SELECTOR = f'name:"My%20cool picture.jpg" type:image/jpeg size:5 hash:sha-1:{DIGEST}'


def section(selector: str = SELECTOR, more: str = "a=sendonly\r\n") -> tuple[FileOffer, Media]:
    text = (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\nm=message 7777 TCP/MSRP *\r\n"
        f"a=file-selector:{selector}\r\na=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd\r\n"
        'a=file-disposition:render\r\na=file-icon:cid:id2@example.com\r\na=file-date:creation:"x"\r\n'
        + more
    )
    sdp = parse_sdp(text.encode())
    file = read_file(sdp, sdp.media[0])
    assert file is not None
    return file, sdp.media[0]


def test_a_file_as_it_is_offered() -> None:
    file, _ = section()
    assert file.name == b"My cool picture.jpg"
    assert (file.media_type, file.size) == (b"image/jpeg", 5)
    assert file.hashes == ((b"sha-1", sha1(b"hello").digest()),)
    assert (file.start, file.stop, file.pushed) == (1, None, True)
    asked, _ = section(more="a=recvonly\r\na=file-range:3-*\r\n")
    assert (asked.start, asked.pushed) == (3, False)
    assert asked.key == file.key


def test_a_section_without_a_file_and_one_that_asks_what_is_known() -> None:
    assert section("")[0].selector == b""
    sdp = parse_sdp(b"v=0\r\nm=message 7777 TCP/MSRP *\r\n")
    assert read_file(sdp, sdp.media[0]) is None


@pytest.mark.parametrize(
    "selector",
    ['name:"a" name:"b"', "size:x", "size:1  size:2", "hash:sha-1:ZZ", "weight:3", 'name:""'],
)
def test_a_selector_that_cannot_be_read(selector: str) -> None:
    with pytest.raises(MediaError):
        section(selector)


@pytest.mark.parametrize("span", ["0-5", "5-3", "5", "x-*"])
def test_a_range_that_cannot_be(span: str) -> None:
    with pytest.raises(MediaError):
        section(more=f"a=file-range:{span}\r\n")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        (b"cool picture.jpg", "cool picture.jpg"),
        (b"../../etc/passwd", "passwd"),
        (b"C:\\Windows\\a.exe", "a.exe"),
        (b"..", ""),
        (b".hidden", "hidden"),
        (b"con.txt", "_con.txt"),
        (b"a\x07b\xe2\x80\xaec", "abc"),
        (b'x"y%z', "xyz"),
        (b"\xff", "\ufffd"),
        (b"x" * 300 + b".jpg", "x" * 196 + ".jpg"),
        ("ü".encode() * 300, "ü" * 100),
    ],
)
def test_a_name_that_is_safe(name: bytes, safe: str) -> None:
    assert safe_name(name) == safe
    assert safe_name(safe.encode()) == safe


def test_a_bad_name_is_written_anew_and_nothing_else() -> None:
    file, media = section(SELECTOR.replace("My%20cool picture", "..%2F%22cool%22"))
    assert rename_file(media, file)
    written = media.attribute(b"file-selector")
    assert written == SELECTOR.replace("My%20cool picture", "cool").encode()
    assert not rename_file(*reversed(section()))  # type: ignore[arg-type]


def test_an_answer_repeats_what_it_must_and_nothing_else() -> None:
    file, media = section(more="a=sendonly\r\na=file-range:1-5\r\n")
    assert [name for name, _ in answer_attributes(file, media)] == [
        b"file-selector",
        b"file-transfer-id",
        b"file-range",
    ]


@pytest.mark.parametrize(
    ("policy", "selector", "why"),
    [
        (FilePolicy(), SELECTOR, ""),
        (FilePolicy(octets=5), SELECTOR, ""),
        (FilePolicy(octets=4), SELECTOR, "a file may have 4 octets"),
        (FilePolicy(octets=4), "type:image/png", "a file may have 4 octets, say how many"),
        (FilePolicy(types=("image/*",)), SELECTOR, ""),
        (
            FilePolicy(types=("text/plain",)),
            SELECTOR,
            "files of type image/jpeg are not transferred",
        ),
        (FilePolicy(types=("text/plain",)), "size:3", "files of type unknown are not transferred"),
        (FilePolicy(4, ("text/plain",)), "", ""),
    ],
)
def test_what_the_policy_refuses(policy: FilePolicy, selector: str, why: str) -> None:
    assert policy.refusal(section(selector)[0]) == why


def chunk(headers: bytes, body: bytes, flag: bytes = b"$") -> Chunk:
    framer = Framer(Limits())
    head = (*headers.split(b"|"), b"Content-Type: image/jpeg")
    framer.feed(
        print_request(b"abcd1234", b"SEND", b"msrp://a/b;tcp", b"msrp://c/d;tcp", head, body, flag)
    )
    found = framer.next()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("pieces", "verdict"),
    [
        ([(b"Byte-Range: 1-3/5", b"hel", b"+"), (b"Byte-Range: 4-5/5", b"lo", b"$")], "file-whole"),
        ([(b"Byte-Range: 1-3/5", b"hel", b"+")], "file-unfinished"),
        ([(b"Byte-Range: 1-5/5", b"hallo", b"$")], "file-differs"),
        ([(b"Byte-Range: 1-6/6", b"hello!", b"$")], "file-too-long"),
        ([(b"Byte-Range: 3-5/5", b"llo", b"$")], "file-unchecked"),
        ([(b"Byte-Range: x", b"hello", b"$"), (b"Byte-Range: 1-5/5", b"hello", b"$")],
         "file-unchecked"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_file_that_passed(
    pieces: list[tuple[bytes, bytes, bytes]], verdict: str
) -> None:
    watch = FileWatch(FileCheck(section()[0]), 1)
    for piece in pieces:
        watch(chunk(*piece))
    assert watch.verdict == verdict


def test_a_file_is_held_against_its_hash_over_a_break() -> None:
    check = FileCheck(section()[0])
    check.feed(0, b"hel")
    check.feed(3, b"lo")
    assert not check.differs
    other = FileCheck(section()[0])
    other.feed(0, b"hallo")
    assert other.differs
    longer = FileCheck(section()[0])
    longer.feed(0, b"hello!")
    assert longer.too_long
    assert longer.differs
    hole = FileCheck(section()[0])
    hole.feed(2, b"llo")
    assert hole.broken
