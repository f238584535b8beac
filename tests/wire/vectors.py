"""The recorded messages under ``data`` and what their index files say of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Vector:
    """One message; ``verdict`` is accept, reject or either, ``outcomes`` a proxy's answers."""

    name: str
    data: bytes
    kind: str
    verdict: str
    outcomes: tuple[str, ...]


def torture_vectors() -> list[Vector]:
    """RFC 4475 (49 messages and one more of its archive) and RFC 5118 (12 messages)."""
    vectors = []
    for folder in ("rfc4475", "rfc5118"):
        index = json.loads((DATA / folder / "index.json").read_text())
        for case in index["cases"]:
            expected = case["expected"]
            outcomes = expected["proxy"] if isinstance(expected, dict) else expected
            data = (DATA / folder / case["file"]).read_bytes()
            vectors.append(
                Vector(case["name"], data, case["kind"], case["parser"], tuple(outcomes))
            )
    return vectors


def torture(name: str) -> bytes:
    """Return the octets of one torture message."""
    return next(vector.data for vector in torture_vectors() if vector.name == name)


def example_files() -> list[Path]:
    """Messages printed in RFC 3428, 3856, 3857, 3903, 4662, 5365, 5626 and 7118."""
    return sorted((DATA / "sip-rfc").glob("*.sip"))
