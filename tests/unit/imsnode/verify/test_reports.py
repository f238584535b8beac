# SPDX-License-Identifier: Apache-2.0
"""Reports of a run: for a terminal, for programs, for people."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from lxml import etree
from rich.console import Console

from imsnode.verify.catalogue import Flow, Suite
from imsnode.verify.outcome import Outcome, Result
from imsnode.verify.report.junit import junit
from imsnode.verify.report.page import page
from imsnode.verify.report.terminal import show
from imsnode.verify.tape import Tape
from sip.flow import Flow as Way

EVIL = "it says <b>[red]\x00\x1b[2J</b>"


async def nothing(_lab: object) -> None:
    """Do nothing."""


def made(number: str, suite: Suite) -> Flow:
    return Flow(
        number, number.lower(), "What <has> to hold.", "RFC 1 & 2", suite, 1, frozenset(), nothing
    )


@pytest.fixture
def results() -> Sequence[Result]:
    tape = Tape("server", lambda: 0.0)
    hear = tape.tap("alice")
    way = Way("UDP", ("192.0.2.1", 1), ("192.0.2.2", 5060))
    hear("out", way, b"MESSAGE sip:b SIP/2.0\r\nCall-ID: c1\r\n\r\n<hi>", 0.0)
    hear("in", way, b"SIP/2.0 500 <Oops>\r\n\r\n", 0.0)
    return [
        Result(made("PM-01", Suite.PAGER), Outcome.PASS, "", 0.5),
        Result(made("PM-02", Suite.PAGER), Outcome.FAIL, EVIL, 1.0, tape.ladder()),
        Result(made("XC-01", Suite.XCAP), Outcome.NOT_APPLICABLE, "no root"),
    ]


def test_junit(results: Sequence[Result]) -> None:
    root = etree.fromstring(junit(results, "sip:server"))
    pager, xcap = root
    assert [pager.get(name) for name in ("tests", "failures", "skipped")] == ["2", "1", "0"]
    assert [xcap.get(name) for name in ("tests", "failures", "skipped")] == ["1", "0", "1"]
    [failure] = root.iter("failure")
    assert failure.get("message") == "it says <b>[red]??[2J</b> (RFC 1 & 2)"
    assert "500 <Oops>" in (failure.text or "")
    assert root.find(".//skipped").get("message") == "no root (RFC 1 & 2)"  # type: ignore[union-attr]


def test_a_page_that_needs_nothing_else(results: Sequence[Result]) -> None:
    text = page(results, "sip:<server>", 0.0)
    assert "1 pass, 1 fail, 1 not applicable" in text
    assert "1970-01-01 00:00 UTC" in text
    assert "&lt;Oops&gt;" in text
    assert "<b>" not in text
    assert "src=" not in text
    assert "href=" not in text


def test_the_terminal(results: Sequence[Result]) -> None:
    out = io.StringIO()
    show(results, Console(file=out, width=120))
    assert "\x1b" not in out.getvalue()
    text = out.getvalue()
    assert "[red]" in text, "what a server says is no markup"
    assert "PM-02 pm-02: it says" in text
    assert "MESSAGE sip:b" in text
    assert text.rstrip().endswith("3 flows: 1 pass, 1 fail, 1 not applicable")
