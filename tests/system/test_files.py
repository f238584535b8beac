"""Files over HTTP, and the messages that refer to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sip.bodies.filetransfer import parse_file_transfer
from sip.bodies.mime import parameter
from tests.support.phone import Phone
from tests.support.running import RunningNode

SETTINGS = '[content]\ndomains = ["ims.test"]\nfile_size = "1MiB"\n'
RCS = "application/vnd.gsma.rcs-ft-http+xml"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("files") / "node", extra=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def token(node: RunningNode) -> str:
    return node.command("token", "add", "files", "--as", "alice").stdout.strip()


def upload(
    node: RunningNode, token: str, body: bytes, user: str = "alice", **headers: str
) -> httpx.Response:
    given = {"authorization": f"Bearer {token}", "content-type": "image/png"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    url = f"http://{node.http}/api/v1/users/sip:{user}@ims.test/files"
    return httpx.post(url, content=body, headers=given, trust_env=False, timeout=15)


def fetch(url: str, user: str, **headers: str) -> httpx.Response:
    return httpx.get(
        url, headers=headers, auth=httpx.DigestAuth(user, f"pw-{user}"), trust_env=False
    )


def shares(
    node: RunningNode, url: str, token: str, method: str, path: str, **more: object
) -> httpx.Response:
    """Ask or change who may fetch alice's file."""
    base = f"http://{node.http}/api/v1/users/sip:alice@ims.test/files/{url.rpartition('/')[2]}"
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(method, base + path, headers=headers, trust_env=False, **more)  # type: ignore[arg-type]


def test_a_file_is_sent_as_a_link_and_fetched_by_its_recipient(
    node: RunningNode, token: str
) -> None:
    picture = bytes(range(256)) * 3000  # more than another request may hold
    answer = upload(
        node, token, picture, accept=RCS, content_disposition='attachment; filename="../a b.png"'
    )
    assert answer.status_code == 201
    assert answer.headers["content-type"] == RCS
    address = ("127.0.0.1", node.ports["tcp"])
    with (
        Phone(address, "alice", transport="TCP") as alice,
        Phone(address, "bob", transport="TCP") as bob,
    ):
        assert bob.register().status == 200
        lines = (f"Content-Type: {RCS}",)
        alice.send(alice.request("MESSAGE", "sip:bob@ims.test", None, lines, answer.content))
        challenge = alice.receive()
        assert challenge is not None
        request = alice.request("MESSAGE", "sip:bob@ims.test", None, lines, answer.content)
        alice.send(alice.with_credentials(request, challenge))
        got = bob.receive()
        assert got is not None
        file = parse_file_transfer(got.body).file
    assert (file.size, file.content_type, file.name) == (len(picture), "image/png", "a b.png")
    fetched = fetch(file.url, "bob")
    assert fetched.content == picture
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.png"
    assert fetched.headers["x-content-type-options"] == "nosniff"
    part = fetch(file.url, "alice", range="bytes=0-9")
    assert (part.status_code, part.content) == (206, picture[:10])
    # Who has the link and was sent nothing gets nothing.
    assert fetch(file.url, "carol").status_code == 403
    assert httpx.get(file.url, trust_env=False).status_code == 401


def test_the_other_forms_of_a_link(node: RunningNode, token: str) -> None:
    link = upload(node, token, b"x").json()
    assert link["size"] == 1
    kind = upload(node, token, b"x", accept="message/external-body").headers["content-type"]
    url = (parameter(kind.encode(), b"url") or b"").decode()
    assert fetch(url, "alice").content == b"x"
    removed = f"http://{node.http}/api/v1/users/sip:alice@ims.test/files/{url.rpartition('/')[2]}"
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.delete(removed, headers=headers, trust_env=False).status_code == 204
    assert httpx.get(url, trust_env=False).status_code == 404
    assert fetch(link["url"], "alice").status_code == 200


def test_refused(node: RunningNode, token: str) -> None:
    assert upload(node, "wrong", b"x").status_code == 401
    assert upload(node, token, b"x", user="bob").status_code == 403
    assert upload(node, token, b"x", content_type="text/html").status_code == 415
    assert upload(node, token, b"x" * (1024 * 1024 + 1)).status_code == 413
    assert httpx.get(f"http://{node.http}/api/v1/files/guess", trust_env=False).status_code == 404


def test_the_user_uploads_with_the_credentials_of_the_sip_account(node: RunningNode) -> None:
    url = f"http://{node.http}/api/v1/users/sip:bob@ims.test/files"
    given = {"content-type": "text/plain"}
    for password, status in (("wrong", 401), ("pw-bob", 201)):
        auth = httpx.DigestAuth("bob", password)
        answer = httpx.post(url, content=b"hi", headers=given, auth=auth, trust_env=False)
        assert answer.status_code == status
    other = httpx.post(
        url.replace("bob", "alice"), content=b"hi", headers=given,
        auth=httpx.DigestAuth("bob", "pw-bob"), trust_env=False,
    )  # fmt: skip
    assert other.status_code == 403


def test_files_outlive_a_restart(node: RunningNode, token: str, tmp_path: Path) -> None:
    url = upload(node, token, b"kept").json()["url"]
    shared = shares(node, url, token, "PUT", "/readers/sip:bob@ims.test")
    assert shared.status_code == 204
    node.kill()
    node.start()
    moved = f"http://{node.http}/api/" + url.partition("/api/")[2]
    assert fetch(moved, "alice").content == b"kept"
    assert fetch(moved, "bob").status_code == 200
    assert fetch(moved, "carol").status_code == 403


def test_a_file_is_shared_and_withdrawn(node: RunningNode, token: str) -> None:
    url = upload(node, token, b"for one").json()["url"]
    assert fetch(url, "bob").status_code == 403
    assert shares(node, url, token, "PUT", "/readers/sip:bob@ims.test").status_code == 204
    assert fetch(url, "bob").content == b"for one"
    made = shares(node, url, token, "POST", "/links", json={"reader": "sip:dave@elsewhere.test"})
    personal = made.json()["url"]
    assert httpx.get(personal, trust_env=False).content == b"for one"
    listed = shares(node, url, token, "GET", "/readers").json()["readers"]
    assert listed == [
        {"reader": "sip:bob@ims.test", "link": False},
        {"reader": "sip:dave@elsewhere.test", "link": True},
    ]
    for who in ("sip:bob@ims.test", "sip:dave@elsewhere.test"):
        assert shares(node, url, token, "DELETE", f"/readers/{who}").status_code == 204
    assert fetch(url, "bob").status_code == 403
    assert httpx.get(personal, trust_env=False).status_code == 404
    assert shares(node, url, token, "DELETE", "/readers/sip:bob@ims.test").status_code == 404


def test_files_of_others_cannot_be_shared_by_naming_them(node: RunningNode, token: str) -> None:
    """A link in a message of somebody else opens nothing."""
    url = upload(node, token, b"alice's").json()["url"]
    with (
        Phone(("127.0.0.1", node.ports["tcp"]), "bob", transport="TCP") as bob,
        Phone(("127.0.0.1", node.ports["tcp"]), "alice", transport="TCP") as alice,
    ):
        assert bob.message("sip:carol@ims.test", f"see {url}".encode()).status == 202
        assert fetch(url, "carol").status_code == 403
        assert alice.message("sip:carol@ims.test", f"see {url}".encode()).status == 202
        assert fetch(url, "carol").content == b"alice's"


def test_rcs_clients_upload_a_form(node: RunningNode) -> None:
    """RCC.07: an empty POST asks who it has to be, a form brings the file with its picture."""
    url, auth = f"http://{node.http}/api/v1/files", httpx.DigestAuth("alice", "pw-alice")
    first = httpx.post(url, trust_env=False)
    assert (first.status_code, first.headers["www-authenticate"][:6]) == (401, "Digest")
    assert httpx.post(url, auth=auth, trust_env=False).status_code == 204
    picture = bytes(range(256)) * 3000
    form = [
        ("tid", (None, b"11111111-2222-3333-4444-555555555555")),
        ("Thumbnail", ("thumb_p.png", b"small", "image/png")),
        ("File", ("p.png", picture, "image/png")),
    ]
    done = httpx.post(url, files=form, auth=auth, trust_env=False, timeout=15)
    assert (done.status_code, done.headers["content-type"]) == (200, RCS)
    described = parse_file_transfer(done.content)
    assert described.thumbnail is not None
    assert (described.file.name, described.file.size) == ("p.png", len(picture))
    assert fetch(described.thumbnail.url, "alice").content == b"small"
    with Phone(("127.0.0.1", node.ports["tcp"]), "alice", transport="TCP") as alice:
        sent = alice.message("sip:bob@ims.test", done.content)
        assert sent.status == 202
    assert fetch(described.file.url, "bob").content == picture
    assert fetch(described.thumbnail.url, "bob").content == b"small"
    for broken, status in (
        ([("Thumbnail", ("t.png", b"small", "image/png"))], 400),
        ([("File", ("p.exe", b"MZ", "application/x-msdownload"))], 415),
        ([("Other", (None, b"x"))], 400),
    ):
        refused = httpx.post(url, files=broken, auth=auth, trust_env=False)
        assert refused.status_code == status
