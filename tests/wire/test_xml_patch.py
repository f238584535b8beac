"""Patch operations printed in RFC 5261 Appendix A and RFC 5262, and patches made of two documents."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from presence.patch import PatchError, apply_operations, make_operations
from presence.patch.make import same
from sip.bodies.schema import validate
from sip.bodies.xml import Element, parse_xml

from .vectors import DATA

CASES = json.loads((DATA / "xml" / "xml-patch-vectors.json").read_text())["cases"]
# The RFC prints the document without the white space that its 4.5.6 combines.
MISPRINT = "rfc5261-A.16"


def canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n2", with_comments=True)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_printed_patches_give_the_printed_documents(case: dict[str, str]) -> None:
    document = parse_xml(case["document"].encode(), "document", comments=True)
    patch = parse_xml(case["patch"].encode(), "patch", comments=True)
    want = parse_xml(case["result"].encode(), "result", comments=True)
    before = canonical(document)
    result = canonical(apply_operations(document, list(patch)))
    if case["id"] == MISPRINT:
        result = result.replace(b"\n  \n", b"\n")
    assert result == canonical(want)
    assert canonical(document) == before


def patch(document: str, operation: str) -> Element:
    root = parse_xml(document.encode(), "document", comments=True)
    operations = parse_xml(f'<d xmlns:n="urn:n">{operation}</d>'.encode(), "patch", comments=True)
    return apply_operations(root, list(operations))


DOC = (
    '<a xmlns:p="urn:p" x="1">one<b id="i">two</b>three<!--c--><?t v?><b id="j"/> <c><p:d/></c></a>'
)
GOOD = {
    "before a text": ('<add sel="a/text()[2]" pos="before">N</add>', "Nthree"),
    "after a text": ('<add sel="a/text()[2]" pos="after">N<n/>M</add>', "threeN<n/>M<!--c-->"),
    "prepended": ('<add sel="a" pos="prepend">N</add>', ">None<b"),
    "by id": ("<add sel=\"id('j')\">N</add>", '<b id="j">N</b>'),
    "by the text of a child": ('<add sel="a[b=\'two\']" type="@y">2</add>', ' y="2"'),
    "by its own text": ("<remove sel=\"a/b[.='two']\"/>", ">onethree<"),
    "by position": ('<remove sel="a/*[2]" ws="after"/>', "<?t v?><c>"),
    "by two predicates": ("<remove sel='a/b[2][@id=\"j\"]'/>", "<?t v?> <c>"),
    "instruction": ("<remove sel=\"a/processing-instruction('t')[1]\"/>", '<!--c--><b id="j"/>'),
    "instruction without name": (
        '<remove sel="a/processing-instruction()"/>',
        '<!--c--><b id="j"/>',
    ),
    "root": ('<replace sel="*"><z/></replace>', "<z"),
    "text emptied": ('<replace sel="a/b[1]/text()"/>', '<b id="i"/>'),
    "attribute of a name space": ('<add sel="a" type="@n:y">2</add>', ':y="2"'),
    "attribute of xml": ('<add sel="a" type="@xml:lang">de</add>', 'xml:lang="de"'),
}
BAD = {
    "two nodes": ('<remove sel="a/b"/>', "unlocated-node"),
    "no node": ('<remove sel="a/x"/>', "unlocated-node"),
    "position nought": ('<remove sel="a/b[0]"/>', "unlocated-node"),
    "text of text": ('<remove sel="a/text()/b"/>', "invalid-attribute-value"),
    "function": ('<remove sel="a/b[position()=1]"/>', "invalid-attribute-value"),
    "axis": ('<remove sel="a/descendant::b"/>', "invalid-attribute-value"),
    "all": ('<remove sel="//b"/>', "invalid-attribute-value"),
    "parent": ('<remove sel="a/.."/>', "invalid-attribute-value"),
    "no selector": ("<remove/>", "invalid-attribute-value"),
    "prefix": ('<remove sel="a/q:b"/>', "invalid-namespace-prefix"),
    "root gone": ('<remove sel="a"/>', "invalid-root-element-operation"),
    "beside the root": ('<add sel="a" pos="after"><b/></add>', "invalid-root-element-operation"),
    "no space after": ('<remove sel="a/b[1]" ws="after"/>', "invalid-whitespace-directive"),
    "space of text": ('<remove sel="a/text()[1]" ws="both"/>', "invalid-whitespace-directive"),
    "text for element": ('<replace sel="a/b[1]">x</replace>', "invalid-node-types"),
    "two for one": ('<replace sel="a/b[1]"><x/><y/></replace>', "invalid-node-types"),
    "comment for element": ('<replace sel="a/b[1]"><!--x--></replace>', "invalid-node-types"),
    "element for text": ('<replace sel="a/text()[1]"><x/></replace>', "invalid-node-types"),
    "attribute there": ('<add sel="a" type="@x">2</add>', "invalid-patch-directive"),
    "attribute of none": ('<add sel="a" type="@1">2</add>', "invalid-attribute-value"),
    "namespace there": ('<add sel="a" type="namespace::p">urn:q</add>', "invalid-namespace-uri"),
    "namespace used": ('<remove sel="a/namespace::p"/>', "invalid-namespace-prefix"),
    "namespace from above": ('<remove sel="a/b[1]/namespace::p"/>', "invalid-namespace-prefix"),
    "into text": ('<add sel="a/text()[1]"><x/></add>', "invalid-attribute-value"),
    "place": ('<add sel="a" pos="within"><x/></add>', "invalid-attribute-value"),
    "verb": ('<move sel="a/b[1]"/>', "invalid-patch-directive"),
}


@pytest.mark.parametrize("name", GOOD)
def test_operations(name: str) -> None:
    operation, want = GOOD[name]
    assert want in etree.tostring(patch(DOC, operation)).decode()


@pytest.mark.parametrize("name", BAD)
def test_operations_that_cannot_be_carried_out(name: str) -> None:
    operation, condition = BAD[name]
    with pytest.raises(PatchError) as caught:
        patch(DOC, operation)
    document = parse_xml(caught.value.document(), "error")
    assert etree.QName(document[0]).localname == condition == caught.value.condition
    validate(document, "error")


def test_a_patch_and_its_result_are_bounded() -> None:
    with pytest.raises(PatchError):
        patch("<a/>", '<add sel="a"><b/></add>' * 101)
    with pytest.raises(PatchError):
        patch(f"<a>{'x' * 200_000}</a>", f'<add sel="a">{"y" * 62_200}</add>')


@settings(max_examples=150, deadline=None)
@given(st.text("a/*[]@='\".:1()idtext-namespace", max_size=40))
def test_selectors_of_any_kind_are_read_or_refused(selector: str) -> None:
    root = parse_xml(DOC.encode(), "document")
    operation = etree.Element("remove", sel=selector)
    try:
        apply_operations(root, [operation])
    except PatchError as error:
        parse_xml(error.document(), "error")


# What stands between two elements, and names of some.
TEXTS = st.sampled_from(["", "", "", "t", " ", "\n"])
NAMES = st.sampled_from(["a", "b", "{urn:one}a", "{urn:two}b", "{urn:three}c"])
VALUES = st.sampled_from(["1", "2", "it's", ""])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["id", "x", "{urn:two}x", "{urn:three}y", "{http://www.w3.org/XML/1998/namespace}lang"]
    ),
    VALUES,
    max_size=2,
)


PREFIXES = {"one": "urn:one", "two": "urn:two", "three": "urn:three"}


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> Element:
    element = etree.Element(draw(NAMES), draw(ATTRIBUTES), nsmap=PREFIXES)
    element.text = draw(TEXTS) or None
    if depth:
        for child in draw(st.lists(elements(depth - 1), max_size=3)):
            element.append(child)
            child.tail = draw(TEXTS) or None
    return element


@settings(max_examples=50, deadline=None)
@given(elements(), elements())
def test_a_difference_applied_gives_the_other_document(old: Element, new: Element) -> None:
    root = etree.Element("{urn:diff}diff", nsmap={"o": "urn:one", "t": "urn:two", "d": "urn:diff"})
    assert make_operations(old, new, root)
    read = parse_xml(etree.tostring(root), "patch")
    assert same(apply_operations(old, list(read)), new)


@settings(max_examples=20, deadline=None)
@given(elements())
def test_no_difference_is_no_operation(element: Element) -> None:
    root = etree.Element("diff")
    assert make_operations(element, element, root)
    assert len(root) == 0
