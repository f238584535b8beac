# SPDX-License-Identifier: Apache-2.0
"""A presence server on a virtual network with watchers and publishers; no databases, no clocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imsnode.presence.authority import PresenceRules
from imsnode.presence.service import EventSettings, PresenceServer
from presence.documents.compose import Facts
from presence.event.package import EventPackage, Standing
from presence.event.ports import KeptSubscription
from presence.packages.presence import PresencePackage
from presence.publication.publication import KeptPublication
from sip.dialog import Dialog, accept_request, next_request, uac_dialog
from sip.flow import Flow
from sip.forward import Proxy, Target
from sip.message import Request, Response, build_request
from sip.routing import OwnNames
from sip.testing import SimNetwork
from sip.tokens import FlowTokens
from sip.transaction.client import ClientTransaction
from sip.transaction.server import ServerTransaction

NODE = "192.0.2.1"
ALICE, BOB, CAROL = (f"sip:{name}@ims.test" for name in ("alice", "bob", "carol"))
PIDF = b"application/pidf+xml"


def pidf(note: str, entity: str = ALICE, basic: str = "open") -> bytes:
    """Return a small presence document."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>'
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{entity}"><tuple id="t1">'
        f"<status><basic>{basic}</basic></status></tuple><note>{note}</note></presence>"
    ).encode()


class Journal:
    """A store of subscriptions or publications: keeps what was committed, a moment later."""

    def __init__(self, network: SimNetwork, delay_s: float = 0.001) -> None:
        self.rows: dict[int, object] = {}
        self.failing = False
        self.appended = 0
        self.life = 0
        self._network = network
        self._delay_s = delay_s

    def append(self, number: int, kept: object, done: Callable[[bool], None]) -> None:
        life = self.life

        def commit() -> None:
            if life != self.life:
                return
            if not self.failing:
                self.appended += 1
                if kept is None:
                    self.rows.pop(number, None)
                else:
                    self.rows[number] = kept
            done(not self.failing)

        self._network.call_at(self._network.now + self._delay_s, commit)


class Clock:
    def __init__(self, network: SimNetwork) -> None:
        self._network = network

    def now(self) -> float:
        return self._network.now

    def wall(self) -> float:
        return self._network.wall


class World:
    """The node: SUBSCRIBE and PUBLISH only, the sender is who From says.

    rules: pres-rules documents by user. strangers: how everybody else stands.
    """

    def __init__(
        self,
        seed: int = 1,
        settings: EventSettings | None = None,
        strangers: Standing = Standing.ALLOW,
        further: Sequence[Callable[[World], EventPackage]] = (),
        network: SimNetwork | None = None,
    ) -> None:
        self.network = network or SimNetwork(seed, latency=(0.005, 0.005))
        self.settings = settings or EventSettings()
        self.strangers = strangers
        self.further = further
        self.rules: dict[str, bytes] = {}
        self.facts: dict[str, Facts] = {}
        self.bound: dict[str, list[Target]] = {}
        self.subscriptions = Journal(self.network)
        self.publications = Journal(self.network)
        self.faults: list[Exception] = []
        self.node = self.network.node("node", NODE, on_fault=self._fault)
        self._begin()

    def _fault(self, error: Exception, where: str, flow: Flow | None, now: float) -> None:
        self.faults.append(error)

    def _begin(self) -> None:
        endpoint = self.node.endpoint
        endpoint.user = self
        clock = Clock(self.network)
        proxy = Proxy(
            endpoint,
            OwnNames(endpoint.own, ["ims.test"]),
            FlowTokens(b"k" * 32),
            lambda host, port: True,
        )
        self.authority = PresenceRules(
            lambda aor: [self.rules[aor]] if aor in self.rules else [],
            lambda aor: self.strangers,
            lambda owner, reference, watcher: False,
        )
        self.presence = PresencePackage(
            self.authority,
            lambda aor: aor.endswith("@ims.test"),
            lambda aor: self.facts.get(aor, Facts()),
            self.settings.subscription,
            self.settings.interval_s,
        )
        packages: list[EventPackage] = [self.presence]
        packages += [make(self) for make in self.further]
        self.server = PresenceServer(
            proxy,
            self,
            self.subscriptions,
            self.publications,
            packages,
            [one for one in packages if hasattr(one, "published")],  # type: ignore[misc]
            clock,
            self.settings,
            lambda: (b"Retry-After: 5",),
        )
        self.notifier = self.server.notifier

    def restart(self) -> None:
        """Kill the node and start it again on what was committed."""
        self.subscriptions.life += 1
        self.publications.life += 1
        self.node.restart(self)
        self._begin()
        now = self.network.now
        rows: list[tuple[int, KeptPublication]] = list(self.publications.rows.items())  # type: ignore[arg-type]
        self.server.compositor.restore(rows, now)
        kept: list[tuple[int, KeptSubscription]] = list(self.subscriptions.rows.items())  # type: ignore[arg-type]
        self.notifier.restore(kept, now)

    def set_rules(self, aor: str, rules: bytes) -> None:
        """Change the rules of a user, as an XCAP PUT does."""
        self.rules[aor] = rules
        self.authority.forget(aor)
        self.notifier.authorise_again("presence", aor, self.network.now)

    def targets(self, aor: str, now: float) -> list[Target]:
        return self.bound.get(aor, [])

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if request.method == "ACK":
            return
        sender = request.from_uri.aor
        if request.ruri().user:
            self.server.request(request, flow, sender, request.ruri().aor, False, now)
        else:
            self.server.in_dialog(request, flow, sender, now)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        raise AssertionError("nothing here is cancelled")

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        pass

    def run(self, seconds: float = 1.0) -> None:
        """Let time pass; no fault of our own code may have happened."""
        self.network.run(seconds)
        assert self.faults == []


class Client:
    """A device: publishes, subscribes, and answers NOTIFYs with `answer`; silent answers none."""

    def __init__(self, world: World, name: str, host: str, aor: str) -> None:
        self.world = world
        self.aor = aor
        self.name = name.encode()
        self.node = world.network.node(name, host, user=self)
        self.answer = 200
        self.answer_lines: tuple[bytes, ...] = ()
        self.silent = False
        self.notifies: list[Request] = []
        self.responses: list[Response | None] = []
        self.dialog: Dialog | None = None
        self._calls = 0
        self._last: tuple[bytes, int] = (b"", 0)

    # --- out

    def publish(
        self,
        body: bytes = b"",
        *,
        etag: bytes = b"",
        expires: int | None = 600,
        event: bytes = b"presence",
        content_type: bytes = PIDF,
        to: str = "",
        headers: Sequence[tuple[bytes, bytes]] = (),
        wait: bool = True,
    ) -> Response | None:
        """Publish; returns the final answer."""
        fields = list(headers)
        if event:
            fields.append((b"Event", event))
        if expires is not None:
            fields.append((b"Expires", b"%d" % expires))
        if etag:
            fields.append((b"SIP-If-Match", etag))
        if body:
            fields.append((b"Content-Type", content_type))
        return self._request("PUBLISH", (to or self.aor).encode(), fields, body, wait)

    def subscribe(
        self,
        to: str = ALICE,
        *,
        event: bytes = b"presence",
        expires: int | None = 600,
        accept: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        wait: bool = True,
    ) -> Response | None:
        """Subscribe anew; returns the final answer."""
        fields = self._subscription_fields(event, expires, accept, headers)
        answer = self._request("SUBSCRIBE", to.encode(), fields, body, wait)
        if answer is not None and answer.status == 200:
            self.dialog = uac_dialog(answer)
        return answer

    def refresh(
        self,
        expires: int | None = 600,
        event: bytes = b"presence",
        accept: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        wait: bool = True,
    ) -> Response | None:
        """Send a SUBSCRIBE in the dialog."""
        assert self.dialog is not None
        uri, fields = next_request(self.dialog, "SUBSCRIBE")
        fields += self._subscription_fields(event, expires, accept, headers)
        return self._send("SUBSCRIBE", uri, fields, body, wait)

    def _subscription_fields(
        self,
        event: bytes,
        expires: int | None,
        accept: bytes,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> list[tuple[bytes, bytes]]:
        host = self.node.address[0].encode()
        fields = [*headers, (b"Contact", b"<sip:%b@%b:5060>" % (self.name, host))]
        if event:
            fields.append((b"Event", event))
        if expires is not None:
            fields.append((b"Expires", b"%d" % expires))
        if accept:
            fields.append((b"Accept", accept))
        return fields

    def _request(
        self,
        method: str,
        uri: bytes,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        wait: bool,
    ) -> Response | None:
        self._calls += 1
        own = [
            (b"From", b"<%b>;tag=f%d" % (self.aor.encode(), self._calls)),
            (b"To", b"<%b>" % uri),
            (b"Call-ID", b"%b-%d" % (self.name, self._calls)),
            (b"CSeq", b"1 " + method.encode()),
        ]
        return self._send(method, uri, own + fields, body, wait)

    def _send(
        self,
        method: str,
        uri: bytes,
        fields: Sequence[tuple[bytes, bytes]],
        body: bytes,
        wait: bool,
    ) -> Response | None:
        network, endpoint = self.world.network, self.node.endpoint
        branch = endpoint.ids.branch()
        flow = self.node.transport.flow_to("UDP", NODE, 5060, network.now)
        assert flow is not None
        via_name, _, via = flow.via_line(branch).partition(b": ")
        data = build_request(
            method, uri, [(via_name, via), (b"Max-Forwards", b"70"), *fields], body
        )
        before = len(self.responses)
        endpoint.create_client(data, method, branch, flow, self, network.now)
        if not wait:
            return None
        network.run_until(lambda: len(self.responses) > before, 40.0)
        assert self.world.faults == []
        return self.responses[-1]

    def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
        if response.status >= 200:
            self.responses.append(response)

    def on_failure(self, tx: ClientTransaction, kind: int, now: float) -> None:
        self.responses.append(None)

    # --- in

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        if self.silent:
            return
        server_tx = self.node.endpoint.accept(request, flow, now)
        self.notifies.append(request)
        if self.dialog is not None and request.to_tag == self.dialog.local_tag:
            accept_request(self.dialog, request)
        self.node.endpoint.respond(server_tx, self.answer, now, None, self.answer_lines)

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        raise AssertionError("nothing here is cancelled")

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        pass

    # --- what it saw

    def states(self) -> list[bytes]:
        """Return the Subscription-State of every NOTIFY, without the seconds."""
        found = [request.get("subscription-state") or b"" for request in self.notifies]
        return [
            b";".join(p for p in state.split(b";") if not p.startswith(b"expires="))
            for state in found
        ]

    def bodies(self) -> list[bytes]:
        """Return the body of every NOTIFY."""
        return [request.body for request in self.notifies]
