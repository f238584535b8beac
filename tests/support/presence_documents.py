"""Presence documents for tests: builders, and hypothesis strategies of whatever somebody publishes."""

from __future__ import annotations

from hypothesis import strategies as st

from presence.documents.pidf import Document, parse_pidf

ENTITY = "sip:alice@ims.test"

NAMESPACES = (
    'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" '
    'xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:x="urn:example:x"'
)


def presence(content: str, entity: str = ENTITY) -> bytes:
    """Write a document with this content."""
    return f'<presence {NAMESPACES} entity="{entity}">{content}</presence>'.encode()


def published(content: str) -> Document:
    """Read a document with this content as a publication of alice's."""
    return parse_pidf(presence(content), ENTITY)


def service(ident: str, basic: str = "open", more: str = "", after: str = "") -> str:
    """Write a tuple: `more` stands before its contact, `after` behind it."""
    return (
        f'<tuple id="{ident}"><status><basic>{basic}</basic></status>{more}'
        f"<contact>sip:alice@{ident}.ims.test</contact>{after}</tuple>"
    )


def person(ident: str, more: str = "", after: str = "") -> str:
    """Write a person."""
    return f'<dm:person id="{ident}">{more}{after}</dm:person>'


def device(ident: str, device_id: str, more: str = "", after: str = "") -> str:
    """Write a device."""
    return (
        f'<dm:device id="{ident}">{more}<dm:deviceID>{device_id}</dm:deviceID>{after}</dm:device>'
    )


CLASSES = st.sampled_from(["", "<r:class>home</r:class>", "<r:class>work</r:class>"])
EXTENSIONS = st.sampled_from(
    ["", "<x:one/>", "<x:two>2</x:two>", "<x:one><x:in>secret</x:in></x:one>"]
)
ACTIVITIES = st.sampled_from(
    ["", "<r:activities><r:away/></r:activities>", "<r:activities><r:busy/></r:activities>"]
)
MOODS = st.sampled_from(["", "<r:mood><r:happy/></r:mood>"])
INPUTS = st.sampled_from(
    ["", '<r:user-input idle-threshold="60" last-input="2026-01-01T00:00:00Z">idle</r:user-input>']
)
SPHERES = st.sampled_from(["", "<r:sphere><r:work/></r:sphere>", "<r:sphere><r:home/></r:sphere>"])
NOTES = st.sampled_from(["", "<note>hello</note>", '<note xml:lang="de">hallo</note>'])
PERSON_NOTES = st.sampled_from(["", "<dm:note>lunch</dm:note>"])


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Draw a publication."""
    services = [
        service(
            ident,
            draw(st.sampled_from(["open", "closed"])),
            draw(CLASSES) + draw(EXTENSIONS) + draw(INPUTS),
            draw(NOTES),
        )
        for ident in draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True))
    ]
    persons = [
        person(
            ident,
            draw(CLASSES) + draw(ACTIVITIES) + draw(MOODS) + draw(SPHERES) + draw(EXTENSIONS),
            draw(PERSON_NOTES),
        )
        for ident in draw(st.lists(st.sampled_from(["p", "q"]), max_size=2, unique=True))
    ]
    devices = [
        device(ident, draw(st.sampled_from(["urn:d:1", "urn:d:2"])), draw(CLASSES) + draw(INPUTS))
        for ident in draw(st.lists(st.sampled_from(["d", "e"]), max_size=1))
    ]
    return published("".join([*services, draw(NOTES), *persons, *devices, draw(EXTENSIONS)]))
