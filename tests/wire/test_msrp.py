"""Every MSRP message printed in an RFC, and good and bad ones of our own, at every cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from session_msrp.errors import BadChunk, FramingError
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.uri import parse_path

from .vectors import DATA

FOLDER = DATA / "msrp"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())["cases"]

# What the RFCs print is not always a message: what is wrong with these.
MISPRINTS = {
    "rfc4975-03.msrp": "To-Path and From-Path come first",  # left out
    "rfc4975-04.msrp": "To-Path and From-Path come first",
    "rfc4975-09.msrp": "not a header line",  # no empty line in front of the body
    "rfc4975-13.msrp": "not a header line",
}
# (chunks framed, reason of the refusal)
BAD = {
    "own-bad-no-topath.msrp": "To-Path and From-Path come first",
    "own-bad-no-ctype.msrp": "a body needs a Content-Type",
    "own-bad-range-alpha.msrp": "not a Byte-Range",
    "own-bad-range-order.msrp": "a Byte-Range that ends before it starts",
    "own-bad-no-colon.msrp": "not a header line",
}
OUT_OF_STEP = {"own-bad-short-tid.msrp", "own-bad-long-tid.msrp", "own-bad-lf-only.msrp"}
CHUNKS = {"own-ok-chunks.msrp": 2}

Outcome = list[tuple[bytes, bytes, bytes, bytes, bytes] | str]


def run(pieces: list[bytes], limits: Limits | None = None) -> Outcome:
    """Feed the pieces one by one; the outcome ends with the reason when the stream breaks."""
    framer = Framer(limits or Limits())
    out: Outcome = []
    try:
        for piece in pieces:
            framer.feed(piece)
            while (chunk := framer.next()) is not None:
                out.append((chunk.raw, chunk.tid, chunk.headers, chunk.body, chunk.flag))
    except FramingError as error:
        out.append(error.reason)
    else:
        assert not framer.mid_chunk
    return out


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_a_message_is_what_its_index_says(case: dict[str, Any]) -> None:
    name = case["file"]
    framer = Framer(Limits())
    framer.feed((FOLDER / name).read_bytes())
    if name in OUT_OF_STEP:
        with pytest.raises(FramingError):
            framer.next()
        return
    chunks = []
    while (chunk := framer.next()) is not None:
        chunks.append(chunk)
    assert len(chunks) == CHUNKS.get(name, 1)
    first = chunks[0]
    if "transaction_id" in case:
        assert first.tid.decode() == case["transaction_id"]
        assert first.flag.decode() == case["continuation"]
        assert first.has_body == case["has_body"]
        assert first.size == (case["body_bytes"] or 0)
        start = first.method.decode() or f"{first.status}"
        assert case["start"].split(" ")[0] == start
    reason = MISPRINTS.get(name) or BAD.get(name)
    if reason:
        with pytest.raises(BadChunk) as caught:
            first.check()
        assert (caught.value.reason, caught.value.status) == (reason, 400)
        return
    for chunk in chunks:
        if not chunk.status:
            chunk.check()
        for path in (chunk.to_path, chunk.from_path):
            parse_path(path, 8)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_every_cut(case: dict[str, Any]) -> None:
    data = (FOLDER / case["file"]).read_bytes()
    at_once = run([data])
    for cut in range(1, len(data)):
        assert run([data[:cut], data[cut:]]) == at_once
    assert run([data[i : i + 1] for i in range(len(data))]) == at_once


def test_all_in_one_stream() -> None:
    whole = [
        (FOLDER / case["file"]).read_bytes() for case in CASES if case["file"] not in OUT_OF_STEP
    ]
    stream = b"".join(whole)
    expected = [item for data in whole for item in run([data])]
    for size in (3, 1400, 65536):
        assert run([stream[i : i + size] for i in range(0, len(stream), size)]) == expected


@pytest.mark.parametrize("name", [case["file"] for case in CASES if case.get("has_body")])
def test_pieces_of_a_chunk_add_up(name: str) -> None:
    """With room for almost nothing the same octets come, in more pieces."""
    data = (FOLDER / name).read_bytes()
    [whole] = run([data])
    for size in (1, 5, 64):
        pieces = run(
            [data[i : i + size] for i in range(0, len(data), size)], Limits(chunk_bytes=100)
        )
        assert all(piece[1:3] == whole[1:3] for piece in pieces)
        assert b"".join(piece[3] for piece in pieces if not isinstance(piece, str)) == whole[3]
        assert [piece[4] for piece in pieces] == [b""] * (len(pieces) - 1) + [whole[4]]
