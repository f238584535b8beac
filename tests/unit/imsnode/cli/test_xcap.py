"""`imsnode xcap` on the database of a node that does not run, and through one that does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FakeNode, Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("configured")

DOCUMENT = "resource-lists/users/sip:alice@ims.test/index"
LISTS = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a b"/></resource-lists>\r\n'
SERVICES = (
    '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">'
    '<service uri="{}"><list/></service></rls-services>'
)


@pytest.fixture(autouse=True)
def _alice(configured: Path, imsnode: Command) -> None:
    assert imsnode("user", "add", "alice", "--password", "x").code == 0


def written(folder: Path, text: str) -> str:
    file = folder / "document.xml"
    file.write_bytes(text.encode())
    return str(file)


def test_documents_without_a_running_node(imsnode: Command, tmp_path: Path) -> None:
    file = written(tmp_path, LISTS)
    assert imsnode("xcap", "get", DOCUMENT).code == 1
    assert imsnode("xcap", "put", DOCUMENT, file).out == f"created {DOCUMENT}\n"
    assert imsnode("xcap", "put", DOCUMENT, file).out == f"replaced {DOCUMENT}\n"
    copy = tmp_path / "copy.xml"
    assert imsnode("xcap", "get", DOCUMENT, "--output", str(copy)).code == 0
    assert copy.read_bytes() == LISTS.encode()
    entry = DOCUMENT + '/~~/resource-lists/list[@name="a b"]/entry'
    assert imsnode("xcap", "put", entry, written(tmp_path, '<entry uri="sip:b@c"/>')).code == 0
    assert imsnode("xcap", "get", f"{entry}/@uri", "--output", str(copy)).code == 0
    assert copy.read_bytes() == b'"sip:b@c"'
    rows = imsnode("xcap", "list", "alice", "--format", "json").json()
    assert [(row["owner"], row["auid"], row["name"]) for row in rows] == [
        ("sip:alice@ims.test", "resource-lists", "index")
    ]
    assert imsnode("xcap", "delete", entry).code == 0
    assert imsnode("xcap", "delete", DOCUMENT).code == 0
    assert imsnode("xcap", "list").out == "none\n"


@pytest.mark.parametrize(
    ("target", "text", "reason"),
    [
        (DOCUMENT, "<a/>", "schema-validation-error"),
        (DOCUMENT, "<a", "not-well-formed"),
        ("pres-rules/users/alice/index", "<a/>", "there is no such user"),
        ("nothing/users/sip:alice@ims.test/index", "<a/>", "no such application usage"),
        (DOCUMENT + "/~~/x", "<x/>", "no-parent"),
        ("resource-lists/users/sip:nobody@ims.test/index", LISTS, "there is no such user"),
        ("xcap-caps/global/index", "<a/>", "the server makes this document"),
        ("rls-services/users/sip:alice@ims.test/index", SERVICES.format("sip:alice@ims.test"), "uniqueness-failure"),
        ("rls-services/users/sip:alice@ims.test/index", SERVICES.format("sip:echo@ims.test"), "uniqueness-failure"),
    ],
)  # fmt: skip
def test_refusals(imsnode: Command, tmp_path: Path, target: str, text: str, reason: str) -> None:
    done = imsnode("xcap", "put", target, written(tmp_path, text))
    assert (done.code, reason in done.err) == (1, True)
    assert imsnode("xcap", "list").out == "none\n"


def test_a_folder_is_imported(imsnode: Command, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    for name, text in (
        (DOCUMENT, LISTS),
        ("resource-lists/global/shared", LISTS),
        ("pres-rules/users/sip:alice@ims.test/index", "<wrong/>"),
        ("resource-lists/users/sip:alice@ims.test/.hidden", "x"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    done = imsnode("xcap", "import", str(folder))
    assert (done.code, done.out) == (1, "imported 2 documents\n")
    assert "pres-rules/users/sip:alice@ims.test/index: schema-validation-error" in done.err
    rows = imsnode("xcap", "list", "--format", "json").json()
    assert [row["owner"] for row in rows] == ["global", "sip:alice@ims.test"]
    assert imsnode("xcap", "import", str(tmp_path / "nothing")).code == 1


def test_a_running_node_does_it_itself(imsnode: Command, tmp_path: Path, running: FakeNode) -> None:
    content = base64.b64encode(b"<a/>").decode()
    running.answers["/documents"] = (200, {"status": 201, "content_base64": content})
    assert (
        imsnode("xcap", "put", DOCUMENT, written(tmp_path, "<a/>")).out == f"created {DOCUMENT}\n"
    )
    assert running.asked == [
        ("/documents", {"method": "PUT", "target": DOCUMENT, "content_base64": content})
    ]
    running.answers["/documents"] = (200, {"status": 200, "content_base64": content})
    copy = tmp_path / "copy.xml"
    assert imsnode("xcap", "get", DOCUMENT, "--output", str(copy)).code == 0
    assert copy.read_bytes() == b"<a/>"
    running.answers["/documents"] = (200, {"status": 404, "content_base64": ""})
    assert imsnode("xcap", "get", DOCUMENT).code == 1
    running.answers["/documents"] = (409, {"error": "cannot-delete: no"})
    refused = imsnode("xcap", "delete", DOCUMENT)
    assert (refused.code, "cannot-delete: no" in refused.err) == (1, True)
