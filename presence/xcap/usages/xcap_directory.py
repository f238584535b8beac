# SPDX-License-Identifier: Apache-2.0
"""org.openmobilealliance.xcap-directory: which documents a user has, with entity tags."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from urllib.parse import quote

from sip.bodies.xml import add, new_root, write_xml

from ..usage import Library, Own, Usage

__all__ = ["USAGE"]

_URN: Final = "urn:oma:xml:xdm:xcap-directory"


def _directory(own: Own, library: Library) -> bytes:
    root = new_root(_URN, "xcap-directory")
    home = quote(own.owner, safe=":@")
    for auid, entries in groupby(library.directory(own.owner), lambda entry: entry.auid):
        folder = add(root, "folder")
        folder.set("auid", auid)
        for entry in entries:
            element = add(folder, "entry")
            element.set("uri", f"{library.root}/{auid}/users/{home}/{quote(entry.name, safe='')}")
            element.set("etag", entry.etag)
            changed = datetime.fromtimestamp(int(entry.changed), UTC)
            element.set("last-modified", changed.isoformat().replace("+00:00", "Z"))
            element.set("size", str(entry.size))
    return write_xml(root)


USAGE: Final = Usage(
    "org.openmobilealliance.xcap-directory",
    namespace=_URN,
    media_type="application/vnd.oma.xcap-directory+xml",
    root=f"{{{_URN}}}xcap-directory",
    names=("directory.xml",),
    computed=_directory,
    computed_names=("directory.xml",),
)
