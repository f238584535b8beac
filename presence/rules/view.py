# SPDX-License-Identifier: Apache-2.0
"""The document as one watcher sees it: nothing that no rule shows (RFC 5025 section 3.3)."""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from lxml import etree

from sip.bodies.xml import Element, text_of

from ..documents.names import DATA_MODEL, PIDF, RPID, dm, pidf, rpid
from ..documents.pidf import Document
from .conditions import service_uri
from .transformations import ALL, EVERYTHING, Components, Transformations, UserInput

__all__ = ["apply"]

# What is shown of each component whenever the component itself is.
_ALWAYS: Final = {
    pidf("tuple"): (pidf("status"), pidf("contact"), pidf("timestamp"), rpid("service-class")),
    dm("person"): (dm("timestamp"),),
    dm("device"): (dm("timestamp"), dm("deviceID")),
}
# What has a permission of its own, by component, with the name of that permission.
_PERMITTED: Final = {
    pidf("tuple"): {
        pidf("note"): "note",
        dm("deviceID"): "deviceID",
        rpid("class"): "class",
        rpid("privacy"): "privacy",
        rpid("relationship"): "relationship",
        rpid("status-icon"): "status-icon",
    },
    dm("person"): {
        dm("note"): "note",
        rpid("activities"): "activities",
        rpid("class"): "class",
        rpid("mood"): "mood",
        rpid("place-is"): "place-is",
        rpid("place-type"): "place-type",
        rpid("privacy"): "privacy",
        rpid("sphere"): "sphere",
        rpid("status-icon"): "status-icon",
        rpid("time-offset"): "time-offset",
    },
    dm("device"): {dm("note"): "note", rpid("class"): "class"},
}
# Elements of these name spaces are known, so provide-unknown-attribute is not about them.
_KNOWN: Final = (PIDF, DATA_MODEL, RPID)
_USER_INPUT: Final = rpid("user-input")
_OMA_SERVICE: Final = "{urn:oma:xml:prs:pidf:oma-pres}service-description"


def apply(document: Document, shown: Transformations) -> Document:
    """Return the view of a composed document; the document itself when all of it is shown."""
    if shown == EVERYTHING:
        return document
    root = deepcopy(document.root)
    for element in list(root):
        if not _component_shown(element, shown):
            root.remove(element)
        elif element.tag in _ALWAYS:
            _reduce(element, shown)
    etree.cleanup_namespaces(root, keep_ns_prefixes=["dm", "rpid"])
    return Document(root)


def _component_shown(element: Element, shown: Transformations) -> bool:
    if element.tag == pidf("tuple"):
        return _granted(shown.services, _service(element))
    if element.tag == dm("person"):
        return _granted(shown.persons, _occurrence(element))
    if element.tag == dm("device"):
        identity = ("deviceID", service_uri(text_of(element.find(dm("deviceID")))))
        return _granted(shown.devices, {*_occurrence(element), identity})
    if element.tag == pidf("note"):
        return shown.all_attributes or "note" in shown.attributes
    return shown.all_attributes or _unknown_shown(element, shown)


def _granted(components: Components, identities: set[tuple[str, str]]) -> bool:
    return ALL in components or not components.isdisjoint(identities)


def _occurrence(element: Element) -> set[tuple[str, str]]:
    found = {("occurrence-id", element.get("id", ""))}
    found.update(("class", text_of(one)) for one in element.iterchildren(rpid("class")))
    return found


def _service(element: Element) -> set[tuple[str, str]]:
    found = _occurrence(element)
    for contact in element.iterchildren(pidf("contact")):
        uri = text_of(contact)
        found |= {("service-uri", service_uri(uri)), ("service-uri-scheme", uri.partition(":")[0])}
    for service in element.iterchildren(_OMA_SERVICE):
        found.update(("service-id", text_of(one)) for one in service.iterchildren("{*}service-id"))
    return found


def _reduce(component: Element, shown: Transformations) -> None:
    """Take away what is not shown of a tuple, person or device."""
    if shown.all_attributes:
        return
    always, permitted = _ALWAYS[str(component.tag)], _PERMITTED[str(component.tag)]
    for element in list(component):
        tag = str(element.tag)
        if tag == pidf("status"):
            _reduce_status(element, shown)
        elif tag == _USER_INPUT:
            _reduce_user_input(component, element, shown.user_input)
        elif not (
            tag in always
            or permitted.get(tag) in shown.attributes
            or _unknown_shown(element, shown)
        ):
            component.remove(element)


def _reduce_status(status: Element, shown: Transformations) -> None:
    for element in list(status):
        if element.tag != pidf("basic") and not _unknown_shown(element, shown):
            status.remove(element)


def _reduce_user_input(component: Element, element: Element, shown: UserInput) -> None:
    if shown == UserInput.FALSE:
        component.remove(element)
    elif shown != UserInput.FULL:
        for name in list(element.attrib):
            if shown == UserInput.BARE or name != "idle-threshold":
                del element.attrib[name]


def _unknown_shown(element: Element, shown: Transformations) -> bool:
    return element.tag in shown.unknown and etree.QName(element).namespace not in _KNOWN
