# SPDX-License-Identifier: Apache-2.0
"""What all copies of one message to many have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sip.headers.names import canonical_name


@dataclass(frozen=True, slots=True)
class Original:
    """What all copies of a message have in common.

    id: of the message or the job. address: the AoR it was sent to. identity: its part of the keys
    of the copies. head: as of a stored message, without To when ``to_each``: then every copy
    names its recipient there (RFC 5365 7.2). lasting: False for what is worth nothing later. own:
    the node says it itself, and nobody's wishes are asked. added: by recipient, header lines that
    only their copy has, each with its lower-case name; they replace those of the same name.
    """

    id: str
    sender: str
    address: str
    call_id: bytes
    cseq: int
    identity: bytes
    at: float
    expires_at: float
    head: bytes
    body: bytes
    to_each: bool = False
    lasting: bool = True
    own: bool = False
    added: Mapping[str, Sequence[tuple[str, bytes]]] | None = None

    @property
    def content_type(self) -> bytes | None:
        """Content-Type as it stands in the head."""
        return content_type_of(self.head)


def content_type_of(head: bytes) -> bytes | None:
    """Return the Content-Type among header lines of a stored message, None when there is none."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-type", b"c"):
            return value.strip()
    return None


def with_lines(head: bytes, added: Sequence[tuple[str, bytes]]) -> bytes:
    """Return header lines with others in the place of those of the same name."""
    names = {name for name, _ in added}
    kept = [
        line
        for line in head.split(b"\r\n")
        if canonical_name(line.partition(b":")[0].strip()) not in names
    ]
    return b"\r\n".join([*kept, *[line for _, line in added]])
