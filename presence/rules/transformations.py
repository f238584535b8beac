# SPDX-License-Identifier: Apache-2.0
"""What rules let a watcher see: the permissions of RFC 5025 section 3.3 as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = ["ALL", "EVERYTHING", "NOTHING", "Transformations", "UserInput", "combined"]

#: The member of a set of components that stands for all of them.
ALL: Final = ("all", "")

Components = frozenset[tuple[str, str]]
_NONE: Final[Components] = frozenset()


class UserInput(IntEnum):
    """How much of <user-input> is shown (RFC 5025 3.3.2.12); the highest value wins."""

    FALSE = 0
    BARE = 10
    THRESHOLDS = 20
    FULL = 30


@dataclass(frozen=True, slots=True)
class Transformations:
    """What one watcher may see. Equal values give equal views, so a view is built once for all.

    services, devices, persons: which of them, as (kind, value): class, occurrence-id, deviceID,
    service-uri, service-uri-scheme, service-id, or ``ALL``. attributes: names of provide-NAME.
    unknown: tags of elements that no permission of its own is defined for.
    """

    services: Components = _NONE
    devices: Components = _NONE
    persons: Components = _NONE
    attributes: frozenset[str] = frozenset()
    user_input: UserInput = UserInput.FALSE
    unknown: frozenset[str] = frozenset()
    all_attributes: bool = False


NOTHING: Final = Transformations()
EVERYTHING: Final = Transformations(
    frozenset((ALL,)), frozenset((ALL,)), frozenset((ALL,)), all_attributes=True
)


def combined(granted: Sequence[Transformations]) -> Transformations:
    """Return what matching rules, of which there is one at least, grant together (RFC 4745 10)."""
    return Transformations(
        _NONE.union(*[one.services for one in granted]),
        _NONE.union(*[one.devices for one in granted]),
        _NONE.union(*[one.persons for one in granted]),
        frozenset[str]().union(*[one.attributes for one in granted]),
        max(one.user_input for one in granted),
        frozenset[str]().union(*[one.unknown for one in granted]),
        any(one.all_attributes for one in granted),
    )
