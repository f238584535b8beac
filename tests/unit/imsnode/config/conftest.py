from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imsnode.config import Config, ConfigError, load


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the one who runs the tests do not count."""
    for name in list(os.environ):
        if name.startswith("IMSNODE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], Config]:
    """Load TOML text as a file named imsnode.toml."""

    def read(text: str) -> Config:
        file = tmp_path / "imsnode.toml"
        file.write_text(text, encoding="utf-8")
        return load(file)

    return read


@pytest.fixture
def refused(loaded: Callable[[str], Config]) -> Callable[[str], list[str]]:
    """Load TOML text that cannot be used and give the problems as they are printed."""

    def read(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(text)
        return [str(problem) for problem in caught.value.problems]

    return read
