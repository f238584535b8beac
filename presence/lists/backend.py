# SPDX-License-Identifier: Apache-2.0
"""Members of lists that other servers serve: one subscription to each, for all who follow it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sip.flow import Flow
from sip.forward import Proxy
from sip.message import Request

from .ports import Follower, State
from .remote import Remote

__all__ = ["BackendSubscriptions"]

#: Way(host, now): the flow to the server of a foreign domain; None when none is configured.
Way = Callable[[str, float], "Flow | None"]

# Subscriptions that begin in a second, and for how long of it at once.
_PER_S: Final = 200.0
_BURST_S: Final = 0.25
_OCTETS: Final = 64 << 20  # of the states of all members


class BackendSubscriptions:
    """`presence.lists.ports.Backend` over SIP.

    Args:
        types: media type to ask for, by package.
        most, most_of_one: subscriptions, and those on behalf of one watcher; members beyond are not
            followed.
    """

    def __init__(
        self, proxy: Proxy, way: Way, types: Mapping[str, bytes], most: int, most_of_one: int
    ) -> None:
        self.proxy = proxy
        self.way = way
        self.types = types
        self.most = most
        self.most_of_one = most_of_one
        self._of_watcher: dict[str, int] = {}
        self._free_at = 0.0  # when the next one may begin
        self._octets = 0
        self._by_member: dict[tuple[str, str, str], Remote] = {}
        self._by_call: dict[tuple[bytes, bytes], Remote] = {}

    def __len__(self) -> int:
        return len(self._by_call)

    def follow(self, package: str, uri: str, watcher: str, follower: Follower, now: float) -> None:
        """Have ``follower`` told of every change, until `leave`."""
        key = (package, uri, watcher)
        remote = self._by_member.get(key)
        if remote is None:
            count = self._of_watcher.get(watcher, 0)
            if len(self._by_member) >= self.most or count >= self.most_of_one:
                return
            self._of_watcher[watcher] = count + 1
            remote = self._by_member[key] = Remote(self, package, uri, watcher)
            remote.followers.append(follower)
            self._free_at = max(self._free_at, now - _BURST_S) + 1.0 / _PER_S
            remote.begin_at(self._free_at, now)
            return
        remote.followers.append(follower)
        if remote.state is not None:
            follower.told(uri, remote.state, now)

    def leave(self, package: str, uri: str, watcher: str, follower: Follower, now: float) -> None:
        """Take back `follow`; with the last one the subscription ends."""
        remote = self._by_member.get((package, uri, watcher))
        if remote is None:
            return
        remote.followers = [one for one in remote.followers if one is not follower]
        if not remote.followers:
            del self._by_member[package, uri, watcher]
            self._of_watcher[watcher] -= 1
            if not self._of_watcher[watcher]:
                del self._of_watcher[watcher]
            self._octets -= 0 if remote.state is None else len(remote.state.content)
            remote.end(now)

    def notified(self, request: Request, flow: Flow, now: float) -> bool:
        """Take a NOTIFY in a dialog; False when it is in none of ours."""
        remote = self._by_call.get((request.call_id, request.to_tag))
        if remote is None:
            return False
        remote.notified(request, flow, now)
        return True

    def within(self, before: State | None, state: State) -> State:
        """Return a state without its content when all together would take too much memory."""
        more = len(state.content) - (0 if before is None else len(before.content))
        if more > 0 and self._octets + more > _OCTETS:
            state = State(state.state, state.reason)
            more = -(0 if before is None else len(before.content))
        self._octets += more
        return state

    def enter(self, remote: Remote) -> None:
        """Know a subscription by its Call-ID and our tag."""
        self._by_call[remote.call_id, remote.tag] = remote

    def forget(self, remote: Remote) -> None:
        """Know it no more."""
        self._by_call.pop((remote.call_id, remote.tag), None)
