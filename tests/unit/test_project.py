"""What holds for the project as a whole: what is shipped, how large modules are, what is written."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("imsnode", "pager", "presence", "session_msrp", "sip")
LONGEST_MODULE = 700
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def script(path: str) -> ModuleType:
    """Load a script that is no part of a package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_is_shipped_and_nothing_else() -> None:
    found = sorted(
        ".".join(file.parent.relative_to(ROOT).parts)
        for package in SHIPPED
        for file in (ROOT / package).rglob("__init__.py")
    )
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_typed_packages_say_so() -> None:
    assert sorted(PROJECT["tool"]["setuptools"]["package-data"]) == sorted(SHIPPED)
    for package in SHIPPED:
        assert (ROOT / package / "py.typed").is_file()


def test_requirements_are_pinned() -> None:
    pinned = {
        re.split("[=<>!~]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    wanted = script("tests/wanted.py").wanted(["build", "run", "test", "dev"])
    names = {re.split(r"[\[=<>!~; ]", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= pinned


def test_compiled_modules_exist() -> None:
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    sources = re.findall(r'^    "((?:sip|pager|imsnode)/[^"]+\.pyx?)",', text, re.MULTILINE)
    assert sources
    assert [source for source in sources if not (ROOT / source).is_file()] == []


@pytest.mark.parametrize("package", SHIPPED)
def test_no_module_is_too_long(package: str) -> None:
    long = [
        f"{file.relative_to(ROOT)}: {count}"
        for file in (ROOT / package).rglob("*.py")
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    ]
    assert long == []


def test_the_generated_reference_is_up_to_date() -> None:
    for path, text in script("docs/generate.py").pages().items():
        name = path.relative_to(ROOT)
        assert path.read_text(encoding="utf-8") == text, f"{name}: run python docs/generate.py"
