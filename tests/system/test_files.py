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
    fetched = httpx.get(file.url, trust_env=False)
    assert fetched.content == picture
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.png"
    assert fetched.headers["x-content-type-options"] == "nosniff"
    part = httpx.get(file.url, headers={"range": "bytes=0-9"}, trust_env=False)
    assert (part.status_code, part.content) == (206, picture[:10])


def test_the_other_forms_of_a_link(node: RunningNode, token: str) -> None:
    link = upload(node, token, b"x").json()
    assert link["size"] == 1
    kind = upload(node, token, b"x", accept="message/external-body").headers["content-type"]
    url = (parameter(kind.encode(), b"url") or b"").decode()
    assert httpx.get(url, trust_env=False).content == b"x"
    removed = f"http://{node.http}/api/v1/users/sip:alice@ims.test/files/{url.rpartition('/')[2]}"
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.delete(removed, headers=headers, trust_env=False).status_code == 204
    assert httpx.get(url, trust_env=False).status_code == 404
    assert httpx.get(link["url"], trust_env=False).status_code == 200


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
    node.kill()
    node.start()
    path = url.partition("/api/")[2]
    assert node.get(f"/api/{path}").content == b"kept"
