# SPDX-License-Identifier: Apache-2.0
"""Talking to the running node over its control socket."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from .path import short_path

__all__ = ["ControlClient", "ControlRefused", "NodeNotRunning"]

# Any: what JSON holds.
Answer = dict[str, Any]


class NodeNotRunning(Exception):
    """Nobody answers at the control socket."""


class ControlRefused(Exception):
    """The node understood and said no; str() is its reason."""


class ControlClient:
    """One connection to the node that serves the control socket at `path`.

    Raises NodeNotRunning when no node listens there. Every method raises ControlRefused when the
    node refuses or goes away. A call waits at most `timeout_s` seconds for its answer.
    """

    def __init__(self, path: Path, timeout_s: float = 60.0) -> None:
        try:
            name = short_path(path)
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(name)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise NodeNotRunning(f"no node answers at {path}: {reason}") from error
        self._http = httpx.Client(
            # There is no TLS on it, and to load the certificates of the system takes a while.
            transport=httpx.HTTPTransport(uds=name, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
            base_url="http://imsnode",
            timeout=httpx.Timeout(timeout_s, connect=2.0),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def status(self) -> Answer:
        """Ask how the node is."""
        return self._call("GET", "/status")

    def reload(self) -> Answer:
        """Have the configuration read again; gives "applied" and "needs_restart" (keys)."""
        return self._call("POST", "/reload", {})

    def users_changed(self, aors: Sequence[str] | None) -> int:
        """Tell which accounts changed in the database; None stands for all."""
        return int(self._call("POST", "/users/changed", {"aors": aors})["count"])

    def user_erased(self, aor: str) -> tuple[int, int]:
        """Have a user erased from charging records and files.

        Returns: how many files of records changed, how many of the user's files are gone.
        """
        told = self._call("POST", "/users/erased", {"aor": aor})
        return int(told["records"]), int(told["files"])

    def tokens_changed(self) -> None:
        """Tell that tokens of the HTTP API changed in the database."""
        self._call("POST", "/tokens/changed", {})

    def peers_changed(self) -> None:
        """Tell that peers changed in the database."""
        self._call("POST", "/peers/changed", {})

    def peers(self) -> list[Answer]:
        """Ask how the addresses of peers do."""
        return list(self._call("GET", "/peers")["peers"])

    def profiles_changed(self) -> None:
        """Tell that filter criteria changed in the database."""
        self._call("POST", "/profiles/changed", {})

    def services_changed(self) -> None:
        """Tell that service accounts changed in the database."""
        self._call("POST", "/services/changed", {})

    def groups_changed(self) -> int:
        """Tell that groups changed in the database; gives how many there are."""
        return int(self._call("POST", "/groups/changed", {})["count"])

    def rooms_changed(self, rooms: Sequence[str]) -> int:
        """Tell that these rooms changed in the database; gives how many rooms there are."""
        return int(self._call("POST", "/rooms/changed", {"rooms": list(rooms)})["count"])

    def kick_from_room(self, room: str, who: str) -> int:
        """Hang up on somebody in a room; gives how many sessions ended."""
        return int(self._call("POST", "/rooms/kick", {"room": room, "who": who})["ended"])

    def invite_to_room(self, room: str, people: Sequence[str]) -> int:
        """Call people into a room; gives how many were called."""
        body = {"room": room, "people": list(people)}
        return int(self._call("POST", "/rooms/invite", body)["called"])

    def room_participants(self, room: str) -> list[Answer]:
        """Ask who is in a room now."""
        found: list[Answer] = self._call("POST", "/rooms/participants", {"room": room})[
            "participants"
        ]
        return found

    def broadcasts_changed(self) -> int:
        """Tell that a broadcast was begun or ended; gives how many run."""
        return int(self._call("POST", "/broadcasts/changed", {})["count"])

    def policies_changed(self, aors: Sequence[str] | None) -> int:
        """Tell whose policies changed in the database; None stands for all."""
        return int(self._call("POST", "/policies/changed", {"aors": aors})["count"])

    def remove_binding(self, aor: str, contact: str | None) -> int:
        """Remove one binding of `aor`, or all with None; gives how many are gone."""
        body = {"aor": aor} if contact is None else {"aor": aor, "contact": contact}
        return int(self._call("POST", "/bindings/remove", body)["removed"])

    def remove_subscription(self, number: int, reason: str, retry_after: int) -> int:
        """End a subscription; gives how many are gone."""
        body = {"number": number, "reason": reason, "retry_after": retry_after}
        return int(self._call("POST", "/subscriptions/remove", body)["removed"])

    def submit(self, sender: str, recipient: str, text: str) -> Answer:
        """Submit a text message; gives message_id, status, outcome, detail."""
        return self._call("POST", "/messages", {"from": sender, "to": recipient, "text": text})

    def recall(self, identity: str, sender: str | None) -> list[Answer]:
        """Take a message back; gives message_id, recipient, state for each recipient."""
        body = {"id": identity} if sender is None else {"id": identity, "from": sender}
        return list(self._call("POST", "/messages/recall", body)["results"])

    def document(self, method: str, target: str, content: bytes = b"") -> Answer:
        """Get, put or delete an XCAP document; gives status, etag, media_type, content_base64."""
        body = {"method": method, "target": target}
        if content:
            body["content_base64"] = base64.b64encode(content).decode()
        return self._call("POST", "/documents", body)

    def sessions(self) -> list[Answer]:
        """List the MSRP sessions that pass through the node."""
        return list(self._call("GET", "/sessions")["sessions"])

    def flush_ledger(self) -> None:
        """Return when every step so far stands in the database."""
        self._call("POST", "/ledger/flush", {})

    def trace(self, *, bodies: bool = False, contains: str = "") -> Iterator[Answer]:
        """Follow live traffic, one event at a time, until the node stops."""
        query = {"bodies": "1" if bodies else "0", "contains": contains}
        try:
            with self._http.stream("GET", "/trace", params=query, timeout=None) as response:
                if response.is_error:
                    response.read()
                    raise ControlRefused(_reason(response))
                for line in response.iter_lines():
                    yield json.loads(line)
        except httpx.TransportError:
            return

    def _call(self, method: str, route: str, body: Mapping[str, object] | None = None) -> Answer:
        try:
            response = self._http.request(method, route, json=body)
        except httpx.TransportError as error:
            raise ControlRefused(f"the node gave no answer: {error}") from error
        if response.is_error:
            raise ControlRefused(_reason(response))
        answer: Answer = response.json()
        return answer


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the node answered {response.status_code}"
