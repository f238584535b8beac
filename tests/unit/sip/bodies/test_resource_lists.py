"""Recipient lists with copy control (RFC 4826, RFC 5364, RFC 5365)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.bodies import resource_lists
from sip.bodies.resource_lists import ANONYMOUS, Entry, build_history, build_list, parse_recipients
from sip.bodies.schema import validate
from sip.bodies.xml import parse_xml
from sip.errors import ParseError
from tests.wire.vectors import DATA

LISTS = (
    '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"'
    ' xmlns:cp="urn:ietf:params:xml:ns:copycontrol">%s</resource-lists>'
)


def read(text: str, most: int = 50) -> tuple[Entry, ...]:
    return parse_recipients((LISTS % text).encode(), most)


def test_the_example_of_rfc_5364_and_the_history_it_prints() -> None:
    folder = DATA / "xml" / "resource-lists"
    entries = parse_recipients((folder / "rfc5364-01.xml").read_bytes(), 50)
    assert [(e.uri, e.copy, e.anonymize) for e in entries] == [
        ("sip:bill@example.com", "to", False),
        ("sip:randy@example.net", "to", True),
        ("sip:eddy@example.com", "to", True),
        ("sip:joe@example.org", "cc", False),
        ("sip:carol@example.net", "cc", True),
        ("sip:ted@example.net", "bcc", False),
        ("sip:andy@example.com", "bcc", False),
    ]
    history = build_history(entries)
    validate(parse_xml(history, "x"), "x")
    printed = parse_xml((folder / "rfc5364-02.xml").read_bytes(), "x")
    assert [dict(e.attrib) for e in parse_xml(history, "x")[0]] == [
        dict(e.attrib) for e in printed[0]
    ]
    for secret in (b"randy", b"eddy", b"carol", b"ted", b"andy"):
        assert secret not in history


def test_lists_in_lists_are_one_list_and_references_are_passed_over() -> None:
    entries = read(
        '<list name="a"><entry uri="sip:a@b"><display-name>Ann</display-name></entry>'
        '<list><entry uri="sip:b@b"/><external anchor="http://127.0.0.1/x"/><list>'
        '<entry uri="sip:c@b"/></list></list><entry-ref ref="x"/><entry uri="sip:d@b"/></list>'
        '<list><entry uri="tel:+123"/></list>'
    )
    assert [e.uri for e in entries] == ["sip:a@b", "sip:b@b", "sip:c@b", "sip:d@b", "tel:+123"]
    assert entries[0] == Entry("sip:a@b", "bcc", False, "Ann")


def test_what_an_extension_holds_is_nobodys_recipient() -> None:
    hidden = '<x:y xmlns:x="urn:x"><list><entry uri="sip:evil@b"/></list></x:y>'
    assert [e.uri for e in read(f'<list><entry uri="sip:a@b">{hidden}</entry>{hidden}</list>')] == [
        "sip:a@b"
    ]


def test_duplicates_collapse_to_the_most_open_copy() -> None:
    entries = read(
        '<list><entry uri="sip:a@b" cp:copyControl="cc"/><entry uri="sip:c@b"/>'
        '<entry uri="sips:a@B:5061;x=y" cp:copyControl="to" cp:anonymize="1"/>'
        '<entry uri="sip:a@b" cp:copyControl="bcc"/></list>'
    )
    assert entries == (Entry("sip:a@b", "to", True), Entry("sip:c@b", "bcc"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<list><entry/></list>", "is invalid"),
        ('<list><entry uri=" "/></list>', "an entry without a URI"),
        ("<entry uri='sip:a@b'/>", "is invalid"),
        ('<list><entry uri="sip:a@b" cp:copyControl="cco"/></list>', "is invalid"),
        ('<list><entry uri="sip:a@b" cp:anonymize="yes"/></list>', "is invalid"),
        ('<list><entry uri="sip:a@b" copyControl="to"/></list>', "is invalid"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        read(text)
    with pytest.raises(ParseError, match="another root"):
        parse_recipients(b"<list/>", 50)


def test_so_many_and_no_more() -> None:
    entries = "".join(f'<entry uri="sip:u{i}@b"/>' for i in range(50))
    assert len(read(f"<list>{entries}{entries}</list>")) == 50
    with pytest.raises(ParseError) as caught:
        read(f'<list>{entries}<entry uri="sip:one@more"/></list>')
    assert caught.value.status_hint == 413


def test_written_lists_read_the_same() -> None:
    entries = (Entry("sip:a@b", "to"), Entry("sip:b@b;x=<&>", "cc", True, "Bé & <Co>"))
    document = build_list(entries)
    validate(parse_xml(document, "x"), "x")
    assert parse_recipients(document, 50) == entries


def test_a_history_of_nobody() -> None:
    document = build_history([Entry("sip:a@b")])
    assert b"sip:a@b" not in document
    assert ANONYMOUS.encode() not in document


_SPACES = st.sampled_from(["", " ", "\n\t", " \r\n "])
_GAPS = st.sampled_from([" ", " ", "\n\t", ""])
_URIS = st.one_of(
    st.sampled_from(["sip:a@b", "sips:b@b;x=1?y", "tel:+1", "sip:", "sip:a@[::1]", "x y"]),
    st.text(st.characters(max_codepoint=300), max_size=4).map("sip:{}@b".format),
)
_CONTROL = st.sampled_from(["", "", 'cp:copyControl="to"', 'cp:copyControl="x"', "a='b'"])
_ANONYMIZE = st.sampled_from(
    ["", "", 'cp:anonymize="true"', 'cp:anonymize="1"', 'copyControl="to"']
)
_PREFIX = st.sampled_from(
    ["", ' xmlns:cp="urn:ietf:params:xml:ns:copycontrol"', ' xmlns:cp="urn:x"']
)
_ENTRIES = st.builds(
    "<entry{0}uri=\"{1}\"{2}{3}{2}{4}{5}{6}".format,
    _GAPS, _URIS, _GAPS, _CONTROL, _ANONYMIZE, _SPACES,
    st.sampled_from(["/>", "/>", "></entry>", ">"]),
)  # fmt: skip


@settings(max_examples=300)
@given(
    st.lists(_ENTRIES, max_size=3), _PREFIX, _SPACES, st.sampled_from(["", "", "<x/>", "<!---->"])
)
def test_the_short_way_reads_what_the_long_one_reads(
    entries: list[str], prefix: str, space: str, more: str
) -> None:
    document = (
        f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"{prefix}>{space}<list>{space}'
        f"{space.join(entries)}</list>{more}</resource-lists>{space}"
    ).encode()
    short = resource_lists._plain_entries(document)
    if short:
        assert short == list(resource_lists._all_entries(document))


def test_what_clients_write_takes_the_short_way() -> None:
    example = (DATA / "xml" / "resource-lists" / "rfc5364-01.xml").read_bytes()
    assert len(resource_lists._plain_entries(example)) == 7
    assert resource_lists._plain_entries(build_list([Entry("sip:a@b", "cc", True)]))
