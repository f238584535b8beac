# SPDX-License-Identifier: Apache-2.0
"""History: what users sent and received, and how long it is kept for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "NOTHING",
    "Choice",
    "HistorySettings",
    "Keep",
    "Keeping",
    "Noted",
    "keep_text",
    "parse_keep",
]

_DAY_S = 86400.0
UNTIL_DISPLAYED = "until-displayed"
NONE = "none"
#: A message that goes when it was displayed goes after this time when it never is.
LONGEST_UNDISPLAYED_S = 30 * _DAY_S

# owners, message id, at, sender, recipient, status, content type, Call-ID, body, IMDN Message-ID:
# None when nobody has looked whether the body has one, or is a notice
Noted = tuple[int, str, float, str, str, int, bytes, bytes, bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Keep:
    """How long a message stays in somebody's history; 0 seconds: it never gets there."""

    seconds: float
    until_displayed: bool = False


NOTHING = Keep(0.0)


def parse_keep(text: str | float) -> Keep:
    """Read "none", "until-displayed", or a time in seconds.

    Raises: ValueError.
    """
    if text == NONE:
        return NOTHING
    if text == UNTIL_DISPLAYED:
        return Keep(LONGEST_UNDISPLAYED_S, True)
    return Keep(float(text))


def keep_text(keep: Keep) -> str:
    """Return what `parse_keep` reads."""
    if keep.until_displayed:
        return UNTIL_DISPLAYED
    return f"{keep.seconds:.0f}" if keep.seconds else NONE


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user chose for the own history; None: what holds for the domain.

    floor: position below which messages belong to an earlier holder of the address.
    """

    keep: Keep | None = None
    carbons: bool | None = None
    floor: int = 0


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """keep: for users of ``domains`` that have no entry in ``domain_keep``; carbons: likewise."""

    domains: tuple[str, ...] = ()
    keep: Keep = Keep(30 * _DAY_S)
    domain_keep: Mapping[str, Keep] = field(default_factory=dict)
    carbons: bool = False
    domain_carbons: Mapping[str, bool] = field(default_factory=dict)


_KNOWN = 8192  # addresses of which is remembered what holds for them


class Keeping:
    """What holds for whom: a user's choice, else the domain's setting, else the node's.

    Read by the loop and by the writer's thread; every change replaces a table as a whole.
    """

    def __init__(self, settings: HistorySettings, choices: Mapping[str, Choice]) -> None:
        self._choices = dict(choices)
        self.configure(settings)

    def configure(self, settings: HistorySettings) -> None:
        """Use other settings from now on."""
        self._settings = settings
        self._domains = {
            name: settings.domain_keep.get(name, settings.keep) for name in settings.domains
        }
        # A new one, and last of all: what is still being found out belongs to the old one.
        self._known: dict[str, Keep] = {}

    def choose(self, choices: Mapping[str, Choice], aors: Iterable[str] | None = None) -> None:
        """Take over choices: of these users, or of all with None."""
        kept = {} if aors is None else dict(self._choices)
        for aor in aors or ():
            kept.pop(aor, None)
        self._choices = {**kept, **choices}
        self._known = {}

    def of(self, aor: str) -> Keep:
        """Say how long messages stay in the history of an address; not at all for foreign ones."""
        known = self._known
        keep = known.get(aor)
        if keep is None:
            keep = self._find(aor)
            if len(known) >= _KNOWN:
                known.clear()
            known[aor] = keep
        return keep

    def _find(self, aor: str) -> Keep:
        choice = self._choices.get(aor)
        if choice is not None and choice.keep is not None:
            return choice.keep
        return self._domains.get(aor.rpartition("@")[2], NOTHING)

    def floor(self, aor: str) -> int:
        """Return the position below which messages belong to an earlier holder of an address."""
        choice = self._choices.get(aor)
        return choice.floor if choice is not None else 0

    def carbons(self, aor: str) -> bool:
        """Say whether all devices of a user get copies of what the others sent."""
        choice = self._choices.get(aor)
        if choice is not None and choice.carbons is not None:
            return choice.carbons
        settings = self._settings
        return settings.domain_carbons.get(aor.rpartition("@")[2], settings.carbons)
