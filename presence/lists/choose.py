# SPDX-License-Identifier: Apache-2.0
"""Whether a SUBSCRIBE is for a list: by its body (RFC 5367), or because its target is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sip.bodies.mime import media_type
from sip.bodies.resource_lists import MEDIA_TYPE as RECIPIENTS
from sip.message import Request

from ..event.fields import accepted_types
from ..event.package import EventPackage, Refused
from .package import EVENTLIST, ListPackage
from .ports import ListDocuments
from .rlmi import MEDIA_TYPE, MULTIPART

__all__ = ["OPTION", "ListChooser"]

#: Option tag of SUBSCRIBEs that bring their list along.
OPTION: Final = b"recipient-list-subscribe"

_NEEDED: Final = (MULTIPART, MEDIA_TYPE)


class ListChooser:
    """`presence.event.subscribe.SubscribeServer.choose`.

    Args: packages: of lists, by the key of the package of their members.
    """

    def __init__(self, packages: Mapping[str, ListPackage], documents: ListDocuments) -> None:
        self._packages = packages
        self._documents = documents

    def __call__(self, package: EventPackage, resource: str, request: Request) -> EventPackage:
        """Return the package to serve a SUBSCRIBE with.

        Raises: Refused, 421 for a subscriber that does not know lists (RFC 4662 4.1).
        """
        brought = _brings_list(request)
        service = None if brought else self._documents.service(resource)
        if not brought and service is None:
            return package
        lists = self._packages.get(package.key)
        if lists is None or (
            service is not None and service.packages and package.name not in service.packages
        ):
            raise Refused(489, b"No lists of that event")
        supported = [tag.lower() for tag in request.items("supported")]
        if b"eventlist" not in supported:
            raise Refused(421, None, (EVENTLIST,))
        accept = accepted_types(request)
        if accept and not _accepts(accept):
            raise Refused(406, None, (b"Accept: " + b", ".join(_NEEDED),))
        return lists


def _brings_list(request: Request) -> bool:
    """Tell whether the body is the list to subscribe to."""
    if not request.body or media_type(request.get("content-type") or b"") != RECIPIENTS:
        return False
    disposition = media_type(request.get("content-disposition") or b"")
    return disposition == b"recipient-list" or OPTION in request.items("require")


def _accepts(accept: tuple[bytes, ...]) -> bool:
    return all(
        kind in accept or kind.partition(b"/")[0] + b"/*" in accept or b"*/*" in accept
        for kind in _NEEDED
    )
