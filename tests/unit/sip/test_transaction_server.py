"""Server transactions: golden timelines of RFC 3261 17.2 with RFC 4320 and RFC 6026."""

from __future__ import annotations

from typing import Any

import pytest

from sip.errors import LocalProtocolError
from sip.flow import Flow
from sip.message import Request, build_response
from sip.transaction import ServerTransaction
from sip.transaction.tables import State
from tests.support.sip_messages import Bench, request, tcp_flow, udp_flow


class Expired:
    """A transaction user that notes what expired."""

    def __init__(self) -> None:
        self.expired: list[tuple[float, str]] = []

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        raise AssertionError("the layer hands no requests up")

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        raise AssertionError("the layer hands no CANCEL up")

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        self.expired.append((round(now, 2), server_tx.method))


class Server(Bench):
    def __init__(self, method: str, flow: Flow, **fields: Any) -> None:
        super().__init__()
        self.expired = Expired()
        self.layer.user = self.expired
        self.method = method
        self.flow = flow
        self.fields = fields
        self.request = request(method, **fields)
        assert not self.layer.absorb(self.request, flow, 0.0)
        self.tx = self.layer.accept(self.request, flow, 0.0)

    def respond(self, status: int) -> bool:
        data = build_response(self.request, status, to_tag=b"us")
        return self.tx.respond(data, status, self.now)

    def again(self, method: str = "", flow: Flow | None = None) -> bool:
        copy = request(method or self.method, **self.fields)
        return self.layer.absorb(copy, flow or self.flow, self.now)

    def sent(self, status: int) -> list[float]:
        return self.transport.times(b"SIP/2.0 %d " % status)


class TestNonInvite:
    def test_final_is_resent_to_every_copy_for_64_t1(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.run_to(1.0)
        assert server.again()
        assert server.transport.sent == []
        assert server.respond(200)
        server.run_to(32.9)
        assert server.again()
        assert server.sent(200) == [1.0, 32.9]
        server.run_to(33.1)
        assert not server.again()
        assert server.layer.completed == {}
        assert server.expired.expired == []

    def test_completed_transaction_is_forgotten_but_for_key_and_octets(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.respond(202)
        assert server.layer.servers == {}
        [(data, flow)] = server.layer.completed.values()
        assert data.startswith(b"SIP/2.0 202 ")
        assert flow is server.flow
        assert server.tx.state == State.COMPLETED
        assert server.tx.final_status == 202

    def test_timer_j_is_zero_on_a_reliable_transport(self) -> None:
        server = Server("MESSAGE", tcp_flow())
        server.respond(200)
        assert server.layer.servers == {}
        assert server.layer.completed == {}
        assert not server.again()

    def test_second_final_is_dropped(self) -> None:
        server = Server("MESSAGE", udp_flow())
        assert server.respond(200)
        assert not server.respond(500)
        assert server.sent(500) == []
        assert server.tx.final_status == 200
        assert server.stats.suppressed_responses == 1

    def test_copy_from_elsewhere_is_answered_to_the_source_of_the_original(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.respond(200)
        server.again(flow=udp_flow(("198.51.100.7", 5060)))
        assert [flow for _, flow, _ in server.transport.sent] == [server.flow, server.flow]

    def test_copy_is_answered_where_it_came_from_when_the_first_flow_is_gone(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.respond(200)
        server.flow.closed = True
        other = udp_flow()
        server.again(flow=other)
        assert server.transport.sent[-1][1] is other

    def test_100_leaves_by_itself_only_after_timer_e_reached_t2(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.run_to(3.49)
        assert server.transport.sent == []
        server.run_to(3.6)
        assert server.sent(100) == [3.52]
        assert server.again()
        assert len(server.sent(100)) == 2

    def test_no_100_when_answered_in_time(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.run_to(3.0)
        server.respond(200)
        server.run_to(20.0)
        assert server.sent(100) == []

    def test_users_100_is_dropped_on_udp(self) -> None:
        server = Server("MESSAGE", udp_flow())
        assert not server.respond(100)
        assert server.transport.sent == []

    def test_users_100_passes_on_a_reliable_transport(self) -> None:
        server = Server("MESSAGE", tcp_flow())
        assert server.respond(100)
        assert server.sent(100) == [0.0]
        assert server.tx.state == State.PROCEEDING
        server.run_to(4.0)
        assert server.sent(100) == [0.0]
        server.run_to(33.0)
        assert server.expired.expired == [(32.04, "MESSAGE")]

    @pytest.mark.parametrize("status", [180, 183, 199])
    def test_other_provisionals_are_dropped_everywhere(self, status: int) -> None:
        for flow in (udp_flow(), tcp_flow()):
            server = Server("MESSAGE", flow)
            assert not server.respond(status)
            assert server.transport.sent == []

    def test_408_is_never_sent_and_the_transaction_ends_silently(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.run_to(1.0)
        assert not server.respond(408)
        assert server.again()
        server.run_to(40.0)
        assert server.sent(408) == []
        assert server.layer.servers == {}
        assert server.expired.expired == []

    def test_unanswered_request_expires_and_says_so(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.run_to(31.9)
        assert server.again()
        server.run_to(32.1)
        assert server.expired.expired == [(32.04, "MESSAGE")]
        assert server.layer.servers == {}
        assert not server.respond(200)
        assert server.sent(200) == []
        assert server.stats.server_timeouts == 1


class TestInvite:
    def test_100_after_200_ms(self) -> None:
        server = Server("INVITE", udp_flow())
        server.run_to(1.0)
        assert server.sent(100) == [0.2]
        assert server.again()
        assert server.sent(100) == [0.2, 1.0]

    def test_no_100_after_an_earlier_answer(self) -> None:
        server = Server("INVITE", udp_flow())
        server.run_to(0.1)
        server.respond(180)
        server.run_to(5.0)
        assert server.sent(100) == []
        assert server.sent(180) == [0.1]

    def test_failure_is_resent_until_timer_h(self) -> None:
        server = Server("INVITE", udp_flow())
        server.respond(486)
        server.run_to(100.0)
        times = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert server.sent(486) == times
        assert server.expired.expired == [(32.0, "INVITE")]
        assert server.layer.servers == {}

    def test_failure_on_a_reliable_transport_is_sent_once(self) -> None:
        server = Server("INVITE", tcp_flow())
        server.respond(486)
        server.run_to(100.0)
        assert server.sent(486) == [0.0]
        assert server.expired.expired == [(32.0, "INVITE")]

    def test_ack_stops_resending_and_timer_i_absorbs_copies(self) -> None:
        server = Server("INVITE", udp_flow())
        server.respond(486)
        server.run_to(0.6)
        assert server.again("ACK")
        server.run_to(2.0)
        assert server.again("ACK")
        assert server.again()
        assert server.sent(486) == [0.0, 0.5]
        server.run_to(5.5)
        assert server.tx.state == State.CONFIRMED
        server.run_to(5.7)
        assert server.layer.servers == {}
        assert server.expired.expired == []

    def test_timer_i_is_zero_on_a_reliable_transport(self) -> None:
        server = Server("INVITE", tcp_flow())
        server.respond(486)
        assert server.again("ACK")
        assert server.layer.servers == {}

    def test_2xx_goes_to_accepted_and_may_be_passed_again(self) -> None:
        server = Server("INVITE", udp_flow())
        assert server.respond(200)
        assert server.tx.state == State.ACCEPTED
        assert server.again()
        server.run_to(1.0)
        assert server.respond(200)
        assert not server.respond(486)
        assert not server.respond(180)
        assert server.sent(200) == [0.0, 1.0]
        server.run_to(31.9)
        assert server.again()
        server.run_to(32.1)
        assert server.layer.servers == {}
        assert server.sent(200) == [0.0, 1.0]
        assert server.expired.expired == []

    def test_ack_while_accepted_goes_to_the_user(self) -> None:
        server = Server("INVITE", udp_flow())
        server.respond(200)
        assert not server.again("ACK")

    def test_ack_before_any_final_is_eaten(self) -> None:
        server = Server("INVITE", udp_flow())
        assert server.again("ACK")

    def test_second_failure_is_dropped(self) -> None:
        server = Server("INVITE", udp_flow())
        server.respond(486)
        assert not server.respond(200)
        assert server.tx.final_status == 486

    def test_copy_gets_the_last_provisional(self) -> None:
        server = Server("INVITE", udp_flow())
        server.respond(180)
        server.respond(183)
        server.again()
        assert len(server.sent(180)) == 1
        assert len(server.sent(183)) == 2


class TestMatching:
    def test_accept_refuses_ack_and_a_second_transaction(self) -> None:
        server = Server("MESSAGE", udp_flow())
        with pytest.raises(LocalProtocolError):
            server.layer.accept(request("MESSAGE"), server.flow, 0.0)
        with pytest.raises(LocalProtocolError):
            server.layer.accept(request("ACK"), server.flow, 0.0)
        server.respond(200)
        with pytest.raises(LocalProtocolError):
            server.layer.accept(request("MESSAGE"), server.flow, 0.0)

    @pytest.mark.parametrize(
        "other",
        [
            {"branch": b"z9hG4bKother"},
            {"sent_by": b"192.0.2.10:5070"},
            {"sent_by": b"192.0.2.9"},
        ],
    )
    def test_branch_and_sent_by_make_the_transaction(self, other: dict[str, Any]) -> None:
        server = Server("MESSAGE", udp_flow())
        assert not server.layer.absorb(request("MESSAGE", **other), server.flow, 0.0)

    def test_method_makes_the_transaction(self) -> None:
        server = Server("MESSAGE", udp_flow())
        assert not server.layer.absorb(request("OPTIONS"), server.flow, 0.0)
        assert not server.layer.absorb(request("FOO"), server.flow, 0.0)

    def test_nothing_else_makes_the_transaction(self) -> None:
        server = Server("MESSAGE", udp_flow())
        copy = request("MESSAGE", call_id=b"x", cseq=9, sent_by=b"192.0.2.9:5070")
        assert server.layer.absorb(copy, server.flow, 0.0)

    @pytest.mark.parametrize("branch", [b"", b"z9hG4bK", b"oldstyle1"])
    def test_old_peers_are_matched_by_the_whole_request(self, branch: bytes) -> None:
        server = Server("MESSAGE", udp_flow(), branch=branch)
        assert server.again()
        for change in ({"cseq": 2}, {"call_id": b"other"}, {"uri": b"sip:carol@ims.test"}):
            other = request("MESSAGE", branch=branch, **change)
            assert not server.layer.absorb(other, server.flow, 0.0)

    def test_ack_of_an_old_peer_finds_its_invite(self) -> None:
        server = Server("INVITE", udp_flow(), branch=b"")
        server.respond(486)
        ack = request("ACK", branch=b"", to_tag=b"us")
        assert server.layer.absorb(ack, server.flow, 0.0)
        assert server.tx.state == State.CONFIRMED

    def test_cancel_finds_the_request_it_means(self) -> None:
        for method in ("INVITE", "MESSAGE"):
            server = Server(method, udp_flow())
            assert server.layer.find_server(request("CANCEL")) is server.tx
            assert server.layer.find_server(request(method)) is server.tx
            assert server.layer.find_server(request("CANCEL", branch=b"z9hG4bKno")) is None
            assert not server.layer.absorb(request("CANCEL"), server.flow, 0.0)

    def test_cancel_after_the_answer_is_recognised(self) -> None:
        server = Server("MESSAGE", udp_flow())
        server.respond(200)
        assert server.layer.find_server(request("CANCEL")) is None
        assert server.layer.has_completed(request("CANCEL"))
        assert not server.layer.has_completed(request("CANCEL", branch=b"z9hG4bKno"))
