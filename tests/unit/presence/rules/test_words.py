"""Rules as operators read them."""

from __future__ import annotations

import pytest

from presence.event.package import Standing
from presence.rules import parse_rules
from presence.rules.words import about, shows, standing_name

from .test_rules import identity, rule, ruleset

ABOUT = {
    "": "everybody, even unknown",
    identity('<cr:one id="sip:b@x"/>', '<cr:one id="sip:a@x"/>'): "sip:a@x, sip:b@x",
    identity('<cr:many domain="x"><cr:except id="sip:a@x"/></cr:many>'): "*@x except sip:a@x",
    identity('<cr:many><cr:except domain="y"/></cr:many>')
    + '<cr:sphere value="work"/>': "everybody except *@y; while in sphere work",
    '<ocp:external-list><ocp:entry anc="http://x/l"/></ocp:external-list>': "who is on http://x/l",
    "<ocp:other-identity/>": "whom no other rule names",
    "<ocp:anonymous-request/>": "anonymous watchers",
    '<z:moon xmlns:z="urn:z"/>': "unknown condition moon",
    "<cr:validity><cr:from>2026-01-01T00:00:00Z</cr:from><cr:until>2027-01-01T00:00:00Z</cr:until></cr:validity>": "at times",
}
SHOWS = {
    "": "",
    "<provide-services><all-services/></provide-services><provide-all-attributes/>": "services, all of them",
    "<provide-persons><class>home</class></provide-persons><provide-mood>true</provide-mood>": "persons (class home), mood",
    "<provide-user-input>bare</provide-user-input>": "user-input bare",
}


@pytest.mark.parametrize("conditions", ABOUT)
def test_whom_a_rule_is_about(conditions: str) -> None:
    assert about(parse_rules(ruleset(rule("r", conditions))).rules[0]) == ABOUT[conditions]


@pytest.mark.parametrize("shown", SHOWS)
def test_what_a_rule_shows(shown: str) -> None:
    assert (
        shows(parse_rules(ruleset(rule("r", "", "", shown))).rules[0].transformations)
        == SHOWS[shown]
    )


def test_names() -> None:
    assert [standing_name(one) for one in (*Standing, None)] == [
        "block",
        "confirm",
        "polite-block",
        "allow",
        "",
    ]
