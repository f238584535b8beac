"""Programs that nobody in this project wrote, as the tests look for them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

__all__ = ["JSSIP", "PACKAGES", "find", "missing"]

#: Program or Python module: where it comes from.
PACKAGES = {
    "aiosip": "the extra `test`",
    "baresip": "Debian's baresip-core",
    "chromium": "Debian's chromium",
    "dumpcap": "Debian's tshark",
    "initdb": "Debian's postgresql",
    "jssip": "npm, by tests/peers.sh",
    "kamailio": "Debian's kamailio",
    "nc": "Debian's netcat-openbsd",
    "pjsua2": "the extra `test`",
    "postgres": "Debian's postgresql",
    "sipp": "Debian's sip-tester",
    "sipsak": "Debian's sipsak",
    "smpp34": "the extra `test`",
    "tshark": "Debian's tshark",
}
_MODULES = ("aiosip", "pjsua2", "smpp34")
#: The script of a page with JsSIP in it.
JSSIP = Path(__file__).parents[2] / ".venv" / "npm" / "page.js"


def find(program: str) -> str | None:
    """Give the path of a program, or None; PostgreSQL's are looked for where Debian keeps them."""
    if program in _MODULES:
        spec = importlib.util.find_spec(program)
        return spec.origin if spec is not None else None
    if program == "jssip":
        return str(JSSIP) if JSSIP.exists() else None
    found = shutil.which(program)
    if found is None:
        kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        found = str(kept[-1]) if kept else None
    return found


def missing(programs: tuple[str, ...]) -> str:
    """Say which of the programs are missing and where they come from; "" when none is."""
    gone = [name for name in programs if find(name) is None]
    return ", ".join(f"{name} is not installed (from {PACKAGES[name]})" for name in gone)
