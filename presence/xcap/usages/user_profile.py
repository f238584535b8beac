# SPDX-License-Identifier: Apache-2.0
"""org.openmobilealliance.user-profile: how a user is presented to others."""

from __future__ import annotations

from typing import Final

from sip.bodies.xml import Element

from ..errors import Conflict
from ..uris import canonical
from ..usage import Own, Usage

__all__ = ["USAGE"]

_URN: Final = "urn:oma:xml:xdm:user-profile"


def _check(root: Element, own: Own) -> None:
    for profile in root.iterchildren(f"{{{_URN}}}user-profile"):
        if canonical(profile.get("uri", "")) != own.owner:
            raise Conflict("constraint-failure", "uri is not the user whose profile it is")


USAGE: Final = Usage(
    "org.openmobilealliance.user-profile",
    namespace=_URN,
    media_type="application/vnd.oma.user-profile+xml",
    root=f"{{{_URN}}}user-profiles",
    names=("user-profile",),
    check=_check,
)
