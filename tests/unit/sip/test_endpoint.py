from __future__ import annotations

from typing import Any

import pytest

from sip.endpoint import Endpoint
from sip.errors import ParseError
from sip.flow import Flow
from sip.ids import SeededIds
from sip.limits import Limits
from sip.message import Request, Response
from sip.parser import parse_message
from sip.transaction import ServerTransaction
from tests.support.sip_messages import (
    LIMITS,
    LOCAL,
    REMOTE,
    RecordingTransport,
    RecordingUser,
    request,
    request_bytes,
    response_bytes,
    tcp_flow,
    udp_flow,
)


class User:
    """A transaction user that does what the test tells it to."""

    def __init__(self) -> None:
        self.endpoint: Endpoint | None = None
        self.requests: list[Request] = []
        self.cancelled: list[ServerTransaction] = []
        self.transactions: list[ServerTransaction] = []
        self.accept = True
        self.fault: Exception | None = None
        self.steps: list[Step] = []
        self.put_off: list[bool] = []
        self.told: list[tuple[float, str]] = []

    def on_request(self, request: Request, flow: Flow, now: float) -> None:
        self.requests.append(request)
        assert self.endpoint is not None
        if self.accept and request.method != "ACK":
            self.transactions.append(self.endpoint.accept(request, flow, now))
        self.told.append((now, "request"))
        if self.steps:
            step = self.steps.pop(0)
            self.put_off.append(self.endpoint.put_off(step, self.transactions[-1]))
        if self.fault is not None:
            raise self.fault

    def on_cancel(self, server_tx: ServerTransaction, now: float) -> None:
        self.cancelled.append(server_tx)
        assert self.endpoint is not None
        self.endpoint.respond(server_tx, 487, now)

    def on_expired(self, server_tx: ServerTransaction, now: float) -> None:
        raise AssertionError("nothing expires here")


class Node:
    def __init__(self, **options: Any) -> None:
        self.transport = RecordingTransport()
        self.user = User()
        self.faults: list[tuple[str, str]] = []
        self.done: list[str] = []
        self.endpoint = Endpoint(
            self.transport, self.user, SeededIds(5), on_fault=self.on_fault, **options
        )
        self.user.endpoint = self.endpoint

    def on_fault(self, error: Exception, where: str, flow: Flow | None, now: float) -> None:
        self.faults.append((type(error).__name__, where))

    def datagram(self, data: bytes, flow: Flow | None = None, now: float = 0.0) -> list[bytes]:
        before = len(self.transport.sent)
        self.endpoint.receive_datagram(data, flow or udp_flow(), now)
        return [sent for _, _, sent in self.transport.sent[before:]]

    def message(self, data: bytes, flow: Flow | None = None, now: float = 0.0) -> list[bytes]:
        before = len(self.transport.sent)
        self.endpoint.receive_message(data, flow or tcp_flow(), now)
        return [sent for _, _, sent in self.transport.sent[before:]]

    @property
    def stats(self) -> Any:
        return self.endpoint.stats


def parsed(data: bytes) -> Response:
    message = parse_message(data, LIMITS)
    assert isinstance(message, Response)
    return message


class TestTogether:
    def test_each_is_handled_in_turn_whatever_becomes_of_the_others(self) -> None:
        node = Node()
        good = [request_bytes(branch=b"z9hG4bK%d" % number) for number in range(20)]
        payloads = [*good[:3], b"\r\n\r\n", good[3].replace(b"CSeq", b"Xseq"), *good[4:]]
        node.endpoint.receive_datagrams(payloads, [udp_flow()] * len(payloads), 0.0)
        taken = [request.branch.decode() for request in node.user.requests]
        assert taken == [f"z9hG4bK{number}" for number in range(20) if number != 3]
        assert (node.stats.ignored, node.stats.malformed) == (1, 1)

    def test_a_fault_hurts_one_of_them_only(self) -> None:
        node = Node()
        node.user.fault = RuntimeError()
        payloads = [request_bytes(branch=b"z9hG4bK%d" % number) for number in range(3)]
        node.endpoint.receive_datagrams(payloads, [udp_flow()] * 3, 0.0)
        assert len(node.user.requests) == 3
        assert node.stats.faults == 3

    def test_answers_are_acted_on_before_requests(self) -> None:
        node = Node()
        sender = RecordingUser()
        sent = request_bytes(branch=b"z9hG4bKsent")
        node.endpoint.create_client(sent, "MESSAGE", b"z9hG4bKsent", udp_flow(), sender, 0.0)
        node.user.told = sender.told
        payloads = [request_bytes(branch=b"z9hG4bKnew"), response_bytes(sent, 200)]
        node.endpoint.receive_datagrams(payloads, [udp_flow()] * 2, 0.0)
        assert sender.told == [(0.0, "200"), (0.0, "request")]


class Step:
    """Work that tells when it is done, and fails or is followed by more as the test wants it."""

    def __init__(self, node: Node, name: str, fault: Exception | None = None) -> None:
        self.node = node
        self.name = name
        self.fault = fault
        self.next: Step | None = None

    def proceed(self, now: float) -> None:
        self.node.done.append(self.name)
        if self.next is not None:
            self.node.endpoint.put_off(self.next, None)
        if self.fault is not None:
            raise self.fault


class TestPutOff:
    def test_nothing_is_put_off_where_nothing_else_came(self) -> None:
        node = Node()
        node.user.steps = [Step(node, "one")]
        node.datagram(request_bytes())
        assert node.user.put_off == [False]
        assert node.done == []

    def test_steps_are_taken_by_all_before_the_next_one(self) -> None:
        node = Node()
        node.user.steps = [Step(node, "a1"), Step(node, "b1"), Step(node, "c1")]
        node.user.steps[0].next = Step(node, "a2")
        node.user.steps[1].next = Step(node, "b2")
        payloads = [request_bytes(branch=b"z9hG4bK%d" % number) for number in range(3)]
        node.endpoint.receive_datagrams(payloads, [udp_flow()] * 3, 0.0)
        assert node.user.put_off == [True] * 3
        assert node.done == ["a1", "b1", "c1", "a2", "b2"]

    def test_a_cancel_overtakes_nothing(self) -> None:
        node = Node()
        step = Step(node, "invited")
        node.user.steps = [step]
        node.user.on_cancel = lambda *_: node.done.append("cancelled")  # type: ignore[method-assign]
        flows = [udp_flow()] * 2
        node.endpoint.receive_datagrams(
            [request_bytes("INVITE"), request_bytes("CANCEL")], flows, 0.0
        )
        assert node.done == ["invited", "cancelled"]

    @pytest.mark.parametrize(
        ("fault", "status", "counted"),
        [(RuntimeError(), b"500", 1), (ParseError("Contact", "Bad Contact"), b"400", 0)],
    )
    def test_what_fails_later_is_answered_alone(
        self, fault: Exception, status: bytes, counted: int
    ) -> None:
        node = Node()
        node.user.steps = [Step(node, "one"), Step(node, "two", fault), Step(node, "three")]
        payloads = [request_bytes(branch=b"z9hG4bK%d" % number) for number in range(3)]
        node.endpoint.receive_datagrams(payloads, [udp_flow()] * 3, 0.0)
        assert node.done == ["one", "two", "three"]
        (answer,) = [sent for _, _, sent in node.transport.sent]
        assert answer[8:11] == status
        assert b"z9hG4bK1" in answer
        assert node.stats.faults == counted


class TestDatagrams:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00",
            b"\x00" * 40,
            b"\r\n\r\n",
            b"\r\n",
            b"\x00\x01\x00\x04\x21\x12\xa4\x42abcdefghijkl",
            b"\r\n" * 40,
            b"jaK",
            b"\xff" * 100,
        ],
    )
    def test_what_is_not_sip_is_ignored_silently(self, data: bytes) -> None:
        node = Node()
        assert node.datagram(data) == []
        assert node.stats.ignored == 1
        assert node.stats.malformed == 0

    def test_empty_lines_before_the_start_line_are_skipped(self) -> None:
        node = Node()
        node.datagram(b"\r\n\r\n" + request_bytes())
        assert len(node.user.requests) == 1

    @pytest.mark.parametrize("port", [0, 7, 19, 53, 123])
    def test_ports_that_echo_are_never_answered(self, port: int) -> None:
        node = Node()
        assert node.datagram(request_bytes(), udp_flow(("192.0.2.9", port))) == []
        assert (
            node.datagram(b"garbage garbage SIP/2.0\r\n\r\n", udp_flow(("192.0.2.9", port))) == []
        )
        assert node.stats.refused_source == 2
        assert node.user.requests == []

    def test_ourselves_are_never_answered(self) -> None:
        node = Node()
        node.endpoint.own.add(("192.0.2.1", 5080))
        for remote in (LOCAL, ("192.0.2.1", 5080)):
            assert node.datagram(request_bytes(), udp_flow(remote)) == []
        assert node.stats.refused_source == 2

    def test_admit_is_asked_before_parsing(self) -> None:
        node = Node()
        asked: list[tuple[int, float]] = []

        def admit(flow: Flow, size: int, now: float) -> bool:
            asked.append((size, now))
            return False

        node.endpoint.admit = admit
        assert node.datagram(b"x" * 50, now=3.0) == []
        assert asked == [(50, 3.0)]
        assert (node.stats.banned, node.stats.malformed) == (1, 0)

    def test_source_is_noted_for_received_and_rport(self) -> None:
        node = Node()
        node.datagram(request_bytes(sent_by=b"10.0.0.5"), udp_flow(("198.51.100.4", 3456)))
        [message] = node.user.requests
        assert (message.received_host, message.received_port) == ("198.51.100.4", 3456)
        [server_tx] = node.user.transactions
        node.endpoint.respond(server_tx, 200, 0.0)
        via = parsed(node.transport.sent[-1][2]).via
        assert via.received == b"198.51.100.4"
        assert b"rport=3456" in via.raw

    def test_trace_hears_both_ways(self) -> None:
        node = Node()
        seen: list[tuple[str, bytes]] = []

        class Wire:
            def wire(self, direction: str, flow: Flow, data: bytes, now: float) -> None:
                seen.append((direction, data[:7]))

        node.endpoint.trace = Wire()
        assert node.endpoint.trace is not None
        node.datagram(request_bytes())
        node.endpoint.respond(node.user.transactions[0], 200, 0.0)
        assert seen == [("in", b"MESSAGE"), ("out", b"SIP/2.0")]


class TestRequests:
    def test_retransmission_never_reaches_the_user(self) -> None:
        node = Node()
        node.datagram(request_bytes())
        node.datagram(request_bytes())
        node.endpoint.respond(node.user.transactions[0], 202, 0.0)
        assert len(node.datagram(request_bytes())) == 1
        assert len(node.user.requests) == 1
        assert node.stats.retransmissions_in == 2

    def test_stray_ack_reaches_the_user_and_is_never_answered(self) -> None:
        node = Node()
        assert node.datagram(request_bytes("ACK")) == []
        assert node.user.requests[0].method == "ACK"
        assert not node.endpoint.reply(node.user.requests[0], udp_flow(), 481, 0.0)
        assert node.transport.sent == []

    def test_ack_for_a_failure_is_eaten(self) -> None:
        node = Node()
        node.datagram(request_bytes("INVITE"))
        node.endpoint.respond(node.user.transactions[0], 486, 0.0)
        node.datagram(request_bytes("ACK", to_tag=b"x"))
        assert [r.method for r in node.user.requests] == ["INVITE"]

    def test_full_table_refuses_new_requests_only(self) -> None:
        node = Node(max_transactions=1)
        node.datagram(request_bytes())
        [refusal] = node.datagram(request_bytes(branch=b"z9hG4bKnew"))
        message = parsed(refusal)
        assert message.status == 503
        assert 5 <= int(message.get("retry-after") or b"") <= 30
        assert node.datagram(request_bytes(branch=b"z9hG4bKnew")) == [refusal]
        assert node.stats.shed == 2
        node.datagram(request_bytes())
        assert node.stats.retransmissions_in == 1
        node.endpoint.respond(node.user.transactions[0], 200, 0.0)
        node.datagram(request_bytes(branch=b"z9hG4bKnew"))
        assert len(node.user.transactions) == 2

    def test_completed_transactions_are_bounded_too(self) -> None:
        node = Node(max_completed=1)
        node.datagram(request_bytes())
        node.endpoint.respond(node.user.transactions[0], 200, 0.0)
        [refusal] = node.datagram(request_bytes(branch=b"z9hG4bKnew"))
        assert parsed(refusal).status == 503

    def test_without_a_user_everything_new_is_refused(self) -> None:
        node = Node()
        node.endpoint.user = None
        assert parsed(node.datagram(request_bytes())[0]).status == 503
        assert node.datagram(request_bytes("ACK")) == []

    @pytest.mark.parametrize(
        ("status", "change"),
        [
            (400, (b"CSeq: 1 MESSAGE", b"CSeq: 1 OPTIONS")),
            (505, (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia")),
            (400, (b"Max-Forwards: 70", b"Max-Forwards: many")),
            (400, (b"Content-Length: 0", b"Content-Length: 9999")),
        ],
    )
    def test_broken_request_is_answered_by_what_is_wrong(
        self, status: int, change: tuple[bytes, bytes]
    ) -> None:
        node = Node()
        [answer] = node.datagram(request_bytes().replace(*change))
        assert answer.startswith(b"SIP/2.0 %d " % status)
        assert b";received=" in answer or b"rport=5070" in answer
        assert b";tag=" in answer.partition(b"To:")[2]
        assert node.stats.malformed == 1
        assert node.user.requests == []

    def test_refusals_are_counted_by_reason_in_a_bounded_table(self) -> None:
        node = Node()
        node.datagram(request_bytes().replace(b"CSeq: 1 MESSAGE", b"CSeq: 1 OPTIONS"))
        node.datagram(request_bytes().replace(b"Max-Forwards: 70", b"Max-Forwards: many"))
        node.endpoint.user = None
        node.datagram(request_bytes())
        refusals = node.stats.refusals
        assert refusals == {(400, b"Bad Request"): 2, (503, b""): 1}
        for number in range(1000):
            node.stats.refuse(403, b"reason %d" % number)
        assert len(refusals) <= 129
        assert sum(refusals.values()) == 1003

    def test_too_large_is_answered_without_parsing_it(self) -> None:
        node = Node(limits=Limits(message_bytes=2000))
        [answer] = node.datagram(request_bytes(body=b"x" * 2000))
        assert answer.startswith(b"SIP/2.0 513 ")

    @pytest.mark.parametrize(
        "data",
        [
            b"hello, is this a telephone?",
            b"SIP/2.0 200 OK\r\nVia: nonsense\r\n\r\n",
            request_bytes("ACK").replace(b"CSeq: 1 ACK", b"CSeq: 1 INVITE"),
        ],
    )
    def test_what_cannot_be_answered_is_dropped(self, data: bytes) -> None:
        node = Node()
        assert node.datagram(data) == []
        assert node.stats.malformed == 1

    def test_stream_out_of_step_is_marked_broken(self) -> None:
        node = Node()
        flow = tcp_flow()
        data = request_bytes(transport=b"TCP").replace(b"Max-Forwards: 70", b"Max-\x00Forwards: 70")
        node.message(data, flow)
        assert flow.broken
        healthy = tcp_flow()
        node.message(request_bytes(transport=b"TCP"), healthy)
        assert not healthy.broken


class TestCancel:
    def test_is_answered_and_told(self) -> None:
        node = Node()
        node.datagram(request_bytes("INVITE"))
        answers = [parsed(data) for data in node.datagram(request_bytes("CANCEL"))]
        assert [(a.status, a.method) for a in answers] == [(200, "CANCEL"), (487, "INVITE")]
        assert answers[0].to_tag == answers[1].to_tag != b""
        assert node.user.cancelled == node.user.transactions

    def test_repeated_gets_the_same_answer_and_is_told_once(self) -> None:
        node = Node()
        node.datagram(request_bytes("INVITE"))
        first = node.datagram(request_bytes("CANCEL"))[0]
        assert node.datagram(request_bytes("CANCEL")) == [first]
        assert len(node.user.cancelled) == 1

    def test_without_transaction_is_481(self) -> None:
        node = Node()
        [answer] = node.datagram(request_bytes("CANCEL"))
        assert parsed(answer).status == 481

    def test_from_another_host_is_481(self) -> None:
        node = Node()
        node.datagram(request_bytes("INVITE"))
        [answer] = node.datagram(request_bytes("CANCEL"), udp_flow(("198.51.100.6", 5070)))
        assert parsed(answer).status == 481
        assert node.user.cancelled == []

    def test_for_a_non_invite_is_200_without_effect(self) -> None:
        node = Node()
        node.datagram(request_bytes("MESSAGE"))
        assert parsed(node.datagram(request_bytes("CANCEL"))[0]).status == 200
        node.endpoint.respond(node.user.transactions[0], 200, 0.0)
        assert parsed(node.datagram(request_bytes("CANCEL"))[0]).status == 200
        assert node.user.cancelled == []

    def test_after_the_final_response_has_no_effect(self) -> None:
        node = Node()
        node.datagram(request_bytes("INVITE"))
        node.endpoint.respond(node.user.transactions[0], 486, 0.0)
        [answer] = node.datagram(request_bytes("CANCEL"))
        assert parsed(answer).status == 200
        assert node.user.cancelled == []


class TestReply:
    def test_keeps_nothing_and_repeats_itself(self) -> None:
        node = Node()
        node.user.accept = False
        flow = udp_flow()
        for _ in range(2):
            node.datagram(request_bytes())
            line = b'WWW-Authenticate: Digest realm="ims.test"'
            assert node.endpoint.reply(node.user.requests[-1], flow, 401, 0.0, None, (line,))
        first, second = [data for _, _, data in node.transport.sent]
        assert first == second
        assert parsed(first).get("www-authenticate") == b'Digest realm="ims.test"'
        layer = node.endpoint.layer
        assert (layer.servers, layer.completed, len(node.endpoint.timers)) == ({}, {}, 0)

    def test_tag_differs_between_requests_and_endpoints(self) -> None:
        node = Node()
        tag = node.endpoint.to_tag(request())
        assert tag == node.endpoint.to_tag(request())
        assert tag != node.endpoint.to_tag(request(branch=b"z9hG4bKother"))
        assert tag != node.endpoint.to_tag(request(cseq=2))
        other = Endpoint(RecordingTransport(), None, SeededIds(6))
        assert tag != other.to_tag(request())

    def test_optional_lines_go_first_then_the_answer(self) -> None:
        node = Node()
        message = request()
        flow = udp_flow()
        small, large = b"X-Small: 1", b"X-Large: " + b"x" * 1000
        assert node.endpoint.reply(message, flow, 404, 0.0, optional=(small,))
        assert b"X-Small" in node.transport.sent[-1][2]
        assert node.endpoint.reply(message, flow, 404, 0.0, optional=(large,))
        assert b"X-Large" not in node.transport.sent[-1][2]
        assert not node.endpoint.reply(message, flow, 404, 0.0, None, (large,))
        assert len(node.transport.sent) == 2
        assert node.stats.silent_replies == 1

    def test_never_more_than_one_and_a_half_times_the_request(self) -> None:
        node = Node()
        size = len(request_bytes())
        for filler in range(0, 400, 7):
            node.endpoint.reply(request(), udp_flow(), 404, 0.0, None, (b"X: " + b"x" * filler,))
        assert node.transport.sent
        assert max(len(data) for _, _, data in node.transport.sent) <= 1.5 * size

    def test_streams_and_trusted_sources_get_it_all(self) -> None:
        node = Node()
        large = b"X-Large: " + b"x" * 1000
        assert node.endpoint.reply(request(), tcp_flow(), 404, 0.0, None, (large,))
        assert node.endpoint.reply(request(), udp_flow(), 404, 0.0, None, (large,), trusted=True)

    @pytest.mark.parametrize("status", [100, 180, 408])
    def test_what_rfc_4320_forbids_is_not_sent(self, status: int) -> None:
        node = Node()
        assert not node.endpoint.reply(request(), tcp_flow(), status, 0.0)
        assert node.transport.sent == []
        assert node.endpoint.reply(request("INVITE"), tcp_flow(), status, 0.0)

    def test_refusal_of_what_does_not_parse_is_bounded_too(self) -> None:
        node = Node()
        data = b"X y SIP/2.0\r\nv: SIP/2.0/UDP a\r\n\r\n"
        assert node.datagram(data) == []
        assert node.stats.silent_replies == 1


class TestFaults:
    def test_exception_before_a_transaction_is_answered_500(self) -> None:
        node = Node()
        node.user.accept = False
        node.user.fault = KeyError("boom")
        [answer] = node.datagram(request_bytes())
        assert parsed(answer).status == 500
        assert b"boom" not in answer
        assert node.faults == [("KeyError", "request")]
        assert node.stats.faults == 1

    def test_exception_after_accept_is_answered_in_the_transaction(self) -> None:
        node = Node()
        node.user.fault = RuntimeError()
        [answer] = node.datagram(request_bytes())
        assert parsed(answer).status == 500
        node.user.fault = None
        assert node.datagram(request_bytes()) == [answer]
        assert len(node.user.requests) == 1

    def test_exception_for_an_ack_stays_silent(self) -> None:
        node = Node()
        node.user.fault = RuntimeError()
        assert node.datagram(request_bytes("ACK")) == []
        assert node.stats.faults == 1

    def test_a_header_found_broken_later_is_the_senders_fault(self) -> None:
        node = Node()
        node.user.fault = ParseError("Contact", "Contact is malformed")
        [answer] = node.datagram(request_bytes())
        assert parsed(answer).status == 400
        assert node.faults == []

    def test_exception_in_a_response_or_timer_affects_nothing_else(self) -> None:
        node = Node()
        flow = udp_flow()

        class Broken(RecordingUser):
            def on_response(self, *_: Any) -> None:
                raise RuntimeError

            def on_failure(self, *_: Any) -> None:
                raise RuntimeError

        healthy = RecordingUser()
        sent = []
        for user in (Broken(), Broken(), healthy):
            branch = node.endpoint.ids.branch()
            data = request_bytes(branch=branch, sent_by=flow.sent_by)
            node.endpoint.create_client(data, "MESSAGE", branch, flow, user, 0.0)
            sent.append(data)
        node.datagram(response_bytes(sent[0], 200))
        while (at := node.endpoint.next_deadline()) is not None:
            node.endpoint.handle_timeouts(at)
        assert node.faults == [("RuntimeError", "message"), ("RuntimeError", "timer")]
        assert healthy.told == [(32.0, "timeout")]

    def test_exception_in_a_flow_listener_does_not_stop_the_next(self) -> None:
        node = Node()
        heard: list[str] = []

        def broken(flow: Flow, reason: str, now: float) -> None:
            raise ValueError

        node.endpoint.on_flow_failed += [broken, lambda flow, reason, now: heard.append(reason)]
        node.endpoint.flow_failed(tcp_flow(), "reset", 1.0)
        assert heard == ["reset"]
        assert node.faults == [("ValueError", "flow")]


def test_responses_reach_their_transaction() -> None:
    node = Node()
    flow = udp_flow()
    user = RecordingUser()
    branch = node.endpoint.ids.branch()
    data = request_bytes(branch=branch, sent_by=flow.sent_by)
    node.endpoint.create_client(data, "MESSAGE", branch, flow, user, 0.0)
    node.datagram(response_bytes(data, 200), udp_flow(REMOTE))
    assert user.told == [(0.0, "200")]
    assert node.stats.responses == 1


def test_send_puts_octets_on_the_wire_without_a_transaction() -> None:
    node = Node()
    node.endpoint.send(udp_flow(), b"ACK sip:x SIP/2.0\r\n\r\n", 0.0)
    assert len(node.transport.sent) == 1
    assert len(node.endpoint.timers) == 0
