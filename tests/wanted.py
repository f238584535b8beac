"""Print what pyproject.toml asks to be installed: `wanted.py build run test dev`.

`build` are the requirements of the build, `run` those of the node, every other word is an extra.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def wanted(words: list[str]) -> list[str]:
    """Give the requirements in the order of `words`."""
    root = Path(__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        "build": project["build-system"]["requires"],
        "run": project["project"]["dependencies"],
        **project["project"]["optional-dependencies"],
    }
    return [requirement for word in words for requirement in groups[word]]


if __name__ == "__main__":
    sys.stdout.write("\n".join(wanted(sys.argv[1:])) + "\n")
