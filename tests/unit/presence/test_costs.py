# SPDX-License-Identifier: Apache-2.0
"""What strangers write takes bounded work: counted, not timed (threats.md G1)."""

from __future__ import annotations

from typing import Any, cast

import pytest

from presence.documents import partial
from presence.documents.filters import apply_filter, parse_filters
from presence.documents.pidf import ELEMENTS, Document, parse_pidf
from presence.patch.errors import PatchError
from presence.patch.selector import SelectorError, parse_selector
from presence.work import TooMuchWork, Work
from presence.xcap import Conflict
from presence.xcap.fields import REPORTED
from sip.bodies.xml import parse_xml
from sip.errors import ParseError
from tests.support.xcap import Shelf

ALICE = "sip:alice@ims.test"
HEAD = f'<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:x" entity="{ALICE}">'
LISTS = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">%b</resource-lists>'


def pidf(content: str) -> bytes:
    return f"{HEAD}{content}</presence>".encode()


def large(name: str = "a") -> Document:
    inside = f"<x:{name}/>" * (ELEMENTS - 10)
    return parse_pidf(pidf(f'<tuple id="t"><status>{inside}</status></tuple>'), ALICE)


def test_work_has_an_end() -> None:
    work = Work(3)
    work.spend(3)
    with pytest.raises(TooMuchWork):
        work.spend(1)


def test_presence_documents_have_so_many_elements() -> None:
    assert large().size <= ELEMENTS
    with pytest.raises(ParseError) as caught:
        parse_pidf(pidf("<note/>" * ELEMENTS), ALICE)
    assert caught.value.status_hint == 413


@pytest.mark.parametrize(
    "what",
    [
        '<include>//*[../*/*/*="z"]</include>',
        "<include>//*//*//*//*//*//*//*</include>",
        '<exclude>//*[.="1" or .="2" or .="3" or .="4" or .="5"]</exclude>' * 20,
    ],
)
def test_a_filter_that_asks_for_too_much_filters_nothing(what: str) -> None:
    body = (
        '<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter">'
        f'<filter id="f"><what>{what}</what><trigger><changed>//*[../*="z"]</changed></trigger>'
        "</filter></filter-set>"
    )
    (wanted,) = parse_filters(body.encode()).filters
    document = large()
    assert apply_filter(document, wanted) is document
    assert wanted.triggered(document, large("b"))


def test_a_patch_that_looks_at_too_many_nodes_is_refused() -> None:
    one = "<p:remove sel=\"*/*/*/*[.='z']\"/>"
    body = pidf(one * 50).replace(b"presence", b"p:pidf-diff").replace(
        b" xmlns:x", b' version="1" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:x'
    )  # fmt: skip
    with pytest.raises(PatchError):
        partial.patch(large(), body)
    with pytest.raises(SelectorError):
        parse_selector("*" + "[1]" * 9, {})


def test_long_selectors_do_not_stop_the_validator() -> None:
    sel = "*/*" + "[.='']" * 2_000
    body = pidf(f'<p:remove sel="{sel}"/>').replace(b"presence", b"p:pidf-diff").replace(
        b" xmlns:x", b' version="1" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:x'
    )  # fmt: skip
    with pytest.raises(PatchError):
        partial.patch(large(), body)


@pytest.mark.parametrize(
    ("auid", "document", "reported"),
    [
        ("resource-lists", LISTS % (b"<list>" + b'<entry uri="a"/>' * 900 + b"</list>"), REPORTED),
        (
            "rls-services",
            b'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">'
            + b'<service uri="sip:a@ims.test"><list/></service>' * 900
            + b"</rls-services>",
            REPORTED,
        ),
    ],
)
def test_a_conflict_reports_so_many_failures(auid: str, document: bytes, reported: int) -> None:
    with pytest.raises(Conflict) as caught:
        Shelf(path=f"{auid}/users/{ALICE}/index").put(document)
    root = parse_xml(caught.value.body(), "error")
    assert sum(1 for _ in root.iter("{*}exists")) == reported


def test_xcap_documents_have_so_many_elements() -> None:
    shelf = Shelf(path=f"resource-lists/users/{ALICE}/index")
    assert shelf.put(LISTS % (b"<list/>" * 4_999)) == 201
    with pytest.raises(Conflict) as caught:
        shelf.put(LISTS % (b"<list/>" * 5_000))
    assert caught.value.condition == "constraint-failure"


def test_hard_state_is_no_longer_than_what_devices_publish() -> None:
    with pytest.raises(Conflict):
        Shelf(path=f"pidf-manipulation/users/{ALICE}/index").put(pidf("<note/>" * ELEMENTS))


def test_watchers_of_many_ages_cost_no_more_than_a_whole_document() -> None:
    from presence.packages.presence import _View

    view = _View(large())
    ages = [parse_pidf(pidf(f"<note>{n}</note>"), ALICE) for n in range(12)]
    bodies = [view.partial(one, 1) for one in ages]
    assert cast(Any, bodies[-1]) == view.partial(None, 1)
