from __future__ import annotations

import pytest

from sip.errors import LocalProtocolError
from sip.flow import Flow
from sip.message import Request, build_response
from sip.transaction import ServerTransaction
from tests.support.sip_messages import Bench, request, tcp_flow, udp_flow


class Wire:
    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    def wire(self, direction: str, flow: Flow, data: bytes, now: float) -> None:
        self.seen.append((direction, data[:12]))


def test_a_branch_is_used_once_but_for_its_cancel() -> None:
    bench = Bench()
    flow = udp_flow()
    data, tx = bench.send("INVITE", flow)
    with pytest.raises(LocalProtocolError):
        bench.layer.create_client(data, "INVITE", tx.branch, flow, None, 0.0)
    cancel = bench.layer.create_client(data, "CANCEL", tx.branch, flow, None, 0.0)
    assert cancel.branch == tx.branch
    assert cancel.key != tx.key


def test_full_counts_both_sides_and_completed_ones_apart() -> None:
    def full(bench: Bench, live: int, completed: int) -> bool:
        bench.layer.max_transactions = live
        bench.layer.max_completed = completed
        return bench.layer.is_full()

    bench = Bench()
    flow = udp_flow()
    assert not full(bench, 1, 1)
    bench.send("MESSAGE", flow)
    server_tx = bench.layer.accept(request(), flow, 0.0)
    assert full(bench, 2, 1)
    assert not full(bench, 3, 1)
    server_tx.respond(build_response(server_tx.request, 200), 200, 0.0)
    assert full(bench, 3, 1)
    assert not full(bench, 2, 2)
    layer = bench.layer
    assert (layer.server_count, layer.client_count, layer.completed_count) == (0, 1, 1)


def test_trace_hears_what_is_sent() -> None:
    bench = Bench()
    wire = bench.layer.trace = Wire()
    bench.send("MESSAGE", udp_flow())
    assert wire.seen == [("out", b"MESSAGE sip:")]


def test_one_timer_entry_lives_per_client_transaction() -> None:
    bench = Bench()
    for _ in range(10):
        bench.send("MESSAGE", udp_flow())
        bench.send("MESSAGE", tcp_flow())
    for at in (0.6, 2.0, 5.0, 20.0, 31.9):
        bench.run_to(at)
        assert len(bench.timers) == 20
    bench.run_to(32.0)
    assert len(bench.timers) == 0


def test_nothing_is_left_after_everything_ended() -> None:
    bench = Bench()
    flow = udp_flow()
    for number in range(20):
        data, _ = bench.send("INVITE" if number % 2 else "MESSAGE", flow)
        bench.answer(data, 200 if number % 3 else 486, flow)
        copy = request("INVITE" if number % 2 else "MESSAGE", branch=b"z9hG4bK%d" % number)
        server_tx = bench.layer.accept(copy, flow, 0.0)
        status = 200 if number % 3 else 500
        server_tx.respond(build_response(copy, status, to_tag=b"t"), status, 0.0)
    bench.run_to(200.0)
    assert len(bench.timers) == 0
    assert (bench.layer.clients, bench.layer.servers, bench.layer.completed) == ({}, {}, {})
    assert flow.pending == {}


def test_response_without_transaction_is_counted_and_dropped() -> None:
    bench = Bench()
    data, _ = bench.send("MESSAGE", udp_flow())
    bench.answer(data.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx"), 200, udp_flow())
    assert bench.stats.stray_responses == 1
    assert bench.user.told == []


def test_exception_of_the_user_keeps_no_other_transaction_from_expiring() -> None:
    class Broken:
        def on_request(self, request: Request, flow: Flow, now: float) -> None: ...

        def on_cancel(self, server_tx: ServerTransaction, now: float) -> None: ...

        def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
            raise RuntimeError

    bench = Bench()
    bench.layer.user = Broken()
    for number in range(3):
        bench.layer.accept(request(branch=b"z9hG4bK%d" % number), udp_flow(), 0.0)
    with pytest.raises(RuntimeError):
        bench.run_to(40.0)
    assert bench.layer.servers == {}


def test_copies_that_came_before_a_decision_make_one_transaction() -> None:
    bench = Bench()
    flow = udp_flow()
    first, copy = request(), request()
    assert not bench.layer.absorb(first, flow, 0.0)
    assert not bench.layer.absorb(copy, flow, 0.1)
    server_tx = bench.layer.accept(first, flow, 0.2)
    assert bench.layer.accept(first, flow, 0.2) is server_tx
    with pytest.raises(LocalProtocolError):
        bench.layer.accept(copy, flow, 0.2)
    assert bench.layer.find_server(copy) is server_tx
    assert bench.layer.absorb(copy, flow, 0.3)


def test_a_request_that_no_transaction_was_found_for_has_one_only() -> None:
    bench = Bench()
    flow = udp_flow()
    message = request()
    assert not bench.layer.absorb(message, flow, 0.0)
    server_tx = bench.layer.accept(message, flow, 0.0)
    assert bench.layer.accept(message, flow, 0.0) is server_tx
