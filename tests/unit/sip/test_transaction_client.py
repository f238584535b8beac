"""Client transactions: golden timelines of RFC 3261 17.1 with RFC 6026."""

from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.message import Request, Response
from sip.parser import parse_message
from sip.timers import TimerConfig
from sip.transaction import ClientTransaction
from sip.transaction.tables import State
from tests.support.sip_messages import (
    LIMITS,
    Bench,
    RecordingUser,
    request_bytes,
    response,
    tcp_flow,
    udp_flow,
)

E_TIMES = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


class TestNonInvite:
    def test_resends_and_gives_up_as_the_rfc_says(self) -> None:
        bench = Bench()
        bench.send("MESSAGE", udp_flow())
        bench.run_to(100.0)
        assert bench.transport.times(b"MESSAGE") == E_TIMES
        assert bench.user.told == [(32.0, "timeout")]
        assert bench.layer.clients == {}
        assert bench.stats.resent == 10

    def test_goes_on_every_t2_after_a_provisional(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("MESSAGE", flow)
        bench.run_to(0.2)
        bench.answer(data, 100, flow)
        bench.run_to(100.0)
        expected = [0.0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
        assert bench.transport.times(b"MESSAGE") == expected
        assert bench.user.told == [(0.2, "100"), (32.0, "timeout")]

    def test_reliable_transport_sends_once(self) -> None:
        bench = Bench()
        bench.send("MESSAGE", tcp_flow())
        bench.run_to(100.0)
        assert bench.transport.times(b"MESSAGE") == [0.0]
        assert bench.user.told == [(32.0, "timeout")]

    def test_other_base_values_scale_the_timeline(self) -> None:
        bench = Bench(TimerConfig(t1=0.1, t2=0.4))
        bench.send("MESSAGE", udp_flow())
        bench.run_to(2.0)
        assert bench.transport.times(b"MESSAGE") == [0.0, 0.1, 0.3, 0.7, 1.1, 1.5, 1.9]

    @pytest.mark.parametrize("status", [200, 202, 302, 404, 503, 603])
    def test_final_ends_resending_and_is_told_once(self, status: int) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("MESSAGE", flow)
        bench.run_to(0.7)
        bench.answer(data, status, flow)
        assert tx.data == b""
        assert tx.user is None
        assert flow.pending == {}
        bench.answer(data, status, flow)
        bench.answer(data, 100, flow)
        bench.run_to(100.0)
        assert bench.transport.times(b"MESSAGE") == [0.0, 0.5]
        assert bench.user.told == [(0.7, str(status))]
        assert bench.stats.stray_responses == 0

    def test_timer_k_absorbs_copies_for_t4(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("MESSAGE", flow)
        bench.answer(data, 200, flow)
        bench.run_to(4.9)
        bench.answer(data, 200, flow)
        assert bench.stats.stray_responses == 0
        bench.run_to(5.02)
        assert bench.layer.clients == {}
        bench.answer(data, 200, flow)
        assert bench.stats.stray_responses == 1
        assert bench.user.told == [(0.0, "200")]

    def test_context_is_let_go_after_the_final(self) -> None:
        bench = Bench()
        flow = udp_flow()
        seen: list[object] = []

        class User(RecordingUser):
            def on_response(self, tx: ClientTransaction, response: Response, now: float) -> None:
                seen.append(tx.context)

        bench.user = User()
        data, tx = bench.send("MESSAGE", flow)
        tx.context = bench
        bench.answer(data, 100, flow)
        bench.answer(data, 200, flow)
        assert seen == [bench, bench]
        assert tx.context is None

    def test_timer_k_is_zero_on_a_reliable_transport(self) -> None:
        bench = Bench()
        flow = tcp_flow()
        data, tx = bench.send("MESSAGE", flow)
        bench.answer(data, 200, flow)
        assert bench.layer.clients == {}
        assert tx.state == State.TERMINATED
        assert bench.user.told == [(0.0, "200")]

    def test_cancel_has_no_effect(self) -> None:
        bench = Bench()
        _, tx = bench.send("MESSAGE", udp_flow())
        tx.cancel(0.0)
        assert bench.transport.times(b"CANCEL") == []

    def test_lost_flow_is_told_at_the_next_timeout(self) -> None:
        bench = Bench()
        flow = tcp_flow()
        bench.send("MESSAGE", flow)
        bench.send("OPTIONS", flow)
        bench.run_to(1.0)
        bench.layer.flow_failed(flow, bench.now)
        assert bench.user.told == []
        bench.run_to(1.0)
        assert bench.user.told == [(1.0, "transport"), (1.0, "transport")]
        assert bench.layer.clients == {}
        bench.run_to(100.0)
        assert len(bench.user.told) == 2

    def test_closed_flow_fails_at_once_without_sending(self) -> None:
        bench = Bench()
        flow = tcp_flow()
        flow.closed = True
        bench.send("MESSAGE", flow)
        bench.run_to(0.0)
        assert bench.transport.sent == []
        assert bench.user.told == [(0.0, "transport")]

    def test_lost_flow_after_the_final_means_nothing(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("MESSAGE", flow)
        bench.answer(data, 200, flow)
        bench.layer.flow_failed(flow, bench.now)
        bench.run_to(1.0)
        assert bench.user.told == [(0.0, "200")]

    def test_abandoned_user_hears_nothing_more(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("MESSAGE", flow)
        tx.abandon()
        bench.run_to(0.5)
        bench.answer(data, 200, flow)
        bench.run_to(100.0)
        assert bench.user.told == []
        assert bench.layer.clients == {}


class TestInvite:
    def test_resends_doubling_and_gives_up(self) -> None:
        bench = Bench()
        bench.send("INVITE", udp_flow())
        bench.run_to(100.0)
        assert bench.transport.times(b"INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        assert bench.user.told == [(32.0, "timeout")]

    def test_reliable_transport_sends_once(self) -> None:
        bench = Bench()
        bench.send("INVITE", tcp_flow())
        bench.run_to(100.0)
        assert bench.transport.times(b"INVITE") == [0.0]
        assert bench.user.told == [(32.0, "timeout")]

    def test_provisional_stops_resending_and_the_timeout(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("INVITE", flow)
        bench.run_to(0.6)
        bench.answer(data, 180, flow)
        bench.run_to(300.0)
        assert bench.transport.times(b"INVITE") == [0.0, 0.5]
        assert bench.user.told == [(0.6, "180")]

    def test_failure_is_acknowledged_again_for_every_copy(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("INVITE", flow)
        bench.run_to(0.1)
        bench.answer(data, 486, flow)
        bench.run_to(0.6)
        bench.answer(data, 486, flow)
        assert bench.transport.times(b"ACK") == [0.1, 0.6]
        assert bench.user.told == [(0.1, "486")]
        assert tx.data == b""
        bench.run_to(32.0)
        assert tx.state == State.COMPLETED
        bench.run_to(32.1)
        assert bench.layer.clients == {}

    def test_timer_d_is_zero_on_a_reliable_transport(self) -> None:
        bench = Bench()
        flow = tcp_flow()
        data, tx = bench.send("INVITE", flow)
        bench.answer(data, 486, flow)
        assert bench.transport.times(b"ACK") == [0.0]
        assert bench.layer.clients == {}
        assert tx.state == State.TERMINATED
        assert bench.user.told == [(0.0, "486")]

    def test_ack_is_built_as_17_1_1_3_says(self) -> None:
        bench = Bench()
        flow = udp_flow()
        route = b"Route: <sip:p1.ims.test;lr>, <sip:p2.ims.test;lr>"
        data, tx = bench.send("INVITE", flow, extra=(route,), body=b"v=0\r\n", cseq=77)
        bench.answer(data, 404, flow, to_tag=b"far")
        ack = parse_message(bench.transport.sent[-1][2], LIMITS)
        assert isinstance(ack, Request)
        assert ack.method == "ACK"
        assert ack.cseq == 77
        assert ack.uri == b"sip:bob@ims.test"
        assert ack.via_count == 1
        assert ack.via.branch == tx.branch
        assert ack.to_tag == b"far"
        assert ack.from_tag == b"from1"
        assert ack.call_id == b"call-1"
        assert ack.get_all("route") == [b"<sip:p1.ims.test;lr>, <sip:p2.ims.test;lr>"]
        assert ack.body == b""

    def test_every_2xx_is_told_while_accepted(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("INVITE", flow)
        bench.answer(data, 180, flow)
        bench.run_to(1.0)
        bench.answer(data, 200, flow, to_tag=b"a")
        bench.run_to(2.0)
        bench.answer(data, 200, flow, to_tag=b"b")
        bench.answer(data, 486, flow)
        bench.answer(data, 183, flow)
        bench.run_to(33.0)
        assert bench.layer.clients == {}
        bench.answer(data, 200, flow)
        assert bench.user.told == [(0.0, "180"), (1.0, "200"), (2.0, "200")]
        assert bench.transport.times(b"ACK") == []

    def test_lost_flow_while_calling(self) -> None:
        bench = Bench()
        flow = tcp_flow()
        bench.send("INVITE", flow)
        bench.layer.flow_failed(flow, 0.0)
        bench.run_to(0.0)
        assert bench.user.told == [(0.0, "transport")]

    def test_lost_flow_while_proceeding_waits_for_an_answer_by_another_way(self) -> None:
        bench = Bench()
        flow = tcp_flow()
        data, _ = bench.send("INVITE", flow)
        bench.answer(data, 180, flow)
        bench.layer.flow_failed(flow, 0.0)
        bench.run_to(1.0)
        bench.answer(data, 200, tcp_flow(("192.0.2.9", 41000)))
        assert bench.user.told == [(0.0, "180"), (1.0, "200")]


class TestCancel:
    def test_leaves_at_once_after_a_provisional(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("INVITE", flow, extra=(b"Route: <sip:p.ims.test;lr>",))
        bench.answer(data, 180, flow)
        tx.cancel(0.0)
        tx.cancel(0.0)
        assert bench.transport.times(b"CANCEL") == [0.0]
        cancel = parse_message(bench.transport.sent[-1][2], LIMITS)
        assert isinstance(cancel, Request)
        assert (cancel.method, cancel.cseq, cancel.via_count) == ("CANCEL", 1, 1)
        assert cancel.via.branch == tx.branch
        assert cancel.to_tag == b""
        assert cancel.get_all("route") == [b"<sip:p.ims.test;lr>"]

    def test_waits_for_the_first_provisional(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("INVITE", flow)
        tx.cancel(0.0)
        bench.run_to(0.3)
        assert bench.transport.times(b"CANCEL") == []
        bench.answer(data, 100, flow)
        assert bench.transport.times(b"CANCEL") == [0.3]

    def test_answer_to_cancel_is_swallowed_and_the_487_is_told(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("INVITE", flow)
        bench.answer(data, 180, flow)
        tx.cancel(0.0)
        bench.answer(bench.transport.sent[-1][2], 200, flow)
        bench.answer(data, 487, flow)
        assert bench.user.told == [(0.0, "180"), (0.0, "487")]
        assert bench.transport.times(b"ACK") == [0.0]
        bench.run_to(100.0)
        assert bench.layer.clients == {}

    def test_silence_after_cancel_ends_after_64_t1(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("INVITE", flow)
        bench.answer(data, 180, flow)
        bench.run_to(10.0)
        tx.cancel(10.0)
        bench.run_to(100.0)
        assert bench.user.told == [(0.0, "180"), (42.0, "timeout")]
        assert bench.layer.clients == {}

    def test_final_before_any_provisional_sends_no_cancel(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, tx = bench.send("INVITE", flow)
        tx.cancel(0.0)
        bench.answer(data, 486, flow)
        tx.cancel(0.0)
        assert bench.transport.times(b"CANCEL") == []


class TestVia:
    def test_a_foreign_sent_by_is_no_answer_to_us(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("MESSAGE", flow)
        forged = response(data.replace(b"192.0.2.1:5060", b"192.0.2.66:5060"), 200)
        bench.layer.receive_response(forged, flow, 0.0)
        assert bench.user.told == []
        assert bench.stats.stray_responses == 1

    def test_an_advertised_name_in_our_via_is_ours(self) -> None:
        bench = Bench()
        flow = udp_flow()
        branch = bench.ids.branch()
        data = b"\r\n".join(
            (
                b"OPTIONS sip:bob@ims.test SIP/2.0",
                b"Via: SIP/2.0/UDP SIP.ims.test;rport;branch=" + branch,
                b"From: <sip:a@ims.test>;tag=1",
                b"To: <sip:b@ims.test>",
                b"Call-ID: c",
                b"CSeq: 1 OPTIONS",
                b"\r\n",
            )
        )
        bench.layer.create_client(data, "OPTIONS", branch, flow, bench.user, 0.0)
        bench.answer(data, 200, flow)
        assert bench.user.told == [(0.0, "200")]

    def test_failure_under_an_advertised_name_is_acknowledged_again(self) -> None:
        bench = Bench()
        flow = udp_flow()
        branch = bench.ids.branch()
        data = request_bytes("INVITE", branch=branch, sent_by=b"sip.ims.test")
        bench.layer.create_client(data, "INVITE", branch, flow, bench.user, 0.0)
        bench.answer(data, 486, flow)
        bench.answer(data, 486, flow)
        assert bench.transport.times(b"ACK") == [0.0, 0.0]
        assert bench.stats.stray_responses == 0

    def test_method_of_the_response_must_match(self) -> None:
        bench = Bench()
        flow = udp_flow()
        data, _ = bench.send("MESSAGE", flow)
        bench.answer(
            data.replace(b"1 MESSAGE", b"1 OPTIONS").replace(b"MESSAGE sip", b"OPTIONS sip"),
            200,
            flow,
        )
        assert bench.user.told == []
        assert bench.stats.stray_responses == 1


def test_flow_is_compared_by_identity_in_pending() -> None:
    bench = Bench()
    first, second = udp_flow(), udp_flow()
    bench.send("MESSAGE", first)
    assert first.pending
    assert second.pending is None
    assert isinstance(first, Flow)
