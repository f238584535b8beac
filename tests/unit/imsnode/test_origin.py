from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imsnode import _origin


def package(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise AssertionError('was executed')\n")


def test_our_own_packages_are_in_their_place() -> None:
    assert _origin.misplaced() == []
    _origin.check()


def test_foreign_packages_are_named_and_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path / "other", "strange_sip")
    package(tmp_path / "home", "right_sip")
    (tmp_path / "home" / "folder_sip").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "other")
    monkeypatch.syspath_prepend(tmp_path / "home")
    names = ("strange_sip", "right_sip", "folder_sip", "missing_sip")
    assert _origin.misplaced(names, tmp_path / "home") == [
        ("strange_sip", str(tmp_path / "other/strange_sip/__init__.py")),
        ("folder_sip", "a folder without __init__.py"),
        ("missing_sip", "nowhere"),
    ]
    assert not set(names) & set(sys.modules)


def test_a_module_is_not_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_sip.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert _origin.misplaced(("module_sip",), tmp_path)[0][0] == "module_sip"


def test_the_process_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_origin, "misplaced", lambda: [("sip", "/usr/lib/sip.so")])
    with pytest.raises(SystemExit) as ended:
        _origin.check()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'sip' from /usr/lib/sip.so" in error
