"""Node selectors and the paths in front of them (RFC 4825 6)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.xcap import Limits, Refusal, Server, all_usages, owner_of
from presence.xcap.selector import Attribute, Namespaces, Step, parse_selector

SERVER = Server(all_usages(), "/xcap", Limits())


def steps(path: str, query: str = "", default: str = "") -> tuple[Step, ...]:
    return parse_selector(path.encode(), query.encode(), default).steps


def status(path: str, query: str = "") -> int:
    with pytest.raises(Refusal) as caught:
        parse_selector(path.encode(), query.encode(), "")
    return caught.value.status


def test_a_step_has_name_position_and_attribute() -> None:
    assert steps("a/*/b[2]/c[@x=%22y%22]/d%5b3%5d%5B@z='w'%5D") == (
        Step("a"),
        Step("*"),
        Step("b", 2),
        Step("c", 0, "x", "y"),
        Step("d", 3, "z", "w"),
    )


def test_names_without_a_prefix_are_in_the_default_document_name_space() -> None:
    assert steps("a[@x='1']", default="urn:d") == (Step("{urn:d}a", 0, "x", "1"),)


def test_prefixes_come_from_the_query() -> None:
    query = "xmlns(a=urn:one)xmlns(b=urn:t%28wo%5e))element(/1)xmlns(b=urn:^(2^))"
    assert steps("a:r/b:c[@a:x='1']", query.replace("xmlns(b=urn:t%28wo%5e))", "")) == (
        Step("{urn:one}r"),
        Step("{urn:(2)}c", 0, "{urn:one}x", "1"),
    )


def test_the_prefix_xml_needs_no_binding() -> None:
    assert steps("a[@xml:lang='de']")[0].attribute == "{http://www.w3.org/XML/1998/namespace}lang"


def test_terminal_selectors_are_last() -> None:
    assert parse_selector(b"a/@b", b"", "").terminal == Attribute("b")
    assert parse_selector(b"a/namespace::*", b"", "").terminal == Namespaces()
    assert status("a/@b/c") == 400
    assert status("@b") == 400


def test_references_and_white_space_in_values_mean_what_they_mean_in_xml() -> None:
    assert steps("a[@x=%22%26amp;%26lt;%26%2365;%26%23x42;%0a%22]")[0].value == "&<AB "


def test_slashes_may_stand_in_values_as_they_are() -> None:
    for written in ("http://h/p", "http:%2F%2Fh%2Fp"):
        assert steps(f"a[@x=%22{written}%22]/b") == (
            Step("a", 0, "x", "http://h/p"),
            Step("b"),
        )


@pytest.mark.parametrize(
    "path",
    [
        "", "a//b", "a/", "a[", "a[0]", "a[x]", "a[@x]", "a[@x=1]", "a[@x='1'][2]", "a[1][2]",
        "a[@x='<']", "a[@x='&']", "a[@x='1' or '1'='1']", "a%ZZ", "a%00", "%ff", "p:a", "a[@p:x='1']",
        "a[@x='&#0;']", "a[1][@x='1']b", "/".join("a" * 70),
    ],
)  # fmt: skip
def test_what_breaks_the_grammar_is_a_bad_request(path: str) -> None:
    assert status(path) == 400


@pytest.mark.parametrize("path", ["a/ancestor::node()", "text()", "a/..", "id('x')", "a|b"])
def test_what_is_no_step_at_all_is_an_extension_nobody_knows(path: str) -> None:
    assert status(path) == 404


@pytest.mark.parametrize(
    "query",
    ["a", "xmlns", "xmlns(", "xmlns(a)", "xmlns(a=b", "xmlns(a=^x)", "x=1&y=2", "xmlns(a=b))"],
)
def test_a_query_that_is_no_xpointer_is_a_bad_request(query: str) -> None:
    assert status("a", query) == 400


@given(
    st.text(alphabet="a:*@[]'\"=1/%2&;#x~ \t", max_size=60), st.text("xmlns()=a^ b", max_size=30)
)
def test_anything_is_read_or_refused(path: str, query: str) -> None:
    with contextlib.suppress(Refusal):
        assert parse_selector(path.encode(), query.encode(), "").steps


def test_the_first_separator_ends_the_document_selector() -> None:
    for mark in ("~~", "%7E%7e", "~%7E"):
        path = (
            f"resource-lists/users/sip:alice@ims.test/index/{mark}/resource-lists/list[@name='~~']"
        )
        target = SERVER.locate(path.encode(), b"")
        assert target.key == ("sip:alice@ims.test", "resource-lists", "index")
        assert target.selector is not None
        assert target.selector.steps[1].value == "~~"


@pytest.mark.parametrize(
    "xui", ["sip:alice@ims.test", "sip%3Aalice%40ims.test", "alice@ims.test", "sips:alice@IMS.test"]
)
def test_a_user_may_be_written_in_several_ways(xui: str) -> None:
    path = f"pres-rules/users/{xui}/index".encode()
    assert owner_of(path) == "sip:alice@ims.test"
    assert SERVER.locate(path, b"").own.owner == "sip:alice@ims.test"


def test_global_documents_belong_to_nobody() -> None:
    assert owner_of(b"xcap-caps/global/index") == ""
    assert SERVER.locate(b"xcap-caps/global/index", b"").own.owner == ""


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", 404),
        ("nothing/users/sip:alice@ims.test/index", 404),
        ("resource-lists", 404),
        ("resource-lists/elsewhere/index", 404),
        ("resource-lists/users/sip:alice@ims.test", 404),
        ("resource-lists/users/sip:alice@ims.test/", 404),
        ("resource-lists/users/tel:+4930/index", 404),
        ("resource-lists/users//index", 404),
        ("resource-lists/users/../../etc/passwd", 400),
        ("resource-lists/users/..%5c..%5cetc%5cpasswd/index", 400),
        ("resource-lists/users/sip:alice@ims.test/index%00.xml", 400),
        ("resource-lists/users/sip:alice@ims.test/a%2fb", 400),
        ("resource-lists/users/sip:alice@ims.test/%2e%2e", 400),
        ("resource-lists/users/sip:alice@ims.test/%ff", 400),
        ("resource-lists/users/sip:alice@ims.test/" + "x" * 256, 404),
        ("resource-lists/users/sip:alice@ims.test/index/~~", 400),
    ],
)
def test_paths_that_lead_nowhere(path: str, wanted: int) -> None:
    with pytest.raises(Refusal) as caught:
        SERVER.locate(path.encode(), b"")
    assert caught.value.status == wanted
