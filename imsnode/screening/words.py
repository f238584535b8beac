# SPDX-License-Identifier: Apache-2.0
"""The content rule `words`: refuses texts with certain words or with links to certain hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pager.screening import Content

__all__ = ["WordRule"]

_WORD = re.compile(r"\w+")
_HOST = 253  # characters of a name in the DNS (RFC 1035 3.1); the end of it is what counts
_LINK = re.compile(r"https?://(?:[^\s/@]*@)?([\w.-]+)", re.IGNORECASE)


class WordRule:
    """Knows words and hosts from a file, one a line; ``#`` begins a comment.

    A line with a dot is a host and stands for all hosts under it, any other line is a word.

    Args: options: ``file``, the name of the file.
    Raises: ValueError without the option; OSError when the file cannot be read.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        if set(options) != {"file"}:
            raise ValueError("the one option is file=NAME")
        lines = Path(options["file"]).read_text("utf-8").splitlines()
        entries = {line.partition("#")[0].strip().casefold() for line in lines} - {""}
        self.hosts = frozenset(entry for entry in entries if "." in entry)
        self.words = frozenset(entries - self.hosts)

    def judge(self, content: Content) -> str:
        """Object to a listed word, or to a link to a listed host."""
        text = content.text
        for link in _LINK.finditer(text):
            host = link[1].rstrip(".")[-_HOST:].casefold()
            if any(name in self.hosts for name in _with_parents(host)):
                return f"link to {host}"
        for word in _WORD.finditer(text):
            if word[0].casefold() in self.words:
                return "word on the list"
        return ""


def _with_parents(host: str) -> Iterator[str]:
    while host:
        yield host
        host = host.partition(".")[2]
