# SPDX-License-Identifier: Apache-2.0
"""Whose filter criteria there are: of users, and of everybody else in a domain."""

from __future__ import annotations

from collections.abc import Mapping

from .criteria import ServiceProfile

__all__ = ["Profiles", "everybody"]


def everybody(domain: str) -> str:
    """Return the name under which the profile of all who have none of their own is kept."""
    return f"*@{domain}"


class Profiles:
    """Service profiles by address of record."""

    def __init__(self) -> None:
        self._by_aor: Mapping[str, ServiceProfile] = {}

    def replace(self, profiles: Mapping[str, ServiceProfile]) -> None:
        """Make these all there are."""
        self._by_aor = dict(profiles)

    def __len__(self) -> int:
        return len(self._by_aor)

    def of(self, aor: str) -> ServiceProfile | None:
        """Return the profile that counts for a user, None without one."""
        found = self._by_aor.get(aor)
        return found or self._by_aor.get(everybody(aor.rpartition("@")[2]))
