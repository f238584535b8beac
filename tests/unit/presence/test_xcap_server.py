"""What the server answers: documents, conditions, conflicts and the rules of each usage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from lxml import etree

from presence.xcap import (
    GLOBAL,
    UNCONDITIONAL,
    Bounds,
    Conflict,
    Document,
    Entry,
    Limits,
    Own,
    Refusal,
    Stored,
    Usage,
    all_usages,
)
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from tests.support.xcap import ALICE, Shelf, free_usage
from tests.wire.vectors import DATA

USAGES = {usage.auid: usage for usage in all_usages()}
LISTS = b"""<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
  <list name="friends">
    <entry uri="sip:bob@ims.test"/>
  </list>
</resource-lists>
"""


def refused(call: Any, *arguments: Any, **named: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*arguments, **named)
    return caught.value


def conflict(call: Any, *arguments: Any, **named: Any) -> Conflict:
    found = refused(call, *arguments, **named)
    assert isinstance(found, Conflict)
    validate(parse_xml(found.body(), "xcap-error"), "xcap-error")
    return found


def shelf(auid: str, name: str = "index", **more: Any) -> Shelf:
    return Shelf(path=f"{auid}/users/{ALICE}/{name}", **more)


def test_a_document_is_given_back_octet_by_octet() -> None:
    one = shelf("resource-lists")
    assert refused(one.get).status == 404
    assert one.put(LISTS) == 201
    assert one.put(LISTS + b"<!-- more -->\r\n") == 200
    assert one.get().octets == LISTS + b"<!-- more -->\r\n"
    assert one.get().media_type == "application/resource-lists+xml"
    assert one.delete() == 200
    assert refused(one.get).status == 404
    assert refused(one.delete).status == 404


def test_conditions_hold_for_all_parts_of_a_document() -> None:
    one = shelf("resource-lists")
    one.put(LISTS)
    node = "resource-lists/list[@name='friends']/entry[@uri='sip:bob@ims.test']"
    body = b'<entry uri="sip:bob@ims.test"/>'
    for wrong in ('"2"', 'W/"1"', '"3", "4"'):
        assert refused(one.put, body, node, match=wrong).status == 412
        assert refused(one.put, LISTS, match=wrong).status == 412
        assert refused(one.delete, node, match=wrong).status == 412
        assert refused(one.get, match=wrong).status == 412
    assert one.put(body, node, match='"7", "1"') == 200
    assert refused(one.get, none_match='W/"2"').status == 304
    assert refused(one.get, node, none_match="*").status == 304
    assert one.get(none_match='"1"').octets == one.octets()
    assert refused(one.put, body, node, none_match='"2"').status == 412
    for wrong in ("2", '"2', '"a" "b"'):
        assert refused(one.get, match=wrong).status == 400


def test_if_none_match_any_creates_documents_only() -> None:
    one = shelf("resource-lists")
    assert refused(one.put, LISTS, match="*").status == 412
    assert one.put(LISTS, none_match="*") == 201
    assert refused(one.put, LISTS, none_match="*").status == 412
    assert (
        refused(one.put, b"<list name='x'/>", "resource-lists/list[2]", none_match="*").status
        == 412
    )


def test_name_space_bindings_can_only_be_read() -> None:
    one = shelf("resource-lists")
    one.put(LISTS)
    for call in (one.put, one.delete):
        arguments = (b"x",) if call == one.put else ()
        found = refused(call, *arguments, "resource-lists/namespace::*")
        assert (found.status, found.headers) == (405, (("Allow", "GET"),))


def test_directories_below_a_home_do_not_exist() -> None:
    one = shelf("resource-lists", "below/index")
    assert refused(one.get).status == 404
    found = conflict(one.put, LISTS)
    assert (
        found.condition,
        b"<ancestor>/xcap/resource-lists/users/sip:alice@ims.test</" in found.body(),
    ) == ("no-parent", True)


def test_sizes() -> None:
    one = shelf("resource-lists", limits=Limits(document=len(LISTS)))
    assert one.put(LISTS) == 201
    assert refused(one.put, LISTS + b" ").status == 413
    node = "resource-lists/list[@name='b']"
    assert refused(one.put, b"<list name='b'/>", node).status == 413
    deep = shelf("resource-lists", limits=Limits(bounds=Bounds(depth=2)))
    assert conflict(deep.put, LISTS).condition == "constraint-failure"


def test_narrower_bounds_leave_what_was_kept_readable() -> None:
    one = shelf("resource-lists")
    one.put(LISTS)
    later = shelf("resource-lists", limits=Limits(bounds=Bounds(depth=1)), stored=one.stored)
    assert later.get("resource-lists/list/entry").octets == b'<entry uri="sip:bob@ims.test"/>'


def test_what_the_schema_does_not_allow_is_not_kept() -> None:
    one = shelf("resource-lists")
    assert (
        conflict(one.put, LISTS.replace(b"entry", b"entrance")).condition
        == "schema-validation-error"
    )
    assert (
        conflict(one.put, b"<list xmlns='urn:ietf:params:xml:ns:resource-lists'/>").condition
        == "schema-validation-error"
    )
    assert one.stored is None
    one.put(LISTS)
    node = "resource-lists/list/entry"
    assert conflict(one.put, b"<entry/>", node).condition == "schema-validation-error"
    assert conflict(one.delete, f"{node}/@uri").condition == "schema-validation-error"
    assert one.octets() == LISTS


def test_unknown_name_spaces_are_kept_and_known_ones_checked() -> None:
    one = shelf("resource-lists")
    strange = LISTS.replace(b"</list>", b"<x:y xmlns:x='urn:nobody-knows'/></list>")
    assert one.put(strange) == 201
    one = shelf("pres-rules")
    rules = (
        b'<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"'
        b' xmlns:pr="urn:ietf:params:xml:ns:pres-rules">'
        b'<rule id="a"><actions><pr:%b>allow</pr:%b></actions></rule></ruleset>'
    )
    assert one.put(rules % (b"sub-handling", b"sub-handling")) == 201
    made_up = rules % (b"sub-dancing", b"sub-dancing")
    assert conflict(one.put, made_up).condition == "schema-validation-error"


# ------------------------------------------------------------------ usages

EXAMPLES = {
    "resource-lists": ("rfc4826-01", "rfc5364-01", "rfc5875-01"),
    "policy": ("rfc4745-01", "rfc4745-07", "rfc5025-01"),
    "rls-services": ("rfc4825-04",),
}


@pytest.mark.parametrize(
    ("auid", "folder"),
    [
        ("resource-lists", "resource-lists"),
        ("pres-rules", "policy"),
        ("org.openmobilealliance.pres-rules", "policy"),
        ("rls-services", "rls-services"),
    ],
)
def test_documents_printed_in_rfcs_are_taken(auid: str, folder: str) -> None:
    for name in EXAMPLES[folder]:
        octets = (DATA / "xml" / folder / f"{name}.xml").read_bytes()
        one = Shelf(path=f"{auid}/users/sip:bill@example.com/index")
        assert one.put(octets) == 201
        assert one.get().octets == octets


def listed(content: str) -> bytes:
    return f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">{content}</resource-lists>'.encode()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ('<list name="a"/><list name="b"/><list name="a"/>', "resource-lists/list%5B3%5D/@name"),
        (
            '<list><entry uri="x:y"/><entry uri="x:y"/></list>',
            "resource-lists/list/entry%5B2%5D/@uri",
        ),
        (
            '<list><list><entry-ref ref="a"/><entry-ref ref="a"/></list></list>',
            "resource-lists/list/list/entry-ref%5B2%5D/@ref",
        ),
        (
            '<list><external anchor="http://a/b"/><external anchor="http://a/b"/></list>',
            "resource-lists/list/external%5B2%5D/@anchor",
        ),
    ],
)
def test_names_in_a_list_are_unique(content: str, field: str) -> None:
    found = conflict(shelf("resource-lists").put, listed(content))
    assert found.condition == "uniqueness-failure"
    exists = etree.fromstring(found.body())[0][0]
    assert exists.get("field") == field


@pytest.mark.parametrize(
    "content",
    ['<entry-ref ref="/a/b"/>', '<entry-ref ref="http://a/b"/>', '<external anchor="sip:a@b"/>', '<external anchor="a/b"/>'],
)  # fmt: skip
def test_references_in_a_list_are_of_the_right_kind(content: str) -> None:
    found = conflict(shelf("resource-lists").put, listed(f"<list>{content}</list>"))
    assert found.condition == "constraint-failure"


def services(content: str) -> bytes:
    return (
        '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"'
        f' xmlns:rl="urn:ietf:params:xml:ns:resource-lists">{content}</rls-services>'
    ).encode()


def service(uri: str, content: str = "<list/>") -> str:
    return f'<service uri="{uri}">{content}</service>'


def test_a_service_uri_is_unique_on_the_server() -> None:
    taken = frozenset({"sip:friends@ims.test", "sip:friends-2@ims.test"})
    one = shelf("rls-services", taken=taken)
    found = conflict(
        one.put, services(service("sip:other@ims.test") + service("sip:Friends@ims.test".lower()))
    )
    report = etree.fromstring(found.body())
    assert report[0].tag.endswith("uniqueness-failure")
    assert report[0][0].get("field") == "rls-services/service%5B2%5D/@uri"
    assert [value.text for value in report[0][0]] == [
        f"sip:friends-{n}@ims.test" for n in (3, 4, 5)
    ]
    twice = services(service("sip:a@ims.test") + service("sips:a@ims.test;x=y"))
    assert conflict(one.put, twice).condition == "uniqueness-failure"


def test_a_service_claims_its_uri() -> None:
    one = shelf("rls-services")
    target = one.server.locate(one.path.encode(), b"")
    body = services(service("sip:a@ims.test") + service("sip:b@ims.test"))
    change = one.server.put(target, body, None, UNCONDITIONAL, lambda _: False)
    assert change.claims == ("sip:a@ims.test", "sip:b@ims.test")


@pytest.mark.parametrize(
    "content",
    [
        service("http://a/b"),
        service("sip:s@ims.test", "<resource-list>sip:x</resource-list>"),
        service("sip:s@ims.test", "<resource-list>http://h/xcap/other/users/sip:alice@ims.test/index</resource-list>"),
        service("sip:s@ims.test", "<resource-list>http://h/xcap/resource-lists/users/sip:bob@ims.test/index</resource-list>"),
        service("sip:s@ims.test", '<list><rl:entry-ref ref="/x"/></list>'),
    ],
)  # fmt: skip
def test_services_refer_to_lists_of_their_owner(content: str) -> None:
    assert conflict(shelf("rls-services").put, services(content)).condition == "constraint-failure"


def test_a_service_may_refer_to_its_owners_list() -> None:
    uri = "http://h/xcap/resource-lists/users/sip%3Aalice@ims.test/index/~~/resource-lists/list%5b1%5d"
    content = service("sip:s@ims.test", f"<resource-list>{uri}</resource-list>")
    assert shelf("rls-services").put(services(content)) == 201


def presence(entity: str) -> bytes:
    return (
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{entity}"><tuple id="a"><status>'
        "<basic>open</basic></status></tuple></presence>"
    ).encode()


def test_hard_state_is_one_document_about_its_owner() -> None:
    one = shelf("pidf-manipulation")
    for entity in ("pres:alice@ims.test", "sip:alice@ims.test"):
        one.put(presence(entity))
    assert conflict(one.put, presence("pres:bob@ims.test")).condition == "constraint-failure"
    other = shelf("pidf-manipulation", "other")
    assert conflict(other.put, presence("pres:alice@ims.test")).condition == "constraint-failure"


def test_a_user_profile_is_about_its_owner() -> None:
    profile = (
        '<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="sip:{}@ims.test">'
        '<display-name xml:lang="en">A</display-name><birth-date>1990-01-31</birth-date>'
        "<name><given-name>A</given-name></name></user-profile></user-profiles>"
    )
    one = shelf("org.openmobilealliance.user-profile", "user-profile")
    assert one.put(profile.format("alice").encode()) == 201
    assert conflict(one.put, profile.format("bob").encode()).condition == "constraint-failure"
    bad = profile.format("alice").replace("1990-01-31", "soon").encode()
    assert conflict(one.put, bad).condition == "schema-validation-error"


def test_omas_rules_take_omas_conditions() -> None:
    rules = b"""<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"
      xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy"
      xmlns:opr="urn:oma:xml:prs:pres-rules"><rule id="a"><conditions><ocp:external-list>
      <ocp:entry anc="http://h/xcap/resource-lists/users/sip:alice@ims.test/index"/>
      </ocp:external-list></conditions><actions><pr:sub-handling>allow</pr:sub-handling></actions>
      <transformations><opr:provide-willingness>%b</opr:provide-willingness></transformations>
      </rule><rule id="b"><conditions><ocp:other-identity/></conditions></rule></ruleset>"""
    one = shelf("org.openmobilealliance.pres-rules", "pres-rules")
    assert one.put(rules % b"true") == 201
    assert conflict(one.put, rules % b"perhaps").condition == "schema-validation-error"
    assert one.get("ruleset/rule[@id='b']/conditions").octets.startswith(b"<conditions><ocp:")


# ------------------------------------------------------------------ documents that the server makes


class Books:
    """A library of a few documents."""

    root = "http://xcap.ims.test/xcap"

    def usages(self) -> Iterable[Usage]:
        return all_usages()

    def documents(self, auid: str, name: str) -> Iterable[tuple[str, bytes]]:
        assert (auid, name) == ("rls-services", "index")
        yield ALICE, services(service("sip:a@ims.test", '<list><rl:entry uri="sip:x@y"/></list>'))
        yield "sip:bob@ims.test", b"<?xml version='1.0'?>" + services(service("sip:b@ims.test"))

    def directory(self, owner: str) -> Iterable[Entry]:
        yield Entry("pres-rules", "index", "e1", 12, 1.5)
        yield Entry("resource-lists", "index", "e2", 34, 86400.0)
        yield Entry("resource-lists", "my lists", "e3", 56, 86400.0)


def made(auid: str, own: Own) -> etree._Element:
    octets = USAGES[auid].computed(own, Books())
    USAGES[auid].validate(Document(octets, Bounds()), own)
    return etree.fromstring(octets)


def test_capabilities_are_what_the_server_has() -> None:
    root = made("xcap-caps", Own(GLOBAL, "index"))
    auids = [one.text for one in root.iter("{*}auid")]
    namespaces = [one.text for one in root.iter("{*}namespace")]
    assert auids == sorted(USAGES)
    assert "xcap-caps" in auids
    assert "urn:ietf:params:xml:ns:xcap-caps" in namespaces
    assert {usage.namespace for usage in all_usages()} <= set(namespaces)


def test_the_index_of_services_has_those_of_all_users() -> None:
    root = made("rls-services", Own(GLOBAL, "index"))
    assert [one.get("uri") for one in root] == ["sip:a@ims.test", "sip:b@ims.test"]


def test_a_directory_lists_documents_with_their_entity_tags() -> None:
    root = made("org.openmobilealliance.xcap-directory", Own(ALICE, "directory.xml"))
    assert [(folder.get("auid"), len(folder)) for folder in root] == [
        ("pres-rules", 1),
        ("resource-lists", 2),
    ]
    last = root[1][1]
    assert (
        last.get("uri")
        == "http://xcap.ims.test/xcap/resource-lists/users/sip:alice@ims.test/my%20lists"
    )
    assert (last.get("etag"), last.get("size"), last.get("last-modified")) == (
        "e3",
        "56",
        "1970-01-02T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("xcap-caps/global/index", 405),
        ("rls-services/global/index", 405),
        (f"org.openmobilealliance.xcap-directory/users/{ALICE}/directory.xml", 405),
        (f"xcap-caps/users/{ALICE}/index", 403),
    ],
)
def test_what_the_server_makes_cannot_be_written(path: str, status: int) -> None:
    one = Shelf(path=path, stored=Stored("1", b"<x/>"))
    assert refused(one.put, b"<x/>").status == status
    assert refused(one.delete).status == status


def test_a_usage_without_constraints_is_one_record() -> None:
    assert Shelf([free_usage()]).put(b"<anything/>") == 201
