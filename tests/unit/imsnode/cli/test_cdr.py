# SPDX-License-Identifier: Apache-2.0
"""`imsnode cdr`: what it finds in the files of records, while no node runs."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.storage.cdr import CdrFile, CdrSettings
from imsnode.storage.stats import StorageStats

from .conftest import Result

Command = Callable[..., Result]
FIELDS = [
    "time", "ended", "id", "call_id", "from", "to", "size", "outcome", "status", "kind", "octets",
    "imdn", "about", "messages", "icid", "orig_ioi", "term_ioi",
]  # fmt: skip


def line(number: int, **more: object) -> bytes:
    ended = f"2026-05-31T08:00:{number:02d}.000Z"
    record = {
        "time": ended, "ended": ended, "id": f"m{number}", "call_id": f"c{number}",
        "from": "sip:alice@ims.test", "to": "sip:bob@ims.test", "size": 2, "outcome": "relayed",
        "status": 200,
    }  # fmt: skip
    return json.dumps(record | more).encode() + b"\n"


@pytest.fixture
def records(configured: Path) -> Path:
    """Seven records in three files, behind the first one a line that a crash cut off."""
    path = configured.parent / "cdr.jsonl"
    file = CdrFile(CdrSettings(path, rotate_bytes=700, keep=5), StorageStats())
    file.write(1, line(0))
    file.write(1, b'{"time":"2026-05\n')
    file.write(1, line(1, kind="imdn", imdn="i1", about="i0"))
    file.write(1, line(2, icid="abc", orig_ioi="home1.net", term_ioi="op.test"))
    for number in (3, 4, 5):
        file.write(1, line(number))
    file.write(1, line(6, to="sip:carol@ims.test", kind="visit", messages=3, call_id='"c,6"'))
    file.close()
    assert path.with_name("cdr.jsonl.2").exists()
    return path


def ids(result: Result) -> list[str]:
    assert result.code == 0, result.err
    return [record["id"] for record in map(json.loads, result.out.splitlines())]


def test_lists_the_newest_last(imsnode: Command, records: Path) -> None:
    listed = imsnode("cdr", "list", "--limit", "5", "--format", "json").json()
    assert [record["id"] for record in listed] == ["m2", "m3", "m4", "m5", "m6"]
    assert list(listed[0]) == FIELDS
    assert (listed[0]["icid"], listed[0]["orig_ioi"]) == ("abc", "home1.net")
    table = imsnode("cdr", "list").out
    assert table.index("m0") < table.index("m6")
    assert "message" in table


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--user carol", "m6"),
        ("--kind message --user sip:bob@ims.test", "m0 m2 m3 m4 m5"),
        ("--kind imdn", "m1"),
        ("--id i0", "m1"),
        ("--id c4", "m4"),
        ("--icid abc", "m2"),
        ("--since 2026-05-31T08:00:02Z --until 2026-05-31T08:00:04Z", "m2 m3"),
        ("--since 2099-01-01", ""),
        ("--user dora", ""),
    ],
)
def test_filters(imsnode: Command, records: Path, words: str, found: str) -> None:
    assert ids(imsnode("cdr", "export", *words.split())) == found.split()


def test_exports_lines_as_they_were_written(imsnode: Command, records: Path) -> None:
    written = imsnode("cdr", "export").out.encode()
    files = [records.with_name(f"cdr.jsonl{end}").read_bytes() for end in (".2", ".1", "")]
    assert written == b"".join(files).replace(b'{"time":"2026-05\n', b"")


def test_exports_csv_to_a_file_of_its_owner(imsnode: Command, records: Path) -> None:
    output = records.with_name("may.csv")
    said = imsnode("cdr", "export", "--format", "csv", "--output", str(output)).out
    assert said == f"wrote 7 records to {output}\n"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(output.read_text("utf-8"))))
    assert list(rows[0]) == FIELDS
    assert (rows[6]["call_id"], rows[6]["messages"], rows[6]["icid"]) == ('"c,6"', "3", "")


@pytest.mark.parametrize(
    ("form", "second"), [("json", '"id": "m5"'), ("csv", ",m5,"), ("table", "relayed  200  m5")]
)
def test_follows_from_a_time_on(imsnode: Command, records: Path, form: str, second: str) -> None:
    words = ("--since", "2026-05-31T08:00:04Z", "--count", "2", "--format", form)
    lines = imsnode("cdr", "follow", *words).out.splitlines()
    assert len(lines) == 2 + (form == "csv")
    assert second in lines[-1]


def test_there_may_be_no_record_yet(imsnode: Command, configured: Path) -> None:
    assert imsnode("cdr", "list").out == "none\n"
    assert imsnode("cdr", "export").out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--kind call", "--kind 'call' is not a kind of record; kinds are message, imdn"),
        ("--since yesterday", "--since 'yesterday' is not a time; write 2026-05-31"),
        ("--since 2026-05-31 --until 2026-05-30", "--until '2026-05-30' is not later than"),
        ("--user sip:@", "'sip:@' is not an address"),
    ],
)
def test_what_makes_no_sense_is_said(
    imsnode: Command, records: Path, words: str, said: str
) -> None:
    refused = imsnode("cdr", "list", *words.split())
    assert refused.code == 2
    assert said in refused.err


def test_nothing_can_be_read_where_nothing_is_written(imsnode: Command, configured: Path) -> None:
    configured.write_text(configured.read_text() + '[cdr]\nfile = ""\n')
    refused = imsnode("cdr", "list")
    assert refused.code == 2
    assert "cdr.file" in refused.err


def test_an_output_that_cannot_be_written(imsnode: Command, records: Path) -> None:
    failed = imsnode("cdr", "export", "--output", "nowhere/may.json")
    assert failed.code == 1
    assert "--output nowhere/may.json cannot be written" in failed.err
