"""Two ends of a session, joined by their octets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_msrp.chunk import Chunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.outbox import Outgoing
from session_msrp.printing import print_request
from session_msrp.reassembly import Message
from session_msrp.session import Delivered, Event, Failed, Received, Reported, Session

A, B = b"msrp://a.test:1/x;tcp", b"msrp://b.test:2/y;tcp"


def tids(start: int = 0) -> Callable[[], bytes]:
    numbers = count(start)
    return lambda: b"tid%05d" % next(numbers)


class End:
    """A session with the framer of its connection."""

    def __init__(self, own: bytes, peer: bytes, **wanted: object) -> None:
        limits = wanted.pop("limits", Limits())
        assert isinstance(limits, Limits)
        self.session = Session(own, peer, tids(hash(own) % 1000), limits, **wanted)  # type: ignore[arg-type]
        self.framer = Framer(limits)
        self.events: list[Event] = []

    def feed(self, data: bytes, now: float = 0.0) -> None:
        self.framer.feed(data)
        while (chunk := self.framer.next()) is not None:
            self.events += self.session.receive(chunk, now)

    @property
    def messages(self) -> list[Message]:
        return [event.message for event in self.events if isinstance(event, Received)]


def pair(**wanted: object) -> tuple[End, End]:
    return End(A, B, chunk_bytes=2048), End(B, A, **wanted)


def settle(one: End, other: End, now: float = 0.0) -> list[bytes]:
    """Exchange until nobody has anything to say; return what the first end sent."""
    sent = []
    moved = True
    while moved:
        moved = False
        for source, sink in ((one, other), (other, one)):
            octets = source.session.take(now)
            if octets is not None:
                moved = True
                sink.feed(octets, now)
                if source is one:
                    sent.append(octets)
    return sent


def test_a_message_with_all_reports() -> None:
    one, other = pair()
    message = Outgoing(b"mid1", b"text/plain", b"hello", success_report=True)
    one.session.send(message)
    settle(one, other)
    assert [each.body for each in other.messages] == [b"hello"]
    assert Delivered(message) in one.events
    [report] = [event for event in one.events if isinstance(event, Reported)]
    assert (report.message_id, report.span, report.status) == (b"mid1", (1, 5, 5), 200)


def test_a_bodiless_send_is_answered_and_shown_to_nobody() -> None:
    one, other = pair()
    message = Outgoing(b"mid1", b"", None)
    one.session.send(message)
    [octets] = settle(one, other)
    assert b"Byte-Range: 1-0/0" in octets
    assert b"Content-Type" not in octets
    assert other.messages == []
    assert one.events == [Delivered(message)]


def test_a_file_never_blocks_a_word() -> None:
    one, other = pair()
    one.session.send(Outgoing(b"file", b"application/octet-stream", bytes(100_000)))
    octets = one.session.take(0)
    assert octets is not None
    other.feed(octets)
    one.session.send(Outgoing(b"word", b"text/plain", b"hi"))
    settle(one, other)
    assert [message.id for message in other.messages] == [b"word", b"file"]


def test_a_large_chunk_can_be_interrupted_so_its_end_is_not_told() -> None:
    end = End(A, B, chunk_bytes=4096)
    end.session.send(Outgoing(b"mid1", b"text/plain", b"x" * 5000))
    first, second = end.session.take(0), end.session.take(0)
    assert b"Byte-Range: 1-*/5000" in (first or b"")
    assert b"Byte-Range: 4097-5000/5000" in (second or b"")


def test_a_transaction_id_is_never_in_the_body() -> None:
    end = End(A, B)
    taken = end.session._new_tid()
    number = int(taken[3:]) + 1
    end.session.send(Outgoing(b"mid1", b"text/plain", b"-------tid%05d$\r\n" % number))
    octets = end.session.take(0) or b""
    assert octets.startswith(b"MSRP tid%05d SEND" % (number + 1))


def test_silence_is_408_after_thirty_seconds() -> None:
    end = End(A, B)
    message = Outgoing(b"mid1", b"text/plain", b"hello")
    end.session.send(message)
    end.session.take(5.0)
    assert end.session.next_deadline() == 35.0
    assert end.session.expire(34.9) == []
    assert end.session.expire(35.0) == [Failed(message, 408)]
    assert end.session.next_deadline() is None


@pytest.mark.parametrize("wanted", [b"no", b"partial"])
def test_who_wants_no_answer_waits_for_none(wanted: bytes) -> None:
    one, other = pair()
    one.session.send(Outgoing(b"mid1", b"text/plain", b"hello", failure_report=wanted))
    assert len(settle(one, other)) == 1
    assert len(other.messages) == 1
    assert one.session.next_deadline() is None


def test_a_type_that_is_not_taken_is_415() -> None:
    one, other = pair(types=(b"message/cpim", b"image/*"))
    wrong = Outgoing(b"mid1", b"text/plain", b"hello")
    one.session.send(wrong)
    one.session.send(Outgoing(b"mid2", b"image/png", b"\x89"))
    settle(one, other)
    assert Failed(wrong, 415) in one.events
    assert [message.id for message in other.messages] == [b"mid2"]


def test_413_ends_the_message_and_nothing_of_it_is_kept() -> None:
    one, other = pair(limits=Limits(message_bytes=10_000))
    message = Outgoing(b"mid1", b"text/plain", bytes(50_000))
    one.session.send(message)
    sent = settle(one, other)
    assert one.events == [Failed(message, 413)]
    assert sent[-1].endswith(b"#\r\n")
    assert other.messages == []
    assert other.session.next_deadline() is None


def test_an_aborted_message_is_forgotten() -> None:
    one, other = pair()
    message = Outgoing(b"mid1", b"text/plain", bytes(5000))
    one.session.send(message)
    other.feed(one.session.take(0) or b"")
    one.session.abort(message)
    settle(one, other)
    assert other.messages == []
    assert other.session.next_deadline() is None


def test_a_message_that_did_not_begin_leaves_no_trace() -> None:
    one, other = pair()
    message = Outgoing(b"mid1", b"text/plain", b"x")
    one.session.send(message)
    one.session.abort(message)
    assert settle(one, other) == []


def test_unknown_methods_are_501_and_reports_never_answered() -> None:
    end = End(A, B)
    end.feed(print_request(b"abcd1234", b"FROBNICATE", A, B, ()))
    end.feed(
        print_request(b"abcd1235", b"REPORT", A, B, (b"Message-ID: none", b"Status: 000 200 OK"))
    )
    assert (end.session.take(0) or b"").startswith(b"MSRP abcd1234 501 ")
    assert end.session.take(0) is None


def test_a_refused_chunk_in_pieces_is_answered_once() -> None:
    one = End(A, B, limits=Limits(chunk_bytes=1000), types=(b"text/plain",))
    head = (b"Message-ID: mid1", b"Content-Type: image/png")
    one.feed(print_request(b"abcd1234", b"SEND", A, B, head, bytes(900)))
    data = print_request(b"abcd1235", b"SEND", A, B, head, bytes(5000))
    for at in range(0, len(data), 700):
        one.feed(data[at : at + 700])
    for tid in (b"abcd1234", b"abcd1235"):  # one at a time: a WebSocket frame is one of them
        assert (one.session.take(0) or b"").startswith(b"MSRP %b 415 " % tid)
    assert one.session.take(0) is None


@pytest.mark.parametrize("status", [200, 403])
def test_a_withheld_answer_leaves_when_the_message_is_settled(status: int) -> None:
    """What takes long to decide, a commit for instance, is answered by its outcome."""
    end = End(A, B, withheld=True)
    head = (b"Message-ID: mid1", b"Success-Report: yes", b"Content-Type: text/plain")
    for at, flag in ((0, b"+"), (1, b"$")):
        part = (b"Byte-Range: %d-%d/2" % (at + 1, at + 1), *head)
        end.feed(print_request(b"abcd123%d" % at, b"SEND", A, B, part, b"x", flag))
    assert (end.session.take(0) or b"").startswith(b"MSRP abcd1230 200 ")
    assert end.session.take(0) is None
    [received] = end.events
    assert isinstance(received, Received)
    end.session.settle(received, status)
    assert (end.session.take(0) or b"").startswith(b"MSRP abcd1231 %d " % status)
    report = end.session.take(0)
    assert (report is not None and b" REPORT\r\n" in report) == (status == 200)


def chunks(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *cuts, len(body)]
    return [
        print_request(
            b"chunk%03d" % low, b"SEND", A, B,
            (b"Message-ID: mid1", b"Byte-Range: %d-%d/%d" % (low + 1, high, len(body)), b"Content-Type: a/b"),
            body[low:high], b"$" if high == len(body) else b"+",
        )
        for low, high in pairwise(edges)
    ]  # fmt: skip


def test_chunks_in_any_order_make_the_message() -> None:
    body = bytes(range(90))
    for order in permutations(chunks(body, [20, 40, 77])):
        end = End(A, B)
        for octets in order:
            end.feed(octets)
        assert [message.body for message in end.messages] == [body]


@settings(max_examples=25)
@given(st.binary(min_size=1, max_size=400), st.lists(st.integers(1, 399), max_size=6), st.randoms())
def test_overlaps_and_repeats_change_nothing(body: bytes, cuts: list[int], random: object) -> None:
    inner = sorted({cut for cut in cuts if cut < len(body)})
    parts = chunks(body, inner)
    last = parts.pop()
    mixed = [*parts, *parts, last]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    end = End(A, B)
    for octets in mixed:
        end.feed(octets)
    assert body in [message.body for message in end.messages]
    assert all(message.body == body for message in end.messages)


def test_the_last_write_wins() -> None:
    end = End(A, B)
    head = (b"Message-ID: mid1", b"Content-Type: a/b")

    def part(span: bytes, body: bytes, flag: bytes) -> bytes:
        return print_request(
            b"abcd1234", b"SEND", A, B, (b"Byte-Range: " + span, *head), body, flag
        )

    end.feed(part(b"1-4/6", b"aaaa", b"+"))
    end.feed(part(b"3-4/6", b"bb", b"+"))
    end.feed(part(b"5-6/6", b"cc", b"$"))
    assert [message.body for message in end.messages] == [b"aabbcc"]


def send(message_id: bytes, span: bytes, body: bytes, flag: bytes = b"+") -> bytes:
    head = (b"Message-ID: " + message_id, b"Byte-Range: " + span, b"Content-Type: a/b")
    return print_request(b"abcd1234", b"SEND", A, B, head, body, flag)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ([send(b"m%d" % n, b"1-*/9", b"x") for n in range(9)], 413),
        ([send(b"m1", b"1-*/99999999999", b"x")], 413),
        ([send(b"m1", b"900000000-*/*", b"x")], 413),
        ([send(b"m1", b"%d-*/*" % (2 * n + 1), b"x") for n in range(70)], 413),
        ([send(b"m1", b"5-9/*", b"xxxxx"), send(b"m1", b"3-4/*", b"xx", b"$")], 400),
        ([send(b"m1", b"3-4/*", b"xx", b"$"), send(b"m1", b"5-9/*", b"xxxxx")], 400),
    ],
)  # fmt: skip
def test_what_grows_has_a_bound(octets: list[bytes], status: int) -> None:
    end = End(A, B)
    for each in octets:
        end.feed(each)
    answers = b"".join(iter(lambda: end.session.take(0) or b"", b""))
    assert b" %d " % status in answers
    assert end.messages == []


def test_a_message_that_stands_still_is_forgotten() -> None:
    end = End(A, B)
    end.feed(send(b"m1", b"1-*/9", b"x"), now=1.0)
    assert end.session.next_deadline() == 31.0
    end.session.expire(31.0)
    assert end.session.next_deadline() is None
    chunk: Chunk | None = end.framer.next()
    assert chunk is None
