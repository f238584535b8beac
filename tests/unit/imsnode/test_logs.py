# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from imsnode.logs import Form, SourceLimit, configure, escape

log = logging.getLogger("imsnode.tests")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def start(form: Form, level: str = "info", lines: int = 10) -> io.StringIO:
    stream = io.StringIO()
    configure(level, form, stream, lines_per_source=lines)
    return stream


def test_json_line_has_event_and_fields() -> None:
    stream = start("json")
    log.warning("message refused: %s", "too large", extra={"call_id": "c1", "status": 413})
    event = json.loads(stream.getvalue())
    assert event["event"] == "message refused: too large"
    assert event["level"] == "warning"
    assert event["logger"] == "imsnode.tests"
    assert event["call_id"] == "c1"
    assert event["status"] == 413
    assert event["at"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_control_characters_make_no_second_line(form: Form) -> None:
    stream = start(form)
    log.warning(
        "bad\r\nlevel=error forged", extra={"user": "a\x1b[31m\n\x85\u2028b", "raw": b"\xff\n"}
    )
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert "\x1b[31m" not in written
    assert not any(character in written for character in "\r\x85\u2028")


def test_traceback_on_the_console_cannot_pass_for_an_event() -> None:
    stream = start("console")
    try:
        raise ValueError("x\n2030-01-01 [error] forged\x1b[0m")
    except ValueError:
        log.exception("unexpected")
    lines = stream.getvalue().rstrip("\n").split("\n")
    assert "unexpected" in lines[0]
    assert all(line.startswith("    ") for line in lines[1:])
    assert "\x1b" not in stream.getvalue()


def test_traceback_in_json_stays_in_its_line() -> None:
    stream = start("json")
    try:
        raise ValueError("planted")
    except ValueError:
        log.exception("unexpected")
    assert "ValueError: planted" in json.loads(stream.getvalue())["exception"]


def test_level() -> None:
    stream = start("json", "warning")
    log.info("not shown")
    assert stream.getvalue() == ""


def test_second_call_replaces_the_first() -> None:
    first = start("json")
    second = start("json")
    log.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def record(source: str | None, at: float) -> logging.LogRecord:
    made = log.makeRecord("n", logging.INFO, "f", 1, "m", (), None)
    made.created = at
    if source is not None:
        made.source = source
    return made


def test_one_source_is_bounded_and_others_are_not() -> None:
    limit = SourceLimit(10)
    assert sum(limit.filter(record("10.0.0.1", 100.0)) for _ in range(500)) == 10
    assert limit.filter(record("10.0.0.2", 100.5))
    assert all(limit.filter(record(None, 100.5)) for _ in range(50))
    later = record("10.0.0.1", 101.0)
    assert limit.filter(later)
    assert later.__dict__["suppressed"] == 490
    following = record("10.0.0.1", 101.1)
    assert limit.filter(following)
    assert "suppressed" not in following.__dict__


def test_many_sources_share_when_the_table_is_full() -> None:
    limit = SourceLimit(10)
    passed = sum(limit.filter(record(f"10.0.{i // 256}.{i % 256}", 100.0)) for i in range(5000))
    assert passed <= 1024 + 10
    assert len(limit._lines) <= 1025


def test_escape_keeps_text_and_bounds_it() -> None:
    assert escape("Grüße 日本 🙂") == "Grüße 日本 🙂"
    assert escape("a\x00b\x7f") == "a\\x00b\\x7f"
    assert len(escape("x" * 10_000)) < 2100
