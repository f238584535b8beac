# SPDX-License-Identifier: Apache-2.0
"""A user's presence for commands, worked out from the database with the node's own rules.

All that it takes is durable before anybody is told of it, so a running node says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from imsnode.presence import RULES
from imsnode.presence.authority import PresenceRules
from imsnode.presence.lists import ListShelf
from imsnode.settings import event_settings, watcher_standing, xcap_limits
from imsnode.storage import Documents, read_locations
from imsnode.storage.publications import read_publications
from imsnode.storage.subscriptions import read_subscriptions
from presence.documents.compose import Facts, compose
from presence.documents.pidf import Document, closed, parse_pidf, sphere_of
from presence.event.package import Decision, Standing
from presence.lists.members import referred_members
from presence.rules import EVERYTHING, Transformations, apply
from presence.xcap import Server, all_usages
from sip.errors import ParseError

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import Database

__all__ = ["PresenceDesk", "View", "Watcher"]

WORDS = {
    Standing.BLOCK: "blocked",
    Standing.CONFIRM: "not decided",
    Standing.POLITE: "politely blocked",
    Standing.ALLOW: "allowed",
}


@dataclass(frozen=True, slots=True)
class Watcher:
    """Somebody who follows a user, or waits for the user's decision. since: wall seconds."""

    watcher: str
    state: str
    standing: str
    rule: str
    since: float
    expires_in: int | None
    number: int


@dataclass(frozen=True, slots=True)
class View:
    """What a watcher sees; steps: what became of each rule."""

    standing: str
    rule: str
    steps: tuple[str, ...]
    document: str


class PresenceDesk:
    """The presence of one user. Raises: StorageError."""

    def __init__(self, config: Config, opened: Database, aor: str, wall: float) -> None:
        self._opened = opened
        self._aor = aor
        self._wall = wall
        documents = _Documents(config, opened)
        kept = [documents.get(auid, aor, path) for auid, path in RULES]
        octets = [one for one in kept if one is not None]
        strangers = watcher_standing(config)[aor.rpartition("@")[2]]
        shelf, limits = ListShelf(documents), event_settings(config).lists.limits

        def is_on_list(owner: str, reference: str, watcher: str) -> bool:
            members = referred_members(reference, owner, shelf, limits)
            return any(one.key == watcher for one in members)

        self._rules = PresenceRules(lambda _aor: octets, lambda _aor: strangers, is_on_list)
        self._is_on_list = is_on_list
        published = [
            parse_pidf(one.body, aor)
            for _, one in read_publications(opened)
            if one.resource == aor and one.package == "presence" and one.expires_at > wall
        ]
        states = dict(read_locations(opened, 0.0, wall))
        registered = aor in states and bool(states[aor].bindings)
        self._composed = compose(published, Facts(registered=registered), aor)

    def document(self) -> str:
        """Return all that is known of the user."""
        return _indented(self._composed)

    def watchers(self) -> list[Watcher]:
        """Return who follows the user, and who waits."""
        found = []
        for number, kept in read_subscriptions(self._opened):
            if kept.resource != self._aor or kept.package != "presence":
                continue
            if not kept.waiting and kept.expires_at <= self._wall:
                continue
            decision = self._decide(kept.watcher)
            pending = decision.standing is Standing.CONFIRM
            state = "waiting" if kept.waiting else ("pending" if pending else "active")
            left = None if kept.waiting else round(kept.expires_at - self._wall)
            word = WORDS[decision.standing]
            found.append(
                Watcher(kept.watcher, state, word, decision.rule, kept.since, left, number)
            )
        return found

    def view(self, watcher: str) -> View:
        """Return what somebody sees and why."""
        decision = self._decide(watcher)
        document = ""
        if decision.standing is Standing.ALLOW and isinstance(decision.view, Transformations):
            document = _indented(apply(self._composed, decision.view))
        elif decision.standing is Standing.POLITE:
            document = _indented(parse_pidf(closed(self._aor), self._aor))
        return View(WORDS[decision.standing], decision.rule, self._steps(watcher), document)

    def _decide(self, watcher: str) -> Decision:
        if watcher == self._aor:
            return Decision(Standing.ALLOW, EVERYTHING, "own presence")
        return self._rules.decide(self._aor, watcher, self._wall, sphere_of(self._composed))

    def _steps(self, watcher: str) -> tuple[str, ...]:
        try:
            rules = self._rules.rules(self._aor)
        except ParseError as error:
            return (f"rules cannot be read: {error.reason}",)
        if rules is None or watcher == self._aor:
            return ()
        verdict = rules.decide(
            watcher,
            self._wall,
            sphere_of(self._composed),
            lambda anchor, who: self._is_on_list(self._aor, anchor, who),
        )
        return tuple(
            f"rule {step.rule}: "
            + (step.refusal or (WORDS[step.standing] if step.standing is not None else "applies"))
            for step in verdict.steps
        )


class _Documents:
    """`imsnode.presence.lists.DocumentSource` over a database."""

    def __init__(self, config: Config, opened: Database) -> None:
        self.server = Server(all_usages(), "/xcap", xcap_limits(config))
        self._shelf = Documents(opened)

    def get(self, auid: str, xui: str, path: str) -> bytes | None:
        stored = self._shelf.read((xui, auid, path))
        return None if stored is None else stored.octets

    def service(self, uri: str) -> tuple[str, str] | None:
        key = self._shelf.claimant(uri)
        return None if key is None else (key[0], key[2])


def _indented(document: Document) -> str:
    return etree.tostring(document.root, pretty_print=True, encoding="unicode").rstrip()
