# SPDX-License-Identifier: Apache-2.0
"""Guard against another distribution's packages standing in for ours.

The packages `sip` and `pager` have short names that other distributions use too. Installed after
imsnode, or first on the path, they would be imported in place of ours and fail in strange ways
later. Every entry point calls `check()` before anything else is imported.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["NAMES", "check", "misplaced"]

NAMES = ("sip", "pager")


def misplaced(names: tuple[str, ...] = NAMES, home: Path | None = None) -> list[tuple[str, str]]:
    """Find the packages that would not load from beside `imsnode`.

    Args:    names: top-level packages to look for. home: folder they must be in, by default the
             one that holds `imsnode`.
    Returns: (name, place it would load from) for each one that is missing or elsewhere. Nothing
             is imported or executed.
    """
    expected = (home or Path(__file__).parent.parent).resolve()
    wrong: list[tuple[str, str]] = []
    for name in names:
        spec = find_spec(name)
        if spec is None:
            wrong.append((name, "nowhere"))
        elif spec.origin is None or Path(spec.origin).resolve().parent != expected / name:
            wrong.append((name, spec.origin or "a folder without __init__.py"))
    return wrong


def check() -> None:
    """End the process with exit code 2 and one line when a package is not ours."""
    wrong = misplaced()
    if wrong:
        found = ", ".join(f"'{name}' from {place}" for name, place in wrong)
        sys.stderr.write(
            f"imsnode: would load {found}, not its own package; "
            "install imsnode into a virtual environment of its own\n"
        )
        raise SystemExit(2)
