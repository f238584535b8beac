"""Event filters: what they leave of a document, which changes they let through, how they are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presence.documents.compose import Facts, compose
from presence.documents.filters import Filter, FilterSet, apply_filter, parse_filters
from presence.documents.paths import parse_path
from presence.documents.pidf import Document, serialise, tidy
from presence.patch.make import same
from presence.work import Work
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError
from tests.support.presence_documents import ENTITY, documents, published, service
from tests.wire.vectors import DATA

BINDINGS = (
    '<ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/>'
    '<ns-binding prefix="r" urn="urn:ietf:params:xml:ns:pidf:rpid"/></ns-bindings>'
)


def filters(*each: str) -> FilterSet:
    text = "".join(each)
    return parse_filters(
        f'<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter">{BINDINGS}{text}</filter-set>'.encode()
    )


def one(content: str) -> Filter:
    return filters(f'<filter id="1">{content}</filter>').filters[0]


def printed(name: str) -> bytes:
    # The RFC prints an id that is none.
    return (DATA / "xml" / name).read_bytes().replace(b'"432sd"', b'"a432sd"').strip()


def document(name: str) -> Document:
    root = parse_xml(printed(f"pidf/{name}.xml"), name)
    tidy(root)
    return Document(root)


@pytest.mark.parametrize(
    ("wanted", "left"), [("rfc4660-03", "rfc4660-04"), ("rfc4660-05", "rfc4660-06")]
)
def test_filters_printed_in_rfc_4660_leave_what_is_printed(wanted: str, left: str) -> None:
    found = parse_filters(printed(f"filter/{wanted}.xml")).about("sip:presentity@example.com", "")
    assert found is not None
    assert same(apply_filter(document("rfc4660-02"), found).root, document(left).root)


def test_the_trigger_printed_in_rfc_4660_sees_the_change() -> None:
    wanted = parse_filters(printed("filter/rfc4660-07.xml")).filters[0]
    closed, opened, other = (document(f"rfc4660-{n}") for n in ("08", "09", "10"))
    assert wanted.triggered(None, closed)
    assert wanted.triggered(closed, opened)
    assert wanted.triggered(opened, other)
    assert not wanted.triggered(opened, closed)
    assert not wanted.triggered(opened, opened)


@pytest.mark.parametrize(
    "name",
    [
        e["file"]
        for e in json.loads((DATA / "xml/index.json").read_text())
        if e["file"].startswith("filter/")
    ],
)
def test_printed_filters_are_understood_unless_a_prefix_is_missing(name: str) -> None:
    if Path(name).stem == "rfc4661-05":
        with pytest.raises(ParseError) as caught:
            parse_filters(printed(name))
        assert caught.value.status_hint == 488
    else:
        assert parse_filters(printed(name)).filters


CLOSED = published(
    service("a", "closed", "<r:class>home</r:class><x:one/>", "<note>n</note>") + service("b")
)


@pytest.mark.parametrize(
    ("content", "shown", "hidden"),
    [
        (
            '<what><include type="namespace">urn:ietf:params:xml:ns:pidf</include></what>',
            b"note",
            b"class",
        ),
        ("<what><exclude>//p:note</exclude></what>", b"class", b"note"),
        ("<what><include>//p:tuple[r:class='home']/p:note</include></what>", b"note", b"x:one"),
        ('<what><include>//p:tuple[@id="b"]</include></what>', b'id="b"', b'id="a"'),
        (
            "<what><include>/*/*[p:status/p:basic=\"closed\" and r:class='home']/r:class</include></what>",
            b"home",
            b'id="b"',
        ),
        ('<what><exclude type="namespace">urn:example:x</exclude></what>', b"class", b"x:one"),
        ("<what><exclude>//p:status</exclude></what>", b"basic", b"nothing of it can go"),
        ("<what><exclude>//@entity</exclude></what>", b"entity", b"nothing of it can go"),
        ("<what><include>//nothing</include></what>", b"presence", b"tuple"),
    ],
)
def test_what_is_left(content: str, shown: bytes, hidden: bytes) -> None:
    body = serialise(apply_filter(compose([CLOSED], Facts(), ENTITY), one(content)))
    validate(parse_xml(body, "left"), "left")
    assert shown in body
    assert hidden not in body


@pytest.mark.parametrize(
    ("content", "old", "new", "told"),
    [
        ("<added>//p:tuple</added>", "a", "ab", True),
        ("<added>//p:tuple</added>", "ab", "a", False),
        ("<removed>//p:tuple[@id='b']</removed>", "ab", "a", True),
        ("<removed>//p:tuple[@id='b']</removed>", "a", "a", False),
        ("<added>//p:tuple[@id='b']</added><removed>//p:tuple[@id='a']</removed>", "a", "b", True),
        (
            "<added>//p:tuple[@id='b']</added><removed>//p:tuple[@id='a']</removed>",
            "a",
            "ab",
            False,
        ),
        ("<changed>//p:basic</changed>", "a", "A", True),
        ("<changed>//p:basic</changed>", "a", "ab", False),
        ("<changed to='open'>//p:basic</changed>", "A", "a", True),
        ("<changed to='open'>//p:basic</changed>", "A", "Ab", True),
        ("<changed from='open'>//p:basic</changed>", "A", "a", False),
        ("<changed by='2'>//p:tuple/@id</changed>", "a", "b", False),
    ],
)
def test_which_changes_are_told(content: str, old: str, new: str, told: bool) -> None:
    def of(names: str) -> Document:
        return published(
            "".join(service(n.lower(), "closed" if n.isupper() else "open") for n in names)
        )

    assert one(f"<trigger>{content}</trigger>").triggered(of(old), of(new)) is told


def test_by_is_how_far_a_number_moved() -> None:
    def of(priority: str) -> Document:
        return published(
            f'<tuple id="a"><status/><contact priority="{priority}">sip:a@b</contact></tuple>'
        )

    wanted = one("<trigger><changed by='0.5'>//p:contact/@priority</changed></trigger>")
    assert wanted.triggered(of("0.1"), of("0.7"))
    assert not wanted.triggered(of("0.1"), of("0.5"))


def test_filters_are_replaced_switched_and_removed_by_id() -> None:
    first = filters(
        '<filter id="1" uri="pres:bob@ims.test"><what><include>//p:note</include></what></filter>',
        '<filter id="2" domain="IMS.test"><what><include>//p:tuple</include></what></filter>',
        '<filter id="3"><what><include>//p:basic</include></what></filter>',
    )
    bob, carol, eve = "sip:bob@ims.test", "sip:carol@ims.test", "sip:eve@other.test"

    def chosen(of: FilterSet) -> list[str | None]:
        return [found.id if (found := of.about(who, eve)) else None for who in (bob, carol, eve)]

    assert chosen(first) == ["1", "2", "3"]
    second = first.updated(
        filters('<filter id="1" enabled="false"/>', '<filter id="2" remove="true"/>')
    )
    assert chosen(second) == ["3", "3", "3"]
    third = second.updated(filters('<filter id="1" enabled="true"/>'))
    assert chosen(third) == ["1", "3", "3"]
    assert hash(third) == hash(third.updated(FilterSet()))


@pytest.mark.parametrize(
    "expression",
    ["", "//r:class/..", "p:tuple", "/p:tuple[", "/p:tuple]", "//", "/p:tuple[@id]", "/p:tuple[1]", "/p:tuple[@id=x]", "//q:tuple", "/p:a|/p:b",
     "//*[count(.)>1]", "/p:tuple[@id='a' and]", "/@*", "/a" * 17, "//a[.=1" + " or .=1" * 20 + "]"],
)  # fmt: skip
def test_expressions_that_are_not_understood(expression: str) -> None:
    with pytest.raises(ParseError) as caught:
        one(f"<what><include>{expression.replace('<', '&lt;')}</include></what>")
    assert caught.value.status_hint == 488


@pytest.mark.parametrize(
    "content",
    ['<filter id="1"/><filter id="1"/>', '<filter id="1" uri="sip:a@b" domain="b"/>', '<filter id="1"/>' * 33,
     '<filter id="1"><what>' + "<include>//a</include>" * 40 + "</what></filter>", "<filter/>", ""],
)  # fmt: skip
def test_filter_sets_that_are_refused(content: str) -> None:
    with pytest.raises(ParseError):
        filters(content)


@settings(max_examples=80, deadline=None)
@given(st.text("/*@[]=<>.'\"pr:tuple 1and or", max_size=30))
def test_expressions_of_any_kind_are_read_or_refused(text: str) -> None:
    try:
        path = parse_path(text, {"p": "urn:ietf:params:xml:ns:pidf"})
    except ParseError:
        return
    path.elements(CLOSED.root, Work(1_000))


@settings(max_examples=25, deadline=None)
@given(
    documents(),
    st.sampled_from(["//p:basic", "//r:class", "//p:tuple/@id", "/*/*", "//*[.='work']"]),
    st.booleans(),
)
def test_what_a_filter_leaves_is_valid(whole: Document, expression: str, include: bool) -> None:
    kind = "include" if include else "exclude"
    composed = compose([whole], Facts(), ENTITY)
    left = apply_filter(composed, one(f"<what><{kind}>{expression}</{kind}></what>"))
    validate(parse_xml(serialise(left), "left"), "left")
