"""What rules decide about a watcher, and what the watcher sees then."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from presence.documents.compose import Facts, compose
from presence.documents.names import dm, pidf, rpid
from presence.documents.pidf import Document, serialise
from presence.event.package import Standing
from presence.rules import EVERYTHING, NOTHING, Transformations, Verdict, apply, parse_rules
from presence.rules.transformations import ALL, UserInput, combined
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError
from tests.support.presence_documents import (
    ENTITY,
    device,
    documents,
    person,
    published,
    service,
)

BOB = "sip:bob@ims.test"
ROOT = (
    '<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" '
    'xmlns:cr="urn:ietf:params:xml:ns:common-policy" '
    'xmlns:ocp="urn:oma:xml:xdm:common-policy" xmlns:op="urn:oma:xml:prs:pres-rules">'
)


def rule(ident: str, conditions: str = "", handling: str = "", shown: str = "") -> str:
    action = f"<sub-handling>{handling}</sub-handling>" if handling else ""
    when = f"<cr:conditions>{conditions}</cr:conditions>" if conditions else ""
    return (
        f'<cr:rule id="{ident}">{when}<cr:actions>{action}</cr:actions>'
        f"<cr:transformations>{shown}</cr:transformations></cr:rule>"
    )


def ruleset(*rules: str) -> bytes:
    return (ROOT + "".join(rules) + "</cr:ruleset>").encode()


def identity(*content: str) -> str:
    return f"<cr:identity>{''.join(content)}</cr:identity>"


def decide(conditions: str, watcher: str = BOB, wall: float = 0.0, sphere: str = "") -> Verdict:
    rules = parse_rules(ruleset(rule("r", conditions, "allow")))
    return rules.decide(
        watcher, wall, sphere, lambda anchor, who: (anchor, who) == ("http://x/l", BOB)
    )


BOB_ALONE = identity(f'<cr:one id="{BOB}"/>')
MATCHES = [
    ("", BOB, True),
    ("", "", True),
    (BOB_ALONE, BOB, True),
    (identity('<cr:one id="sip:bob@IMS.TEST:5060;x=y"/>'), BOB, True),
    (identity('<cr:one id="sips:bob@ims.test"/>'), BOB, True),
    (identity('<cr:one id="sip:a@b"/>', f'<cr:one id="{BOB}"/>'), BOB, True),
    (BOB_ALONE, "sip:carol@ims.test", False),
    (BOB_ALONE, "", False),
    (identity('<cr:one id="tel:+15551234"/>'), "sip:+15551234@ims.test", False),
    (identity('<cr:one id="tel:+1-555-1234"/>'), "tel:+15551234", True),
    (identity("<cr:many/>"), BOB, True),
    (identity("<cr:many/>"), "", False),
    (identity('<cr:many domain="ims.test"/>'), BOB, True),
    (identity('<cr:many domain="IMS.test"/>'), BOB, True),
    (identity('<cr:many domain="test"/>'), BOB, False),
    (identity(f'<cr:many><cr:except id="{BOB}"/></cr:many>'), BOB, False),
    (identity('<cr:many><cr:except domain="ims.test"/></cr:many>'), BOB, False),
    (identity('<cr:many><cr:except domain="other.test"/></cr:many>'), BOB, True),
    (identity(f'<cr:many><cr:except id="{BOB}"/></cr:many>', f'<cr:one id="{BOB}"/>'), BOB, True),
    ('<ocp:external-list><ocp:entry anc="http://x/l"/></ocp:external-list>', BOB, True),
    ('<ocp:external-list><ocp:entry anc="http://x/m"/></ocp:external-list>', BOB, False),
    ('<ocp:external-list><ocp:entry anc="http://x/l"/></ocp:external-list>', "", False),
    ("<ocp:anonymous-request/>", "", True),
    ("<ocp:anonymous-request/>", BOB, False),
    ("<ocp:other-identity/>", BOB, True),
    ("<ocp:other-identity/>", "", False),
    ('<x:moon xmlns:x="urn:x"/>', BOB, False),
    (BOB_ALONE + '<x:moon xmlns:x="urn:x"/>', BOB, False),
]


@pytest.mark.parametrize(("conditions", "watcher", "holds"), MATCHES)
def test_identities(conditions: str, watcher: str, holds: bool) -> None:
    assert decide(conditions, watcher).standing == (Standing.ALLOW if holds else Standing.BLOCK)


@pytest.mark.parametrize(
    ("sphere", "holds"), [("work", True), ("home", True), ("Work", False), ("", False)]
)
def test_spheres(sphere: str, holds: bool) -> None:
    assert bool(decide('<cr:sphere value="home work"/>', sphere=sphere).standing) is holds


def test_validity_and_when_to_ask_again() -> None:
    interval = (
        "<cr:from>1970-01-01T00:01:40Z</cr:from><cr:until>1970-01-01T01:03:20+01:00</cr:until>"
    )
    condition = f"<cr:validity>{interval}</cr:validity>"
    assert [(bool(one.standing), one.until) for one in (decide(condition, wall=wall) for wall in (0, 100, 199, 200))] == [
        (False, 100.0), (True, 200.0), (True, 200.0), (False, inf),
    ]  # fmt: skip


def test_the_highest_standing_wins_and_what_is_shown_adds_up() -> None:
    rules = parse_rules(
        ruleset(
            rule("a", BOB_ALONE, "block", "<provide-services><class>x</class></provide-services>"),
            rule("b", "", "confirm", "<provide-user-input>bare</provide-user-input>"),
            rule(
                "c",
                identity("<cr:many/>"),
                "polite-block",
                "<provide-mood>true</provide-mood><provide-note>false</provide-note>",
            ),
            rule("d", identity('<cr:one id="sip:x@y"/>'), "allow", "<provide-all-attributes/>"),
            rule("e", BOB_ALONE, "", "<provide-user-input>thresholds</provide-user-input>"),
        )
    )
    verdict = rules.decide(BOB, 0)
    assert (verdict.standing, verdict.rule_id) == (Standing.POLITE, "c")
    assert verdict.transformations == Transformations(
        services=frozenset({("class", "x")}),
        attributes=frozenset({"mood"}),
        user_input=UserInput.THRESHOLDS,
    )
    assert [(step.rule, step.refusal) for step in verdict.steps] == [
        ("a", ""), ("b", ""), ("c", ""), ("d", "is for other watchers"), ("e", ""),
    ]  # fmt: skip
    assert rules.decide("", 0).standing == Standing.CONFIRM


def test_other_identities_are_those_that_no_rule_names() -> None:
    rules = parse_rules(
        ruleset(rule("a", BOB_ALONE, "block"), rule("b", "<ocp:other-identity/>", "allow"))
    )
    assert rules.decide(BOB, 0).standing == Standing.BLOCK
    assert rules.decide("sip:carol@ims.test", 0).standing == Standing.ALLOW


def test_rules_of_several_documents_count_together() -> None:
    both = parse_rules(ruleset(rule("a", "", "confirm"))).joined(
        parse_rules(ruleset(rule("a", BOB_ALONE, "allow"))), "work"
    )
    assert both.decide(BOB, 0).rule_id == "work#a"
    assert both.decide("sip:carol@ims.test", 0).rule_id == "a"


def test_no_rule_that_applies_is_said_so() -> None:
    assert parse_rules(ruleset()).decide(BOB, 0).rule_id == ""
    assert parse_rules(ruleset(rule("a", BOB_ALONE, "block"))).decide(BOB, 0).rule_id == "a"


def test_every_transformation_is_read() -> None:
    shown = (
        "<provide-services><service-uri>sip:Alice@IMS.test</service-uri><service-uri-scheme>sip</service-uri-scheme>"
        "<occurrence-id>a</occurrence-id><class>c</class><op:service-id>s</op:service-id></provide-services>"
        "<provide-devices><deviceID>urn:d:1</deviceID></provide-devices><provide-persons><all-persons/></provide-persons>"
        '<provide-unknown-attribute ns="urn:x" name="y">true</provide-unknown-attribute>'
        '<provide-unknown-attribute ns="urn:x" name="z">false</provide-unknown-attribute>'
        "<op:provide-willingness>true</op:provide-willingness><provide-activities>1</provide-activities>"
    )
    found = parse_rules(ruleset(rule("a", "", "allow", shown))).decide(BOB, 0).transformations
    oma = "{urn:oma:xml:prs:pidf:oma-pres}"
    assert {kind for kind, _ in found.services} == {
        "service-uri",
        "service-uri-scheme",
        "occurrence-id",
        "class",
        "service-id",
    }
    assert found.devices == {("deviceID", "urn:d:1")}
    assert found.persons == {ALL}
    assert found.unknown == {"{urn:x}y", oma + "willingness", oma + "overriding-willingness"}
    assert found.attributes == {"activities"}


@pytest.mark.parametrize(
    "body",
    [
        b"", ruleset("<cr:rule/>"), b'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="a:b"/>',
        ruleset(rule("a", "", "maybe")), ruleset(rule("a"), rule("a")), ruleset(rule("a", "<cr:validity/>")),
        ruleset(rule("a", "<cr:validity><cr:from>-0001-01-01T00:00:00Z</cr:from><cr:until>2026-01-01T00:00:00Z</cr:until></cr:validity>")),
    ],
)  # fmt: skip
def test_what_is_no_rules_document_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse_rules(body)


def tags(document: Document) -> list[str]:
    return [
        str(etree.QName(one).localname) for one in document.root.iter() if one is not document.root
    ]


ALICE = compose(
    [
        published(
            service(
                "a",
                more="<r:class>home</r:class><r:privacy><r:audio/></r:privacy><dm:deviceID>urn:d:1</dm:deviceID><x:one/>",
                after="<note>n</note>",
            )
            + service("b")
            + "<note>all</note>"
            + person(
                "p",
                "<r:activities><r:away/></r:activities><r:mood><r:sad/></r:mood><x:one/>",
                "<dm:note>n</dm:note>",
            )
            + device(
                "d",
                "urn:d:1",
                '<r:user-input idle-threshold="9" last-input="2026-01-01T00:00:00Z">idle</r:user-input>',
            )
            + "<x:top/>"
        )
    ],
    Facts(),
    ENTITY,
)
EVERY = frozenset((ALL,))
VIEWS = {
    "nothing": (NOTHING, []),
    "services by id": (
        Transformations(services=frozenset({("occurrence-id", "b")})),
        ["tuple", "status", "basic", "contact"],
    ),
    "services by class, with it": (
        Transformations(
            services=frozenset({("class", "home")}), attributes=frozenset({"class", "deviceID"})
        ),
        ["tuple", "status", "basic", "class", "deviceID", "contact"],
    ),
    "services by URI": (
        Transformations(services=frozenset({("service-uri", "sip:alice@b.ims.test:")})),
        ["tuple", "status", "basic", "contact"],
    ),
    "persons with their mood": (
        Transformations(persons=EVERY, attributes=frozenset({"mood"})),
        ["person", "mood", "sad"],
    ),
    "notes": (
        Transformations(persons=EVERY, attributes=frozenset({"note"})),
        ["note", "person", "note"],
    ),
    "unknown": (
        Transformations(persons=EVERY, unknown=frozenset({"{urn:example:x}one", rpid("mood")})),
        ["person", "one"],
    ),
    "devices": (
        Transformations(devices=frozenset({("deviceID", "urn:d:1")})),
        ["device", "deviceID"],
    ),
    "devices in use": (
        Transformations(devices=EVERY, user_input=UserInput.BARE),
        ["device", "user-input", "deviceID"],
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str) -> None:
    shown, want = VIEWS[name]
    assert tags(apply(ALICE, shown)) == want


def test_how_much_of_user_input_is_shown() -> None:
    def attributes(shown: UserInput) -> set[str]:
        view = apply(ALICE, Transformations(devices=EVERY, user_input=shown))
        element = view.root.find(f"{dm('device')}/{rpid('user-input')}")
        return set() if element is None else {str(name) for name in element.attrib}

    assert attributes(UserInput.BARE) == set()
    assert attributes(UserInput.THRESHOLDS) == {"idle-threshold"}
    assert attributes(UserInput.FULL) == {"idle-threshold", "last-input"}


def test_everything_is_the_document_itself() -> None:
    assert apply(ALICE, EVERYTHING) is ALICE


COMPONENTS = st.sampled_from(
    [
        frozenset(),
        EVERY,
        frozenset({("class", "home")}),
        frozenset({("occurrence-id", "a"), ("occurrence-id", "p")}),
    ]
)
SHOWN = st.builds(
    Transformations,
    services=COMPONENTS,
    devices=COMPONENTS,
    persons=COMPONENTS,
    attributes=st.frozensets(st.sampled_from(["activities", "class", "mood", "note", "sphere"])),
    user_input=st.sampled_from(UserInput),
    unknown=st.frozensets(st.sampled_from(["{urn:example:x}one", "{urn:example:x}two"])),
    all_attributes=st.booleans(),
)
# What needs a permission wherever it stands, and its name.
GUARDED = {rpid(name): name for name in ("activities", "class", "mood", "sphere")} | {
    pidf("note"): "note",
    dm("note"): "note",
}


@settings(max_examples=50, deadline=None)
@given(documents(), SHOWN)
def test_no_view_shows_what_no_rule_shows(document: Document, shown: Transformations) -> None:
    composed = compose([document], Facts(), ENTITY)
    view = apply(composed, shown)
    body = serialise(view)
    validate(parse_xml(body, "view"), "view")
    for element in view.root.iter("*"):
        if not shown.all_attributes:
            assert GUARDED.get(str(element.tag)) in {None, *shown.attributes}
            assert not str(element.tag).startswith("{urn:example:x}") or any(
                one.tag in shown.unknown for one in (element, *element.iterancestors())
            )
    for tag, granted in (
        (pidf("tuple"), shown.services),
        (dm("person"), shown.persons),
        (dm("device"), shown.devices),
    ):
        assert granted or view.root.find(tag) is None
    if not shown.all_attributes and not shown.unknown:
        assert b"urn:example" not in body


@settings(max_examples=25, deadline=None)
@given(documents(), SHOWN, SHOWN)
def test_more_permissions_show_more(
    document: Document, one: Transformations, other: Transformations
) -> None:
    composed = compose([document], Facts(), ENTITY)
    fewer, more = (
        len(list(apply(composed, shown).root.iter())) for shown in (one, combined((one, other)))
    )
    assert fewer <= more
