"""Documents are changed octet by octet: what a request does not mean stays as it was put."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from presence.xcap import Bounds, Conflict, Document, Refusal, Stored
from presence.xcap.places import check_bounds
from tests.support.xcap import ATTRIBUTE, ELEMENT, Shelf, free_usage
from tests.wire.vectors import DATA

VECTORS = json.loads((DATA / "xcap" / "vectors.json").read_text())


def shelf(octets: bytes, namespace: str = "") -> Shelf:
    return Shelf([free_usage(namespace)], stored=Stored("0", octets))


@pytest.mark.parametrize("case", VECTORS["insert"], ids=lambda case: case["selector"])
def test_insertion_vectors(case: dict[str, Any]) -> None:
    one = shelf(case["base"].encode())
    assert outcome(one, case) == (case["status"], case.get("conflict", ""), case.get("result", ""))


def outcome(one: Shelf, case: dict[str, Any]) -> tuple[int, str, str]:
    """Return status, conflict and resulting document of a vector's request."""
    try:
        if case.get("method") == "DELETE":
            status = one.delete(case["selector"])
        else:
            media_type = case.get("content_type", "")
            status = one.put(case["body"].encode(), case["selector"], media_type=media_type)
    except Refusal as refusal:
        return refusal.status, getattr(refusal, "condition", ""), ""
    return status, "", one.octets().decode()


@pytest.mark.parametrize("case", VECTORS["select"], ids=lambda case: case["select"])
def test_selection_vectors(case: dict[str, Any]) -> None:
    one = shelf(case["base"].encode(), case["default_ns"])
    wanted = b"<baz/>" if case["select"].startswith("first") else b"<ns2:baz"
    assert one.get(case["selector"], case["query"]).octets.startswith(wanted)


# ------------------------------------------------------------------ documents of any kind

_NAMES = ["a", "b", "p:a", "p:c", "q:b"]
_NOISE = [
    "", " ", "\n\t", "text &amp; &#65;", "<!-- > <a/> \"' -->", "<?pi <b> ?>", "<![CDATA[<a>]]>",
    "\u00e4\U0001f600",
]  # fmt: skip
_VALUES = ["1", "2", "x > y", "/>", "it's", "&lt;&quot;", "\u00fc", " ", "=", "xmlns"]
_DECLARATIONS = ["", "", " xmlns='urn:other'", ' xmlns:p="urn:p2"', ' xmlns=""']


def _element(chance: Random, depth: int = 0) -> str:
    name = chance.choice(_NAMES)
    keys = chance.sample(["x", "y", "p:x", "xml:lang"], chance.randrange(3))
    attributes = "".join(
        chance.choice([" ", "\n  "]) + key + chance.choice(["=", " = "]) + _quoted(chance)
        for key in keys
    )
    attributes += chance.choice(_DECLARATIONS)
    space = chance.choice(["", " "])
    children = [_element(chance, depth + 1) for _ in range(chance.randrange(4 - depth))]
    if not children and chance.random() < 0.5:
        return f"<{name}{attributes}{space}/>"
    content = "".join(chance.choice(_NOISE) + child for child in children)
    return f"<{name}{attributes}{space}>{content}{chance.choice(_NOISE)}</{name}{space}>"


def _quoted(chance: Random) -> str:
    value = chance.choice(_VALUES)
    quote = '"' if "'" in value else chance.choice(['"', "'"])
    return quote + value + quote


def _document(seed: int) -> bytes:
    """Return a document of all that XML has, the same for the same seed."""
    chance = Random(seed)
    head = chance.choice(["", '<?xml version="1.0"?>\n', "\ufeff", "<!-- <a> -->\n"])
    children = [_element(chance) for _ in range(chance.randrange(5))]
    content = "".join(chance.choice(_NOISE) + one for one in children)
    return f'{head}<root xmlns:p="urn:p" xmlns:q="urn:q">{content}</root>\n<!-- end -->'.encode()


def documents() -> st.SearchStrategy[bytes]:
    return st.integers(0, 1 << 32).map(_document)


def _plain(element: Any) -> tuple[Any, ...]:
    return (element.tag, dict(element.attrib), [_plain(child) for child in element])


def _in_scope(document: Document, element: Any) -> Any:
    """Parse the octets of an element alone, with the bindings around it."""
    declared = "".join(
        f" xmlns{':' + prefix if prefix else ''}='{uri}'"
        for prefix, uri in element.nsmap.items()
        if uri
    )
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    return etree.fromstring(b"<x%b>%b</x>" % (declared.encode(), document.text(element)), parser)[0]


@given(documents())
def test_every_element_is_found_where_it_stands(octets: bytes) -> None:
    document = Document(octets, Bounds())
    for element in document.root.iter():
        assert _plain(_in_scope(document, element)) == _plain(element)
        for name in element.attrib:
            found = document.attribute(element, str(name))
            assert found is not None
            literal = octets[found[1] : found[2]]
            assert etree.fromstring(b"<x a=%b/>" % literal).get("a") == element.get(name)


@given(documents(), st.booleans())
def test_elements_and_levels_are_counted_as_the_tree_has_them(octets: bytes, plain: bool) -> None:
    if plain:  # nothing but tags is marked up, which is counted in another way
        octets = re.sub(rb"<!--.*?-->|<!\[CDATA\[.*?]]>|<\?pi.*?\?>", b"", octets)
    root = etree.fromstring(octets)
    elements = list(root.iter(etree.Element))
    levels = max(len(list(element.iterancestors())) for element in elements) + 1
    check_bounds(octets, Bounds(depth=levels, elements=len(elements)))
    for narrow in (Bounds(depth=levels - 1), Bounds(elements=len(elements) - 1)):
        with pytest.raises(Conflict):
            check_bounds(octets, narrow)


def _path(document: Document, element: Any) -> str:
    steps = []
    while element is not None:
        parent = element.getparent()
        place = [element] if parent is None else list(parent)
        steps.append(f"*[{place.index(element) + 1}]")
        element = parent
    return "/".join(reversed(steps))


@given(documents(), st.data())
def test_a_put_changes_the_octets_of_its_element_and_no_others(
    octets: bytes, data: st.DataObject
) -> None:
    document = Document(octets, Bounds())
    element = data.draw(st.sampled_from(list(document.root.iter())))
    place = document.place(element)
    one = shelf(octets)
    node = _path(document, element)
    assert one.get(node).octets == octets[place.start : place.end]
    body = b"<new xmlns='urn:n' k='&#10;'> <!-- kept --> </new>"
    assert one.put(body, node) == 200
    assert one.octets() == octets[: place.start] + body + octets[place.end :]
    assert one.get(node).octets == body
    assert one.put(octets[place.start : place.end], node) == 200
    assert one.octets() == octets


@given(documents(), st.data())
def test_an_inserted_element_leaves_no_trace_when_it_is_deleted(
    octets: bytes, data: st.DataObject
) -> None:
    document = Document(octets, Bounds())
    parent = data.draw(st.sampled_from(list(document.root.iter())))
    position = data.draw(st.integers(0, len(parent) + 1))
    number = f"[{position}]" if position else ""
    node = f"{_path(document, parent)}/*{number}[@id='new']"
    body = b"<new id='new'/>"
    one = shelf(octets)
    assert one.put(body, node) == 201
    assert one.get(node).octets == body
    place = document.place(parent)
    assert one.delete(node) == 200
    if place.inner < place.end:
        assert one.octets() == octets
    else:  # an empty-element tag became two tags
        again = Document(one.octets(), Bounds())
        assert _plain(again.root) == _plain(document.root)


@given(documents(), st.data())
def test_attributes_are_set_and_deleted_in_place(octets: bytes, data: st.DataObject) -> None:
    document = Document(octets, Bounds())
    element = data.draw(st.sampled_from(list(document.root.iter())))
    node = f"{_path(document, element)}/@new"
    literal = data.draw(st.sampled_from([b'"a &amp; b"', b"'say \"x\" > y'", b'""']))
    one = shelf(octets)
    assert one.put(literal, node) == 201
    assert (one.get(node).octets, one.get(node).media_type) == (literal, ATTRIBUTE)
    assert one.put(b'"other"', node) == 200
    assert one.delete(node) == 200
    assert one.octets() == octets


# ------------------------------------------------------------------ single rules

BASE = b'<r xmlns="urn:d" xmlns:p="urn:p">\n <a n="1">x</a>\n <p:a n="2"/>\n <b/>\n</r>'


def conflict(call: Any, *arguments: Any, **named: Any) -> Conflict:
    with pytest.raises(Conflict) as caught:
        call(*arguments, **named)
    return caught.value


def test_the_same_name_in_another_name_space_is_another_name() -> None:
    one = shelf(BASE, "urn:d")
    assert one.get("r/a").octets == b'<a n="1">x</a>'
    assert one.get("r/q:a", "xmlns(q=urn:p)").octets == b'<p:a n="2"/>'
    assert one.get("r/*[2]").octets == b'<p:a n="2"/>'


def test_get_adds_no_name_space_declaration() -> None:
    assert shelf(BASE, "urn:d").get("r/b").octets == b"<b/>"


def test_name_space_bindings_in_scope() -> None:
    one = shelf(BASE, "urn:d")
    found = one.get("r/q:a/namespace::*", "xmlns(q=urn:p)")
    assert found.media_type == "application/xcap-ns+xml"
    assert found.octets == b'<p:a xmlns="urn:d" xmlns:p="urn:p"/>'


def test_a_binding_that_was_taken_back_is_not_in_scope() -> None:
    one = shelf(b'<r xmlns="urn:d"><a xmlns=""/></r>', "urn:d")
    assert one.get("r/*/namespace::*").octets == b"<a/>"


def test_prefixes_of_the_document_may_be_used_in_what_is_put() -> None:
    one = shelf(BASE, "urn:d")
    assert one.put(b"<p:c><p:d/></p:c>", "r/q:c", "xmlns(q=urn:p)") == 201
    assert conflict(one.put, b"<z:c/>", "r/q:c", "xmlns(q=urn:z)").condition == "not-xml-frag"


@pytest.mark.parametrize(
    "body",
    [b"", b"text", b"<a>", b"<a/><a/>", b"<a/>x", b"x<a/>", b"</x><x>", b"<!-- c --><a/>", b"<?xml version='1.0'?><a/>", b"<a b='<'/>", b"<a b=1/>", b"<a", b"<!--", b"<a>&x;</a>"],
)  # fmt: skip
def test_what_is_not_one_element_is_no_fragment(body: bytes) -> None:
    one = shelf(BASE, "urn:d")
    assert conflict(one.put, body, "r/a").condition == "not-xml-frag"
    assert one.octets() == BASE


def test_white_space_around_an_element_is_not_taken_along() -> None:
    one = shelf(BASE, "urn:d")
    one.put(b"\n<a/>\r\n", "r/a")
    assert one.octets() == BASE.replace(b'<a n="1">x</a>', b"<a/>")


def test_content_that_is_not_utf_8() -> None:
    one = shelf(BASE, "urn:d")
    assert conflict(one.put, b"<a>\xff</a>", "r/a").condition == "not-utf-8"
    assert conflict(one.put, b"\xff", "r/a/@x").condition == "not-utf-8"
    for body in (
        b"\xff\xfe<\0r\0/\0>\0",
        b"<\0r\0/\0>\0",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><r/>",
    ):
        assert conflict(one.put, body).condition == "not-utf-8"


@pytest.mark.parametrize(
    "value", [b"a<b", b"a & b", b'"a', b"\"'\"'", b"&nbsp;", b"\x01", b'"a"b"']
)
def test_attribute_values(value: bytes) -> None:
    one = shelf(BASE, "urn:d")
    if value in (b'"a', b'"a"b"'):  # quotation marks that are no frame are part of the value
        one.put(value, "r/a/@n")
        assert etree.fromstring(one.octets())[0].get("n") == value.decode()
    else:
        assert conflict(one.put, value, "r/a/@n").condition == "not-xml-att-value"


def test_an_attribute_without_quotation_marks_is_understood() -> None:
    one = shelf(BASE, "urn:d")
    assert one.put(b"new", "r/a/@n") == 200
    assert one.get("r/a/@n").octets == b'"new"'


def test_an_attribute_that_selects_its_element_cannot_be_changed() -> None:
    one = shelf(BASE, "urn:d")
    assert conflict(one.put, b'"3"', "r/a[@n='1']/@n").condition == "cannot-insert"
    assert one.put(b'"3"', "r/a/@n") == 200


def test_attributes_of_a_name_space_need_its_prefix_in_the_document() -> None:
    one = shelf(BASE, "urn:d")
    assert one.put(b'"1"', "r/b/@q:x", "xmlns(q=urn:p)") == 201
    assert b'<b p:x="1"/>' in one.octets()
    assert conflict(one.put, b'"1"', "r/b/@q:x", "xmlns(q=urn:z)").condition == "cannot-insert"
    assert conflict(one.put, b'"urn:z"', "r/b/@xmlns").condition == "cannot-insert"


def test_declarations_are_no_attributes() -> None:
    with pytest.raises(Refusal) as caught:
        shelf(BASE, "urn:d").get("r/@xmlns")
    assert caught.value.status == 404


def test_no_parent_names_the_closest_place_that_exists() -> None:
    one = shelf(BASE, "urn:d")
    found = conflict(one.put, b"<x/>", "r/a/nope/x")
    assert found.condition == "no-parent"
    report = etree.fromstring(found.body())
    here = "/xcap/test/users/sip:alice@ims.test/index/~~/r/a"
    assert report.findtext(".//{*}ancestor") == here
    one.stored = None
    found = conflict(one.put, b"<x/>", "r/a")
    assert b"<ancestor>/xcap/test/users/sip:alice@ims.test</ancestor>" in found.body()


def test_a_root_element_is_replaced_but_never_joined() -> None:
    one = shelf(BASE, "urn:d")
    assert conflict(one.put, b"<x/>", "x").condition == "cannot-insert"
    assert conflict(one.delete, "r").condition == "schema-validation-error"
    assert one.put(b'<r xmlns="urn:d"/>', "r") == 200
    assert one.octets() == b'<r xmlns="urn:d"/>'
    assert one.put(b"<a/>", "r/a") == 201
    assert one.octets() == b'<r xmlns="urn:d"><a/></r>'


def test_deletion_keeps_white_space_and_has_to_be_idempotent() -> None:
    one = shelf(b"<r> <a/> <a/> <b n='1'/> </r>")
    assert conflict(one.delete, "r/a[1]").condition == "cannot-delete"
    assert conflict(one.delete, "r/*[2]").condition == "cannot-delete"
    assert one.delete("r/a[2]") == 200
    assert one.octets() == b"<r> <a/>  <b n='1'/> </r>"
    assert one.delete("r/b/@n") == 200
    assert one.octets() == b"<r> <a/>  <b/> </r>"
    for nothing in ("r/c", "r/b/@n", "r/c/d", "r/a[3]"):
        with pytest.raises(Refusal) as caught:
            one.delete(nothing)
        assert caught.value.status == 404


def test_several_matches_are_no_match() -> None:
    one = shelf(b"<r><a/><a/></r>")
    with pytest.raises(Refusal) as caught:
        one.get("r/a")
    assert caught.value.status == 404
    assert conflict(one.put, b"<a/>", "r/a").condition == "cannot-insert"
    assert conflict(one.put, b"<b/>", "r/a/b").condition == "no-parent"


@pytest.mark.parametrize(
    ("octets", "condition"),
    [
        (b"<a><b></a>", "not-well-formed"),
        (b"", "not-well-formed"),
        (b"<p:a/>", "not-well-formed"),
        (b"<!--" * 60000, "not-well-formed"),
        (b"<a " + b" " * 200000 + b"=", "not-well-formed"),
        (b"<![CDATA[" * 25000, "not-well-formed"),
        (b"<a '" + b"='" * 100000, "not-well-formed"),
        (b"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "constraint-failure"),
        (
            b"<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='x'/></a>",
            "constraint-failure",
        ),
        (b"<a>" * 65 + b"</a>" * 65, "constraint-failure"),
        (b"<a>" * 40000, "constraint-failure"),
        (b"<a %b/>" % b" ".join(b"a%d='1'" % n for n in range(65)), "constraint-failure"),
        (b"<r>" + b"<a b='1' c='2'/>" * 501 + b"</r>", "constraint-failure"),
        (b"<r>" + b"<a xmlns='urn:x'/>" * 65 + b"</r>", "constraint-failure"),
    ],
    ids=lambda value: value[:16],
)
def test_hostile_documents_are_refused(octets: bytes, condition: str) -> None:
    one = Shelf([free_usage()])
    assert conflict(one.put, octets).condition == condition
    assert one.stored is None


def test_the_media_type_has_to_be_right() -> None:
    one = shelf(BASE, "urn:d")
    for node, media_type in (("", ELEMENT), ("r/a", "application/test+xml"), ("r/a/@n", ELEMENT)):
        with pytest.raises(Refusal) as caught:
            one.put(b"<a/>", node, media_type=media_type)
        assert caught.value.status == 415
