# SPDX-License-Identifier: Apache-2.0
"""The world of the pager with a list server and a group in it (`tests.support.pager_world`)."""

from __future__ import annotations

from collections.abc import Sequence

from imsnode.distribution import Distribution
from imsnode.groups import GroupService
from imsnode.lists import ListService
from pager import PagerSettings
from pager.fanout import Fanout
from pager.groups import Group, Groups, Senders
from pager.jobs import Jobs
from pager.tally import Tallies, TallySettings
from sip.bodies.cpim import parse_cpim
from sip.bodies.imdn import notifications
from sip.bodies.resource_lists import Entry, build_list
from sip.flow import Flow
from sip.message import Request
from sip.testing import SimNetwork
from tests.support.imdn import CPIM_TYPE, asking, telling
from tests.support.pager_world import ALICE, BOB, Sender, World

LIST, GROUP = "sip:list@ims.test", "sip:team@ims.test"
CAROL, DAVE = "sip:carol@ims.test", "sip:dave@ims.test"
EVERYBODY = (BOB, CAROL, DAVE)
WANTED = ("positive-delivery", "negative-delivery", "display")


class ListWorld(World):
    """A list server; alice has a phone, the recipients answer from addresses of their own."""

    def __init__(
        self,
        tally: TallySettings | None = None,
        settings: PagerSettings | None = None,
        network: SimNetwork | None = None,
    ) -> None:
        self.tally_settings = tally or TallySettings(wait_s=10.0)
        self.groups = Groups(
            [Group(GROUP, "sip:boss@ims.test", Senders.ANYONE, "", (BOB, CAROL, DAVE))]
        )
        super().__init__(settings=settings, network=network)
        self.phone_of_alice = self.phone("alice-phone", "198.51.100.20", "<a>", ALICE)
        self.register(self.phone_of_alice)
        self.people = {
            aor: Sender(self, f"out{n}", f"198.51.100.{40 + n}", aor)
            for n, aor in enumerate((*EVERYBODY, "sip:eve@ims.test"))
        }

    def _begin(self) -> None:
        super()._begin()
        endpoint = self.node.endpoint
        fanout = Fanout(self.pager, self.store, lambda aor: "nobody" not in aor, endpoint.ids)
        self.recall.secure = fanout.parcels.secure
        jobs = Jobs(fanout, self.store, lambda job: (), endpoint.timers, self.pager.clock)
        self.tallies = self.receipts.tallies = Tallies(
            fanout, self.store, self.groups.is_member, self.receipts.party, endpoint.timers,
            self.pager.clock, self.tally_settings,
        )  # fmt: skip
        fanout.unreached = self.tallies.failed
        distribution = Distribution(fanout, jobs, self.receipts, self.tallies)
        self.lists = ListService(
            endpoint, distribution, lambda uri: uri.aor, ["ims.test"], fanout.known, endpoint.ids
        )
        self.group_service = GroupService(
            endpoint, self.groups, distribution, to_sender=False, body_bytes=30_000, group_max=99
        )
        self.tallies.start(self.store.gathered())

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        aor = request.ruri().aor
        if aor == LIST:
            self.lists.request(request, flow, request.from_uri.aor, LIST, now)
        elif aor == GROUP:
            self.group_service.request(request, flow, request.from_uri.aor, GROUP, now)
        else:
            super().on_request(request, flow, now)

    def send_list(
        self, *recipients: str, wants: tuple[str, ...] = WANTED, copy: str = "bcc",
        more: tuple[tuple[bytes, bytes], ...] = (), content: bytes = b"",
    ) -> bytes:  # fmt: skip
        """Send a message to a list; returns its Call-ID."""
        inner = content or asking(b"id1", *wants, recipient=LIST.encode())
        body, address, headers = self.listed(recipients or EVERYBODY, inner, copy, b"message/cpim")
        call = self.alice.send(body, address, headers=[*headers, *more])
        self.network.run(1.0)
        return call

    @staticmethod
    def listed(
        recipients: Sequence[str], content: bytes, copy: str = "bcc", kind: bytes = b"text/plain"
    ) -> tuple[bytes, str, list[tuple[bytes, bytes]]]:
        """Return body, address and header lines of a message to a list."""
        document = build_list([Entry(one, copy) for one in recipients])
        body = (
            b"--b\r\nContent-Type: %b\r\n\r\n%b\r\n--b\r\n"
            b"Content-Type: application/resource-lists+xml\r\n"
            b"Content-Disposition: recipient-list\r\n\r\n%b\r\n--b--\r\n"
        ) % (kind, content, document)
        needs = (b"Require", b"recipient-list-message")
        return body, LIST, [(b"Content-Type", b'multipart/mixed;boundary="b"'), needs]

    def say(
        self, who: str, kind: str = "delivery", status: str = "delivered", number: int = 1,
        about: str = "id1",
    ) -> int:  # fmt: skip
        """Have a device of a recipient tell the sender something; returns its answer."""
        name = f"{who}-{kind}-{status}-{number}".replace(":", "").replace("@", "").encode()
        body = telling(about, kind, status, message_id=name, sender=who.encode())
        call = self.people[who].send(body, ALICE, headers=CPIM_TYPE)
        self.network.run(1.0)
        assert not self.faults
        return self.people[who].answers[call]

    def heard(self) -> list[list[tuple[str, str, str]]]:
        """What alice was told: one list for each message, with recipient, kind and status."""
        shown = [body for body in self.phone_of_alice.shown if b"imdn+xml" in body]
        return [
            [(one.recipient_uri, one.kind, one.status) for one in notifications(parse_cpim(body))]
            for body in shown
        ]
