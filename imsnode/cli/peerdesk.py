# SPDX-License-Identifier: Apache-2.0
"""What options of `imsnode peer` make of the settings of a peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    from imsnode.config import Config

__all__ = ["PeerChanges", "changed", "checked"]

#: Settings that have another name than their option, because they are lists.
_KEYS = {"target": "targets", "domain": "domains", "number": "numbers", "header": "headers"}


@dataclass(frozen=True, slots=True)
class PeerChanges:
    """The options as they were given, None for those that were not."""

    address: list[str] | None
    transport: str | None
    trust: str | None
    relay: bool | None
    target: list[str] | None
    tls_name: str | None
    domain: list[str] | None
    number: list[str] | None
    priority: int | None
    weight: int | None
    rate: float | None
    concurrent: int | None
    hide: bool | None
    header: list[str] | None
    ping: str | None


def changed(before: Mapping[str, object], changes: PeerChanges) -> dict[str, object]:
    """Return settings with what the options say; empty text takes a setting away."""
    settings = dict(before)
    for field in fields(changes):
        value = getattr(changes, field.name)
        key = _KEYS.get(field.name, field.name)
        if value in ("", [""]):
            settings.pop(key, None)
        elif value is not None:
            settings[key] = value
    return settings


def checked(config: Config, name: str, settings: Mapping[str, object]) -> None:
    """Refuse settings that a [[peer]] table could not have. Raises: UsageError."""
    from pydantic import ValidationError

    from imsnode.config.peers import Peer, unfinished
    from imsnode.config.problems import describe_all

    try:
        peer = Peer.model_validate({**settings, "name": name})
    except ValidationError as error:
        problems = describe_all(error, {})
        raise UsageError("\n".join(str(problem) for problem in problems)) from error
    problems = list(unfinished(peer))
    if problems:
        raise UsageError("\n".join(str(problem) for problem in problems))
    for domain in peer.domains:
        if domain in config.domains:
            raise UsageError(f'domains = "{domain}": is served here; leave it out')
