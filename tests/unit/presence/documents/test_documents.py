"""Presence documents: what is read, how several become one, and what goes over the wire in part."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from presence.documents.compose import Facts, compose
from presence.documents.names import dm, pidf, rpid
from presence.documents.partial import diff, full, patch
from presence.documents.pidf import Document, closed, parse_pidf, serialise, sphere_of
from presence.patch import PatchError
from presence.patch.make import same
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError
from tests.support.presence_documents import (
    ENTITY,
    NAMESPACES,
    device,
    documents,
    person,
    presence,
    published,
    service,
)

NOBODY = Facts()


def check(body: bytes) -> None:
    validate(parse_xml(body, "document"), "document")


def ids(document: Document, tag: str) -> list[str | None]:
    return [one.get("id") for one in document.root.iterchildren(tag)]


@pytest.mark.parametrize(
    "entity",
    ["sip:alice@ims.test", "pres:alice@IMS.test", "sips:alice@ims.test:5061", "im:alice@ims.test"],
)
def test_a_document_is_about_its_presentity_under_any_scheme(entity: str) -> None:
    assert parse_pidf(presence("", entity), ENTITY).entity == entity


@pytest.mark.parametrize(
    "entity", ["sip:bob@ims.test", "tel:+49", "sip:", "alice@ims.test", "pres:alice@ims.tést"]
)
def test_a_document_about_somebody_else_is_refused(entity: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_pidf(presence("", entity), ENTITY)
    assert caught.value.status_hint == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<presence/>",
        presence("<tuple/>"),
        presence('<tuple id="a"><status/></tuple><tuple id="a"><status/></tuple>'),
        b'<!DOCTYPE presence [<!ENTITY e "e">]>' + presence("<note>&e;</note>"),
        presence("<x:a>" * 70 + "</x:a>" * 70),
        presence('<x:i xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
        b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>',
    ],
)
def test_what_is_no_presence_document_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse_pidf(body, ENTITY)


def test_unknown_extensions_pass_untouched() -> None:
    inside = '<x:one a="1"> <x:in> text <x:b/>tail</x:in>\n</x:one>'
    composed = compose([published(service("a", more=inside) + inside)], NOBODY, ENTITY)
    found = composed.root.findall(".//{urn:example:x}one")
    want = parse_xml(f"<a {NAMESPACES}>{inside}</a>".encode(), "want")[0]
    assert len(found) == 2
    assert all(same(one, want) for one in found)


def test_of_tuples_with_one_id_the_newest_stays_and_the_newest_come_first() -> None:
    old = published(service("a", "open") + service("b", "open"))
    new = published(service("c", "open") + service("a", "closed"))
    composed = compose([old, new], NOBODY, ENTITY)
    assert ids(composed, pidf("tuple")) == ["c", "a", "b"]
    assert composed.root.findtext(f"{pidf('tuple')}[@id='a']//{pidf('basic')}") == "closed"


def test_persons_of_one_class_become_one_with_the_newest_of_each_characteristic() -> None:
    old = published(
        person(
            "p",
            "<r:activities><r:away/></r:activities><r:mood><r:sad/></r:mood>",
            "<dm:note>old</dm:note>",
        )
    )
    new = published(
        person(
            "q",
            "<r:activities><r:busy/></r:activities>",
            "<dm:timestamp>2026-01-01T00:00:00Z</dm:timestamp>",
        )
    )
    composed = compose([old, new], NOBODY, ENTITY)
    (one,) = composed.root.iterchildren(dm("person"))
    assert [child.tag for child in one] == [
        rpid("activities"),
        rpid("mood"),
        dm("note"),
        dm("timestamp"),
    ]
    assert one.find(f"{rpid('activities')}/{rpid('busy')}") is not None
    check(serialise(composed))


def test_persons_of_different_classes_stay_apart() -> None:
    home = published(person("p", "<r:class>home</r:class><r:mood><r:sad/></r:mood>"))
    work = published(person("q", "<r:class>work</r:class>"))
    assert ids(compose([home, work], NOBODY, ENTITY), dm("person")) == ["q", "p"]


def test_devices_are_told_apart_by_their_device_id() -> None:
    one = published(device("d", "urn:d:1", "<r:user-input>idle</r:user-input>"))
    two = published(device("e", "urn:d:1") + device("f", "urn:d:2"))
    composed = compose([one, two], NOBODY, ENTITY)
    assert ids(composed, dm("device")) == ["e", "f"]
    assert composed.root.findtext(f"{dm('device')}/{rpid('user-input')}") == "idle"


def test_one_id_for_two_things_is_parted() -> None:
    composed = compose([published(person("a")), published(service("a"))], NOBODY, ENTITY)
    assert ids(composed, pidf("tuple")) + ids(composed, dm("person")) == ["a", "a-2"]
    check(serialise(composed))


def test_what_the_node_knows_counts_where_nobody_says_more() -> None:
    assert serialise(compose([], NOBODY, ENTITY)) == closed(ENTITY)
    registered = compose([], Facts(registered=True, in_room=True), ENTITY)
    assert registered.root.findtext(f".//{pidf('basic')}") == "open"
    assert registered.root.find(f".//{rpid('meeting')}") is not None
    busy = published(service("a", "closed") + person("p", "<r:activities><r:busy/></r:activities>"))
    said = compose([busy], Facts(registered=True, in_room=True), ENTITY)
    assert ids(said, pidf("tuple")) == ["a"]
    assert said.root.find(f".//{rpid('meeting')}") is None
    check(serialise(registered))


def test_a_sphere_counts_when_all_agree() -> None:
    work, home = (person("p", f"<r:sphere><r:{one}/></r:sphere>") for one in ("work", "home"))
    assert sphere_of(published(work)) == "work"
    assert sphere_of(published(work + home.replace('"p"', '"q"'))) == ""
    assert sphere_of(published("")) == ""


@settings(max_examples=25, deadline=None)
@given(st.lists(documents(), max_size=3), st.booleans(), st.booleans())
def test_whatever_is_published_the_composed_document_is_valid(
    publications: list[Document], registered: bool, in_room: bool
) -> None:
    before = [etree.tostring(one.root) for one in publications]
    composed = compose(publications, Facts(registered, in_room), ENTITY)
    check(serialise(composed))
    assert [etree.tostring(one.root) for one in publications] == before
    again = compose([composed], Facts(registered, in_room), ENTITY)
    assert same(composed.root, again.root)


@settings(max_examples=25, deadline=None)
@given(
    st.permutations(
        [
            service("a"),
            service("b"),
            person("p", "<r:class>home</r:class>"),
            person("q"),
            "<x:one/>",
            "<note>n</note>",
        ]
    )
)
def test_the_order_of_publications_without_conflict_means_nothing(contents: list[str]) -> None:
    composed = compose([published(one) for one in contents], NOBODY, ENTITY)
    assert sorted(
        etree.tostring(one, method="c14n", exclusive=True) for one in composed.root
    ) == sorted(
        etree.tostring(one, method="c14n", exclusive=True)
        for one in compose([published(one) for one in sorted(contents)], NOBODY, ENTITY).root
    )


@settings(max_examples=25, deadline=None)
@given(documents(), documents())
def test_a_watcher_who_applies_the_difference_has_the_new_document(
    one: Document, two: Document
) -> None:
    old, new = compose([one], NOBODY, ENTITY), compose([two, one], NOBODY, ENTITY)
    begun = b"1".join(full(old))
    check(begun)
    have = parse_pidf(begun, ENTITY)
    assert same(have.root, old.root)
    told = b"2".join(diff(old, new))
    check(told)
    root = parse_xml(told, "told")
    assert root.get("version") == "2"
    have = parse_pidf(told, ENTITY) if root.tag.endswith("pidf-full") else patch(have, told)
    assert same(have.root, new.root)


def test_a_small_change_is_a_small_difference() -> None:
    old = compose([published(service("a") + service("b"))], NOBODY, ENTITY)
    new = compose([published(service("a", "closed") + service("b"))], NOBODY, ENTITY)
    assert (
        b"""<p:replace sel="*/tuple[@id='a']/status/basic/text()">closed</p:replace>"""
        in diff(old, new)[1]
    )


PATCH = (
    '<p:pidf-diff xmlns:p="urn:ietf:params:xml:ns:pidf-diff" ' + NAMESPACES + "{}>{}</p:pidf-diff>"
)
BAD_PATCHES = {
    "unlocated-node": '<p:remove sel="presence/note"/>',
    "invalid-diff-format": '<p:remove sel="presence/tuple/status"/>',
    "invalid-namespace-prefix": '<p:remove sel="presence/q:note"/>',
}


def test_a_partial_publication_changes_the_document() -> None:
    body = PATCH.format(
        f' entity="{ENTITY}"',
        "<p:replace sel=\"presence/tuple[@id='a']/status/basic/text()\">closed</p:replace>",
    )
    changed = patch(published(service("a")), body.encode())
    assert changed.root.findtext(f".//{pidf('basic')}") == "closed"


@pytest.mark.parametrize("condition", BAD_PATCHES)
def test_a_partial_publication_that_cannot_be_applied_changes_nothing(condition: str) -> None:
    document = published(service("a"))
    before = serialise(document)
    with pytest.raises(PatchError) as caught:
        patch(document, PATCH.format("", BAD_PATCHES[condition]).encode())
    assert caught.value.condition == condition
    assert serialise(document) == before


def test_a_partial_publication_cannot_give_a_document_to_somebody_else() -> None:
    with pytest.raises(ParseError):
        patch(published(""), PATCH.format(' entity="sip:bob@ims.test"', "").encode())
    with pytest.raises(PatchError):
        patch(
            published(""),
            PATCH.format("", '<p:replace sel="*/@entity">sip:bob@ims.test</p:replace>').encode(),
        )


def test_the_full_documents_printed_in_rfc_5262_lead_to_each_other() -> None:
    from tests.wire.vectors import DATA

    first, change, last = (
        (DATA / "xml" / "pidf-diff" / f"rfc5262-0{n}.xml").read_bytes() for n in (1, 2, 3)
    )
    someone = "pres:someone@example.com"
    changed = compose([patch(parse_pidf(first, someone), change)], NOBODY, someone)
    want = compose([parse_pidf(last, someone)], NOBODY, someone)
    # The RFC prints one note in two ways.
    for document in (changed, want):
        for note in document.root.iter(pidf("note")):
            note.text = " ".join((note.text or "").split()).replace(
                "person element", "note element"
            )
    assert same(changed.root, want.root)
