from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.config import Config, load
from imsnode.config.reference import Setting, nearest, settings, tables, values
from imsnode.config.template import render

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("setting", settings(), ids=lambda s: s.key)
def test_every_setting_is_documented(setting: Setting) -> None:
    assert setting.description.endswith(".")
    assert setting.kind
    assert setting.apply in ("live", "restart")
    assert bool(setting.variable) != ("[]" in setting.key)
    if setting.kind in ("duration", "size"):
        assert setting.unit
        assert setting.bounds


@pytest.mark.parametrize("setting", settings(), ids=lambda s: s.key)
def test_every_setting_is_used(setting: Setting) -> None:
    """A setting that nothing reads is a promise that is not kept."""
    table, _, name = setting.key.replace("[]", "").rpartition(".")
    reads = re.compile(rf"\.{name}\b")
    skipped = (ROOT / "imsnode/config", ROOT / "imsnode/cli")
    files = [f for f in (ROOT / "imsnode").rglob("*.py") if not set(f.parents) & set(skipped)]
    indirect = (ROOT / "imsnode/config/loader.py").read_text(encoding="utf-8")
    texts = [f.read_text(encoding="utf-8") for f in files] + [indirect]
    assert any(reads.search(text) for text in texts), f"{table} {name}"


def test_every_table_says_what_it_is_for() -> None:
    for name, purpose, _ in tables():
        assert purpose.endswith("."), name


def test_defaults_read_as_toml() -> None:
    for setting in settings():
        if setting.default:
            tomllib.loads(f"x = {setting.default}")


def test_values_say_where_they_come_from(
    loaded: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMSNODE_LOG__LEVEL", "debug")
    config = loaded('[pager]\ndefer_after = 2\n[[peer]]\nname = "core"\naddress = "192.0.2.7"')
    found = {key: (value, origin) for key, value, origin in values(config)}
    assert found["pager.defer_after"] == ('"2s"', "file")
    assert found["log.level"] == ('"debug"', "IMSNODE_LOG__LEVEL")
    assert found["pager.retry_min"] == ('"5s"', "default")
    assert found["peer[0].address"] == ('["192.0.2.7"]', "file")


def test_the_nearest_key() -> None:
    assert nearest("defer_after") == "pager.defer_after"
    assert nearest("pager.defer") == "pager.defer_after"
    assert nearest("qqqqqqqq") == ""


def test_the_file_that_init_writes_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "imsnode.toml"
    file.write_text(render(["ims.test"]), encoding="utf-8")
    assert dict(load(file, environment=False)) == dict(load(None, environment=False))


def test_every_setting_of_that_file_can_be_switched_on(tmp_path: Path) -> None:
    text = render(["ims.test", "b.test"])
    active = re.sub(r"^# (?=(?:[a-z_0-9]+ = |\[\[))", "", text, flags=re.MULTILINE)
    active = active.replace('certificate = ""', "").replace('key = ""', "")
    file = tmp_path / "imsnode.toml"
    file.write_text(active.replace('advertise = ""', 'advertise = "sip.test"'), encoding="utf-8")
    config = load(file, environment=False)
    assert config.domain[0].store == "first"
    assert config.peer[0].name == "upstream"
    assert config.route[0].domain == "other.example"
