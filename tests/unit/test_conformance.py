"""The conformance page names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "conformance.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::([\w*]+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_named_test_exists(file: str, name: str) -> None:
    text = (ROOT / file).read_text()
    pattern = r"def test_\w+\(" if name == "*" else rf"def {name}\("
    assert re.search(pattern, text)


def test_page_names_tests() -> None:
    assert len(NAMED) > 30
