"""Whatever happens in whatever order, who follows a list ends up knowing what its members let see."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sip.testing import SimNetwork
from tests.support.presence_world import ALICE, BOB, CAROL, Client, pidf

from .test_resource_lists import CONFIRM, KNOWS, ListWorld, subscribed, told

MEMBERS = (BOB, CAROL, "sip:dave@ims.test")
SHOWN = {
    b"allow": "active no tuple",
    b"polite-block": "active closed",
    b"confirm": "pending",
    b"block": "terminated",
}
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(MEMBERS), st.sampled_from(["n1", "n2"])),
    st.tuples(st.just("unpublish"), st.sampled_from(MEMBERS), st.just("")),
    st.tuples(
        st.just("rules"), st.sampled_from(MEMBERS), st.sampled_from(sorted(SHOWN)).map(bytes.decode)
    ),
    st.tuples(st.just("members"), st.just(""), st.sampled_from(["0", "01", "12", "012"])),
    st.tuples(st.just("refresh"), st.just(""), st.just("")),
    st.tuples(st.just("restart"), st.just(""), st.just("")),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from(["0", "1", "7"])),
)


class Run:
    """One history: members publish, rules and the list change, the node restarts."""

    def __init__(self, loss: float) -> None:
        self.world = ListWorld(SimNetwork(7, latency=(0.005, 0.02), loss=loss))
        self.devices = {
            aor: Client(self.world, aor[4:8], f"192.0.2.{n}", aor)
            for n, aor in enumerate(MEMBERS, 20)
        }
        self.tags: dict[str, bytes] = {}
        self.notes: dict[str, str] = {}
        self.standings: dict[str, bytes] = {}
        self.alice = subscribed(self.world)

    def step(self, what: str, who: str, value: str) -> None:
        world = self.world
        if what == "publish":
            self._publish(who, pidf(value, who), value)
        elif what == "unpublish" and who in self.tags:
            answer = self.devices[who].publish(etag=self.tags.pop(who), expires=0)
            assert answer is not None
            del self.notes[who]
        elif what == "rules":
            self.standings[who] = value.encode()
            world.set_rules(who, CONFIRM.replace(b"confirm", value.encode()))
        elif what == "members":
            world.documents.members = [MEMBERS[int(n)] for n in value]
            world.lists.lists_changed(ALICE, world.network.now, world.network.wall)
        elif what == "refresh":
            self.alice.refresh(headers=KNOWS)
        elif what == "restart":
            world.restart()
        elif what == "wait":
            world.run(float(value))

    def _publish(self, who: str, body: bytes, note: str) -> None:
        answer = self.devices[who].publish(body, etag=self.tags.get(who, b""))
        assert answer is not None
        if answer.status == 200:
            self.tags[who] = answer.get("sip-etag") or b""
            self.notes[who] = note

    def wanted(self) -> dict[str, str]:
        shown = {}
        for aor in self.world.documents.members:
            standing = self.standings.get(aor)
            note = self.notes.get(aor, "closed")
            shown[aor] = f"active {note}" if standing is None else SHOWN[standing]
        return shown

    def known(self) -> dict[str, str]:
        """Put together what the NOTIFYs told, as RFC 4662 5.6 asks a subscriber to."""
        known: dict[str, str] = {}
        seen = -1
        for notify in self.alice.notifies:
            version, full, states = told(notify)
            if version <= seen:
                continue  # the same NOTIFY once more, its answer was lost
            assert full or version == seen + 1
            known = dict(states) if full else known | states
            seen = version
        return {
            aor: "active no tuple" if state == "active " else state for aor, state in known.items()
        }


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=10), st.sampled_from([0.0, 0.15]))
def test_who_follows_a_list_ends_up_with_what_its_members_let_see(
    steps: list[tuple[str, str, str]], loss: float
) -> None:
    run = Run(loss)
    for step in steps:
        run.step(*step)
    run.world.network.loss = 0.0
    run.world.run(60)
    assert run.known() == run.wanted()
