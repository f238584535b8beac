# SPDX-License-Identifier: Apache-2.0
"""The store of files that messages refer to."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from imsnode.content import ContentRefused, ContentSettings, ContentStore, media_matches

ALICE, BOB = "sip:alice@ims.test", "sip:bob@ims.test"
SETTINGS = ContentSettings(
    domains=("ims.test",), file_bytes=100, user_bytes=150, total_bytes=220, files=4,
    lifetime_s=60.0, types=("image/*", "text/plain"),
)  # fmt: skip


class Wall:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Opened:
    """A store in a folder; ``again`` is the next run of the node."""

    def __init__(self, folder: Path, settings: ContentSettings = SETTINGS) -> None:
        self.folder = folder / "content"
        self.wall = Wall()
        self.settings = settings
        self.again()

    def again(self) -> None:
        self.store = ContentStore(self.folder, self.settings, self.wall)
        self.store.load()

    async def put(self, body: bytes, owner: str = ALICE, kind: str = "image/png") -> str:
        return (await self.store.put(owner, kind, "n", len(body), pieces(body)))[0]

    async def refused(self, body: bytes, owner: str = ALICE, kind: str = "image/png") -> str:
        with pytest.raises(ContentRefused) as caught:
            await self.put(body, owner, kind)
        return caught.value.kind

    def files(self) -> int:
        return len(list(self.folder.iterdir())) if self.folder.exists() else 0


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 7):
        yield body[start : start + 7]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path)


async def test_kept_found_and_there_after_a_restart(opened: Opened) -> None:
    token = await opened.put(b"picture \x00\xff" * 5)
    for _ in range(2):
        found = opened.store.find(token)
        assert found is not None
        kept, file = found.kept, found.path
        assert file.read_bytes() == b"picture \x00\xff" * 5
        assert (kept.owner, kept.content_type, kept.name) == (ALICE, "image/png", "n")
        assert kept.digest == sha256(b"picture \x00\xff" * 5).hexdigest()
        assert kept.expires_at == 1060.0
        opened.again()
    assert opened.store.find("another") is None
    assert token not in " ".join(str(path) for path in opened.folder.iterdir())
    assert file.stat().st_mode & 0o077 == 0


async def test_a_link_ends(opened: Opened) -> None:
    token = await opened.put(b"x")
    opened.wall.now += 60.0
    assert opened.store.find(token) is None
    assert opened.store.sweep(10) == 1
    assert (opened.files(), opened.store.files, opened.store.octets) == (0, 0, 0)


async def test_a_sweep_does_so_much_and_no_more(opened: Opened) -> None:
    for _ in range(3):
        await opened.put(b"x")
    assert opened.store.sweep(10) == 0
    opened.wall.now += 60.0
    assert [opened.store.sweep(2) for _ in range(3)] == [2, 1, 0]


async def test_only_its_owner_removes_a_file(opened: Opened) -> None:
    token = await opened.put(b"x")
    assert not opened.store.remove(token, BOB)
    assert opened.store.remove(token, ALICE)
    assert not opened.store.remove(token, ALICE)
    assert opened.store.find(token) is None
    assert opened.files() == 0


async def test_all_files_of_a_user_are_erased(opened: Opened) -> None:
    kept = await opened.put(b"x", BOB)
    tokens = [await opened.put(b"x") for _ in range(2)]

    async def slowly() -> AsyncIterator[bytes]:
        yield b"fi"
        assert await opened.store.erase(ALICE) == 2
        yield b"le"

    with pytest.raises(ContentRefused, match="erased"):
        await opened.store.put(ALICE, "image/png", "n", 4, slowly())
    assert [opened.store.find(token) for token in tokens] == [None, None]
    opened.again()
    assert opened.store.find(kept) is not None
    assert (opened.files(), opened.store.files, opened.store.octets) == (2, 1, 1)


async def test_limits(opened: Opened) -> None:
    assert await opened.refused(b"x", kind="text/html") == "type"
    assert await opened.refused(b"x" * 101) == "size"
    await opened.put(b"x" * 100)
    assert await opened.refused(b"x" * 51) == "quota"
    await opened.put(b"x" * 50)
    assert await opened.refused(b"x") == "quota"
    assert await opened.refused(b"x" * 71, BOB) == "full"
    await opened.put(b"", BOB)
    await opened.put(b"", BOB)
    assert await opened.refused(b"", BOB) == "full"
    assert opened.store.octets == 150
    opened.wall.now += 60.0
    opened.store.sweep(10)
    await opened.put(b"x" * 100)


async def test_who_may_fetch_is_known_after_a_restart(opened: Opened) -> None:
    token, other = await opened.put(b"x"), await opened.put(b"y")
    assert opened.store.unshared(ALICE, (token, "guess"), BOB) == [token]
    assert await opened.store.share(token, ALICE, (BOB, BOB))
    assert not await opened.store.share(token, BOB, ("sip:eve@ims.test",))
    link = await opened.store.link_for(token, ALICE, "sip:dave@elsewhere.test")
    assert await opened.store.link_for(token, BOB, BOB) == ""
    for _ in range(2):
        assert opened.store.unshared(ALICE, (token, other), BOB) == [other]
        found = opened.store.find(link)
        assert found is not None
        assert (found.person, found.kept.readers) == ("sip:dave@elsewhere.test", (BOB,))
        assert link not in str(found.kept)
        opened.again()
    assert await opened.store.withdraw(token, ALICE, "sip:dave@elsewhere.test")
    assert not await opened.store.withdraw(token, ALICE, "sip:dave@elsewhere.test")
    assert opened.store.find(link) is None
    await opened.store.erase(BOB)
    opened.again()
    assert opened.store.unshared(ALICE, (token,), BOB) == [token]


async def test_a_file_has_so_many_readers(tmp_path: Path) -> None:
    opened = Opened(tmp_path, replace(SETTINGS, readers=2))
    token = await opened.put(b"x")
    await opened.store.share(token, ALICE, (BOB,))
    await opened.store.link_for(token, ALICE, BOB)
    with pytest.raises(ContentRefused) as caught:
        await opened.store.share(token, ALICE, ("sip:carol@ims.test",))
    assert caught.value.kind == "readers"


async def test_links_end_with_the_file(opened: Opened) -> None:
    token = await opened.put(b"x")
    link = await opened.store.link_for(token, ALICE, BOB)
    opened.store.remove(token, ALICE)
    assert opened.store.find(link) is None
    assert opened.files() == 0


def test_domains(opened: Opened) -> None:
    assert opened.store.may_upload(ALICE)
    assert not opened.store.may_upload("sip:eve@other.test")


@pytest.mark.parametrize("announced", [4, 6])
async def test_another_length_than_announced(opened: Opened, announced: int) -> None:
    with pytest.raises(ContentRefused) as caught:
        await opened.store.put(ALICE, "image/png", "n", announced, pieces(b"12345"))
    assert caught.value.kind == "size"
    assert (opened.files(), opened.store.octets) == (0, 0)


async def test_who_goes_away_leaves_nothing(opened: Opened) -> None:
    async def gone() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionError

    with pytest.raises(ContentRefused) as caught:
        await opened.store.put(ALICE, "image/png", "n", 5, gone())
    assert caught.value.kind == "unavailable"
    assert (opened.files(), opened.store.octets) == (0, 0)


def scanner(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; data = open(sys.argv[1], 'rb').read(); {code}")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("sys.exit(b'virus' in data)", "infected"),
        ("sys.exit(2)", "unavailable"),
        ("import time; time.sleep(60)", "unavailable"),
    ],
)
async def test_what_the_scan_refuses_is_not_kept(tmp_path: Path, code: str, kind: str) -> None:
    scan_s = 0.5 if "sleep" in code else 30.0
    opened = Opened(tmp_path, replace(SETTINGS, scan=scanner(code), scan_s=scan_s))
    assert await opened.refused(b"a virus") == kind
    assert (opened.files(), opened.store.octets) == (0, 0)


async def test_what_the_scan_finds_clean_is_kept(tmp_path: Path) -> None:
    opened = Opened(tmp_path, replace(SETTINGS, scan=scanner("sys.exit(b'virus' in data)")))
    assert opened.store.find(await opened.put(b"a flower")) is not None


async def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    opened = Opened(tmp_path, replace(SETTINGS, scan=("/nonexistent/scan",)))
    assert await opened.refused(b"x") == "unavailable"
    assert opened.files() == 0


async def test_what_a_crash_left_behind_is_removed(opened: Opened) -> None:
    token = await opened.put(b"x")
    for name in ("aa", "bb.part", "cc.json.part", "dd.json"):
        (opened.folder / name).write_bytes(b"{")
    opened.again()
    assert opened.store.find(token) is not None
    assert opened.files() == 2


@pytest.mark.parametrize(
    ("content_type", "wanted", "answer"),
    [
        ("image/png", "image/*", True),
        ("Image/PNG; q=1", "image/png", True),
        ("imagex/png", "image/*", False),
        ("text/html", "text/plain", False),
        ("a/b", "*/*", True),
    ],
)
def test_media_types(content_type: str, wanted: str, answer: bool) -> None:
    assert media_matches(content_type, wanted) is answer
