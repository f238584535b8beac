"""Run the interpreted sources even where compiled modules lie beside them."""

from __future__ import annotations

import sys
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)


def prefer_sources() -> None:
    """Make imports below the project's root load ``.py`` files only."""
    hook = FileFinder.path_hook((SourceFileLoader, [".py"]))

    def ours(path: str) -> FileFinder:
        if not path.startswith(ROOT) or ".venv" in path:
            raise ImportError
        finder: FileFinder = hook(path)  # type: ignore[assignment]  # typeshed: PathEntryFinder
        return finder

    sys.path_hooks.insert(0, ours)
    sys.path_importer_cache.clear()
