# SPDX-License-Identifier: Apache-2.0
"""If-Match and If-None-Match (RFC 9110 13), on the one entity tag of a document (RFC 4825 8.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .errors import Refusal

__all__ = ["UNCONDITIONAL", "Conditions"]

_TAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Conditions:
    """The values of both headers; None for one that did not come."""

    match: str | None = None
    none_match: str | None = None

    def check(self, etag: str, *, safe: bool) -> None:
        """Judge what a document is now.

        Args: etag: "" for a document that is not there. safe: for GET and HEAD.
        Raises: Refusal: 412; 304 where ``safe``; 400 for a header that cannot be read.
        """
        if self.match is not None and not _hit(self.match, etag, weak=False):
            raise Refusal(412, "the document has another entity tag", _header(etag))
        if self.none_match is not None and _hit(self.none_match, etag, weak=True):
            if safe:
                raise Refusal(304, "not modified", _header(etag))
            raise Refusal(412, "the document has this entity tag", _header(etag))


UNCONDITIONAL: Final = Conditions()


def _header(etag: str) -> list[tuple[str, str]]:
    return [("ETag", f'"{etag}"')] if etag else []


def _hit(text: str, etag: str, *, weak: bool) -> bool:
    if text.strip() == "*":
        return bool(etag)
    at, hit = 0, False
    text = text.strip()
    while at < len(text):
        found = _TAG.match(text, at)
        if found is None:
            raise Refusal(400, "an entity tag is not in quotation marks")
        # Ours are all strong; If-Match compares strongly, so a weak one hits nothing there.
        hit = hit or (found[2] == etag and (weak or not found[1]))
        at = found.end()
    return hit and bool(etag)
