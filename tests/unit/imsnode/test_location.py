"""Bindings in memory: what can be sent to, what is remembered, one change at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imsnode.location import AorRecord, Location
from imsnode.storage import AorState
from sip.flow import Flow
from sip.registrar import Binding
from sip.timers import TimerQueue

AOR = "sip:bob@ims.test"
MEMORY_S = 30 * 86400.0
LOCAL = ("192.0.2.1", 5060)


class Paths:
    """A transport that only finds flows."""

    def __init__(self) -> None:
        self.flows: dict[tuple[str, str, int], Flow] = {}

    def send(self, flow: Flow, data: bytes) -> None:
        raise AssertionError("the location sends nothing")

    def flow_to(self, transport: str, host: str, port: int, now: float) -> Flow | None:
        key = (transport, host, port)
        return self.flows.setdefault(key, Flow(transport, LOCAL, (host, port)))


class Journal:
    """Keeps rows; ``done`` is called when the test says so."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, AorState]] = []
        self.renewals: list[tuple[str, Binding]] = []
        self.waiting: list[Callable[[bool], None]] = []

    def append(
        self, aor: str, state: AorState, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        self.rows.append((aor, state))
        self.waiting.append(done)

    def renew(
        self, aor: str, binding: Binding, now: float, wall: float, done: Callable[[bool], None]
    ) -> None:
        self.renewals.append((aor, binding))
        self.waiting.append(done)


@pytest.fixture
def timers() -> TimerQueue:
    return TimerQueue()


@pytest.fixture
def paths() -> Paths:
    return Paths()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def location(paths: Paths, timers: TimerQueue, journal: Journal) -> Location:
    return Location(paths, timers, journal, MEMORY_S, lambda: 1_000_000.0)


def binding(
    contact: str = "sip:bob@198.51.100.7:5062",
    *,
    instance: str = "",
    expires_at: float = 100.0,
    q: int = 1000,
    flow: Flow | None = None,
    received: tuple[str, str, int] = ("UDP", "198.51.100.7", 5062),
    path: tuple[bytes, ...] = (),
) -> Binding:
    return Binding(
        aor=AOR, contact=contact.encode(), params=b"", q=q, expires_at=expires_at, call_id=b"c",
        cseq=1, instance=instance, reg_id=0, path=path, flow=flow, received=received,
        user_agent=b"", secure=False,
    )  # fmt: skip


def put(location: Location, *bindings: Binding, now: float = 0.0) -> AorRecord:
    record = location.claim(AOR, lambda _now: None)
    assert record is not None
    location.apply(record, bindings, now, 1_000_000.0)
    return record


def fire(timers: TimerQueue, now: float) -> None:
    for _at, target, kind in timers.pop_due(now):
        target.on_timer(kind, now)


def test_a_contact_at_its_source_address_is_dialled(location: Location) -> None:
    put(location, binding())
    (target,) = location.targets(AOR, 1.0)
    assert (target.flow.transport, target.flow.remote) == ("UDP", ("198.51.100.7", 5062))
    assert not target.bound


def test_a_natted_client_is_reached_over_its_flow(location: Location) -> None:
    flow = Flow("UDP", LOCAL, ("203.0.113.9", 40000))
    put(
        location,
        binding("sip:bob@10.0.0.5:5060", flow=flow, received=("UDP", "203.0.113.9", 40000)),
    )
    (target,) = location.targets(AOR, 1.0)
    assert target.flow is flow
    assert target.bound


def test_a_stream_client_is_reached_over_its_connection_until_that_ends(location: Location) -> None:
    flow = Flow("TCP", LOCAL, ("198.51.100.7", 41000))
    contact = "sip:bob@198.51.100.7:5062;transport=tcp"
    put(location, binding(contact, flow=flow, received=("TCP", "198.51.100.7", 41000)))
    assert location.targets(AOR, 1.0)[0].flow is flow
    flow.closed = True
    (target,) = location.targets(AOR, 1.0)
    assert target.flow.remote == ("198.51.100.7", 5062)


def test_a_contact_elsewhere_is_not_dialled(location: Location) -> None:
    put(
        location,
        binding(
            "sip:bob@127.0.0.1:25;transport=tcp",
            received=("TCP", "198.51.100.7", 41000),
            instance="i",
        ),
    )
    assert not location.targets(AOR, 1.0)
    assert location.absent_devices(AOR, 1.0) == ("i",)


def test_path_leads_through_the_edge(location: Location) -> None:
    put(location, binding(path=(b"<sip:edge@192.0.2.77:5080;lr>",)))
    (target,) = location.targets(AOR, 1.0)
    assert target.flow.remote == ("192.0.2.77", 5080)
    assert target.routes == (b"<sip:edge@192.0.2.77:5080;lr>",)


def test_better_q_comes_first_and_a_device_counts_once(location: Location) -> None:
    put(
        location,
        binding("sip:a@198.51.100.7:1001", q=100),
        binding("sip:b@198.51.100.7:1002", q=900, instance="i"),
        binding("sip:c@198.51.100.7:1003", q=800, instance="i"),
    )
    assert [t.uri for t in location.targets(AOR, 1.0)] == [
        b"sip:b@198.51.100.7:1002",
        b"sip:a@198.51.100.7:1001",
    ]


def test_the_other_flows_of_a_device_stand_behind_its_best(location: Location) -> None:
    flows = [Flow("TCP", LOCAL, ("198.51.100.7", port)) for port in (1, 2, 3)]
    put(
        location,
        *(
            binding(f"sip:bob@x.example:{n + 1}", instance="<i>", expires_at=100.0 + n, flow=flow,
                    received=("TCP", *flow.remote))
            for n, flow in enumerate(flows)
        ),
    )  # fmt: skip
    (target,) = location.targets(AOR, 1.0)
    assert target.instead is not None
    assert [target.flow, target.instead.flow] == flows[:0:-1]
    flows[2].closed = flows[1].closed = True
    (target,) = location.targets(AOR, 1.0)
    assert (target.flow, target.instead) == (flows[0], None)


def test_expiry_is_exact_and_the_device_remembered(location: Location, timers: TimerQueue) -> None:
    put(location, binding(instance="i", expires_at=100.0))
    assert location.targets(AOR, 99.9)
    assert not location.targets(AOR, 100.0)
    fire(timers, 100.0)
    assert location.binding_count == 0
    assert location.absent_devices(AOR, 100.0) == ("i",)


def test_a_refresh_moves_the_expiry(location: Location, timers: TimerQueue) -> None:
    put(location, binding(expires_at=100.0))
    put(location, binding(expires_at=200.0), now=50.0)
    fire(timers, 100.0)
    assert location.targets(AOR, 150.0)
    fire(timers, 200.0)
    assert AOR not in location.records


def test_a_device_that_returns_is_absent_no_more(location: Location) -> None:
    put(location, binding(instance="i"))
    put(location)
    assert location.absent_devices(AOR, 1.0) == ("i",)
    put(location, binding(instance="i"))
    assert location.absent_devices(AOR, 1.0) == ()


def test_the_journal_remembers_bound_and_absent_devices(
    location: Location, journal: Journal
) -> None:
    put(location, binding(instance="i"))
    record = location.claim(AOR, lambda _now: None)
    assert record is not None
    location.commit(
        record, (binding("sip:x@198.51.100.7:9", instance="j"),), 2.0, 1_000_002.0, print
    )
    _aor, state = journal.rows[-1]
    assert set(state.devices) == {"i", "j"}


def change(location: Location, *bindings: Binding) -> None:
    """Journal a change that is not committed."""
    record = location.claim(AOR, lambda _now: None)
    assert record is not None
    location.commit(record, bindings, 2.0, 1_000_002.0, print)
    location.release(record, 2.0)


def test_a_refresh_is_journalled_as_one(location: Location, journal: Journal) -> None:
    put(location, binding(instance="i"))
    refreshed = binding(instance="i", expires_at=200.0)
    change(location, refreshed)
    assert (journal.renewals, journal.rows) == ([(AOR, refreshed)], [])


@pytest.mark.parametrize(
    "bindings",
    [
        (),
        (binding(instance="j"),),
        (binding("sip:bob@198.51.100.7:9", instance="i"),),
        (binding(instance="i", q=500),),
        (binding(instance="i", received=("TCP", "198.51.100.7", 5062)),),
        (binding(instance="i", path=(b"<sip:p.test;lr>",)),),
        (binding(instance="i"), binding("sip:bob@198.51.100.7:9")),
    ],
)
def test_any_other_change_is_journalled_whole(
    location: Location, journal: Journal, bindings: tuple[Binding, ...]
) -> None:
    put(location, binding(instance="i"))
    change(location, *bindings)
    change(location, binding(instance="i"))  # nobody knows whether the change was kept
    assert journal.renewals == []
    assert list(journal.rows[0][1].bindings) == list(bindings)
    assert len(journal.rows) == 2


def test_beside_other_devices_a_refresh_is_journalled_whole(
    location: Location, journal: Journal
) -> None:
    put(location, binding(instance="j"))
    put(location, binding(instance="i"))
    change(location, binding(instance="i"))
    ((_, state),) = journal.rows
    assert set(state.devices) == {"i", "j"}


def test_what_was_read_at_the_start_is_journalled_whole(
    location: Location, journal: Journal
) -> None:
    location.restore([(AOR, AorState((binding(),), {}))], 0.0, 1_000_000.0)
    change(location, binding())
    assert len(journal.rows) == 1


def test_changes_of_one_aor_take_turns(location: Location) -> None:
    order: list[float] = []
    first = location.claim(AOR, order.append)
    assert first is not None
    assert location.claim(AOR, order.append) is None
    assert location.waiting(AOR) == 1
    location.apply(first, (binding(),), 5.0, 1_000_000.0)
    assert order == [5.0]
    assert location.waiting(AOR) == 0


def test_restore_forgets_what_is_over(location: Location, journal: Journal) -> None:
    old = 1_000_000.0 - MEMORY_S - 1
    states = [
        (AOR, AorState((binding(instance="i"),), {"i": 999_999.0, "gone": 999_000.0})),
        ("sip:old@ims.test", AorState((), {"x": old})),
    ]
    assert location.restore(states, 0.0, 1_000_000.0) == [AOR]
    assert location.absent_devices(AOR, 1.0) == ("gone",)
    assert "sip:old@ims.test" not in location.records
    aor, state = journal.rows[-1]
    assert (aor, list(state.bindings), state.devices) == ("sip:old@ims.test", [], {})


def test_nobody_leaves_no_trace(location: Location) -> None:
    assert location.targets("sip:nobody@ims.test", 0.0) == ()
    assert location.absent_devices("sip:nobody@ims.test", 0.0) == ()
    record = location.claim("sip:nobody@ims.test", lambda _now: None)
    assert record is not None
    location.release(record, 0.0)
    assert "sip:nobody@ims.test" not in location.records


def test_made_up_devices_do_not_pile_up(location: Location, timers: TimerQueue) -> None:
    for number in range(50):
        put(location, binding(instance=f"i{number}"))
    put(location)
    assert len(location.absent_devices(AOR, 1.0)) == 16
    assert "i49" in location.absent_devices(AOR, 1.0)
    location.max_devices = 4
    put(location, binding(instance="late"))
    put(location)
    assert len(location.absent_devices(AOR, 1.0)) == 4
    assert "late" in location.absent_devices(AOR, 1.0)


def test_a_tls_client_is_not_dialled_in_the_clear(location: Location) -> None:
    flow = Flow("TLS", LOCAL, ("198.51.100.7", 41000))
    contact = "sip:bob@198.51.100.7:5061"
    put(location, binding(contact, flow=flow, received=("TLS", "198.51.100.7", 41000)))
    flow.closed = True
    assert all(target.flow.secure for target in location.targets(AOR, 1.0))
