# SPDX-License-Identifier: Apache-2.0
"""The response context, case by case on octets (RFC 3261 16.6 to 16.10)."""

from __future__ import annotations

import weakref

import pytest

from sip.forward import ProxyConfig
from sip.message import Request, Response, build_response
from sip.proxy import PLAIN, Draft, Fork, Target
from tests.support.proxied import ALICE, BOB, BOB2, Noted, ProxiedNode, request_text

TWO = [("sip:bob@198.51.100.2:5060", BOB), ("sip:bob@198.51.100.3:5060", BOB2)]


def node(*, count: int = 2, config: ProxyConfig | None = None) -> tuple[ProxiedNode, Noted]:
    owner = Noted()
    made = ProxiedNode(config, owner)
    made.bindings["sip:bob@ims.test"] = list(TWO[:count])
    return made, owner


def to_alice(made: ProxiedNode) -> list[Response]:
    return [m for f, m in made.take() if isinstance(m, Response) and f.remote == ALICE]


# --- one MESSAGE


def test_a_message_is_forwarded_and_its_answer_relayed() -> None:
    made, owner = node(count=1)
    made.receive(request_text(body="hello", lines=["X-Unknown:  kept as it came"]), ALICE)
    (sent,) = made.requests()
    flow, message = sent
    assert flow.remote == BOB
    assert message.uri == b"sip:bob@198.51.100.2:5060"
    assert message.max_forwards == 69
    assert message.via_count == 2
    assert message.via.sent_by == b"192.0.2.1:5060"
    assert message.via.rport
    assert b"X-Unknown:  kept as it came" in message.lines
    assert message.get_all("max-breadth") == [b"60"]
    assert not message.has("record-route")
    assert message.body == b"hello"
    made.answer(sent, 200)
    (answer,) = to_alice(made)
    assert (answer.status, answer.via_count, answer.to_tag) == (200, 1, b"callee")
    assert answer.via.branch == b"z9hG4bKa1"
    assert (owner.branches, owner.finals) == ([200], [200])
    made.advance(100)
    assert made.take() == []


class Watched(Fork):
    __slots__ = ("__weakref__",)


@pytest.mark.parametrize(("method", "status"), [("MESSAGE", 200), ("INVITE", 486)])
def test_nothing_is_kept_of_a_finished_fork(method: str, status: int) -> None:
    made, _ = node(count=1)
    draft = Draft(method, [*DRAFT[:3], (b"CSeq", b"1 " + method.encode())])
    watched = Watched(made.proxy, None, draft, PLAIN)
    seen = weakref.ref(watched)
    assert watched.start([Target(b"sip:bob@198.51.100.2", made.flow(BOB))], made.now) is None
    del watched
    (sent,) = made.requests(method)
    assert seen() is not None
    made.answer(sent, status)
    assert seen() is None  # without the help of the garbage collector


def test_no_answer_to_a_message_is_never_a_408() -> None:
    made, owner = node()
    made.receive(request_text(), ALICE)
    made.advance(40)
    assert owner.branches == [408, 408]
    assert owner.finals == [408]
    assert made.statuses(ALICE) == [100]  # RFC 4320 4.1, after 3.5 s


def test_a_408_from_downstream_is_not_passed_on_for_a_message() -> None:
    made, owner = node(count=1)
    made.receive(request_text(), ALICE)
    made.answer(made.requests()[0], 408)
    assert owner.finals == [408]
    assert made.statuses(ALICE) == []


def test_for_a_message_any_answer_is_better_than_silence() -> None:
    made, _ = node()
    made.receive(request_text(), ALICE)
    made.answer(made.requests()[0], 501)
    made.advance(31)
    assert made.statuses(ALICE) == [100]
    made.advance(10)
    assert made.forks[0].pending == 0
    best = made.forks[0].best()
    assert best is not None
    assert best.status == 501


def test_a_provisional_answer_to_a_message_goes_nowhere() -> None:
    made, _ = node(count=1)
    made.receive(request_text(), ALICE)
    (sent,) = made.requests()
    made.answer(sent, 100)
    made.answer(sent, 183)
    assert made.statuses(ALICE) == []


def test_the_first_2xx_to_a_message_counts_and_the_rest_is_absorbed() -> None:
    made, owner = node()
    made.receive(request_text(), ALICE)
    first, second = made.requests()
    made.answer(second, 202)
    assert made.statuses(ALICE) == [202]
    made.answer(first, 200)
    assert made.statuses(ALICE) == []
    assert (owner.branches, owner.finals) == ([202, 200], [202])
    assert made.forks[0].pending == 0


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_a_response_without_the_way_back_is_not_relayed(method: str) -> None:
    made, owner = node(count=1)
    made.receive(request_text(method), ALICE)
    (sent,) = made.requests(method)
    flow, request = sent
    for status in (180, 200, 200):
        data = build_response(request, status, to_tag=b"t")
        head, _, rest = data.partition(b"Via: ")
        ours, _, rest = rest.partition(b"\r\n")
        other, _, rest = rest.partition(b"\r\n")
        assert other.startswith(b"Via: ")
        made.receive(head + b"Via: " + ours + b"\r\n" + rest, flow)
    assert owner.branches == [500]
    assert made.statuses(ALICE) == [500]


def test_a_6xx_to_a_message_waits_for_the_others() -> None:
    made, _ = node()
    made.receive(request_text(), ALICE)
    first, second = made.requests()
    made.answer(first, 603)
    assert made.take() == []
    made.answer(second, 200)
    assert made.statuses(ALICE) == [200]


# --- an owner with plans of its own


class Keeper(Noted):
    """Answers by itself and only listens afterwards."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        self.finals.append(status)
        if not fork.answered and response is not None:
            fork.relay(response, now)


def test_an_owner_may_answer_first_and_hear_the_rest_later() -> None:
    made, _ = node()
    owner = made.owner = Keeper()
    made.receive(request_text(), ALICE)
    first, second = made.requests()
    fork = made.forks[0]
    made.advance(4)
    made.take()
    fork.reply(202, made.now)
    assert made.statuses(ALICE) == [202]
    made.answer(first, 480)
    made.answer(second, 200)
    assert (owner.branches, owner.finals) == ([480, 200], [200])
    assert fork.pending == 0
    assert made.take() == []


def test_a_late_relay_of_the_owner_is_absorbed() -> None:
    made, _ = node(count=1)
    made.receive(request_text(), ALICE)
    (sent,) = made.requests()
    made.forks[0].reply(202, made.now, b"Stored", (b"X-Id: 1",))
    (answer,) = to_alice(made)
    assert (answer.status, answer.reason, answer.get("x-id")) == (202, b"Stored", b"1")
    made.answer(sent, 200)
    assert made.take() == []


def test_a_draft_leaves_with_one_via_and_no_upstream() -> None:
    made, owner = node()
    headers = [
        (b"From", b"<sip:a@ims.test>;tag=1"),
        (b"To", b"<sip:bob@ims.test>"),
        (b"Call-ID", b"d1"),
        (b"CSeq", b"1 MESSAGE"),
        (b"Content-Type", b"text/plain"),
    ]
    fork = Fork(made.proxy, None, Draft("MESSAGE", headers, b"later"), owner)
    target = Target(b"sip:bob@198.51.100.2", made.flow(BOB), (b"<sip:p1;lr>", b"<sip:p2;lr>"))
    assert fork.start([target], made.now) is None
    (sent,) = made.requests()
    message = sent[1]
    assert message.via_count == 1
    assert message.get_all("route") == [b"<sip:p1;lr>", b"<sip:p2;lr>"]
    assert message.max_forwards == 70
    assert message.body == b"later"
    assert not message.has("record-route")
    made.answer(sent, 486)
    assert owner.finals == [486]
    fork.reply(202, made.now)
    assert made.take() == []


# --- the best response (16.7 item 6)


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((486, 480), 486),
        ((404, 407), 407),
        ((407, 404), 407),
        ((404, 415), 415),
        ((404, 484), 484),
        ((603, 401), 603),
        ((302, 404), 302),
        ((404, 302), 302),
        ((500, 404), 404),
        ((503, 501), 501),
        ((503, 503), 500),
        ((487, 404), 404),
        ((408, 480), 480),
        ((408, 500), 408),
    ],
)
def test_the_best_response_to_an_invite(statuses: tuple[int, int], best: int) -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    branches = made.requests("INVITE")
    for sent, status in zip(branches, statuses, strict=True):
        made.answer(sent, status)
    assert made.statuses(ALICE) == [best]


def test_challenges_of_all_branches_are_gathered() -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(
        first, 401, extra=[b'WWW-Authenticate: Digest realm="a"', b'Proxy-Authenticate: X y="1"']
    )
    made.answer(second, 407, extra=[b'Proxy-Authenticate: Digest realm="b"'])
    (answer,) = [m for m in to_alice(made) if m.status >= 200]
    assert answer.status == 401
    assert answer.get_all("www-authenticate") == [b'Digest realm="a"']
    assert answer.get_all("proxy-authenticate") == [b'X y="1"', b'Digest realm="b"']
    assert answer.body == b""


def test_www_authenticate_is_gathered_too() -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(second, 401, extra=[b'WWW-Authenticate: Digest realm="two"'])
    made.answer(first, 401, extra=[b'WWW-Authenticate: Digest realm="one"'])
    (answer,) = [m for m in to_alice(made) if m.status >= 200]
    realms = [b'Digest realm="one"', b'Digest realm="two"']
    assert answer.get_all("www-authenticate") == realms


def test_a_success_is_not_the_best_failure() -> None:
    made, _ = node()
    made.receive(request_text(), ALICE)
    first, second = made.requests()
    assert made.forks[0].best() is None
    made.answer(first, 200)
    made.answer(second, 480)
    best = made.forks[0].best()
    assert best is not None
    assert best.status == 480


def test_a_503_is_not_passed_on() -> None:
    made, _ = node(count=1)
    made.receive(request_text(), ALICE)
    made.answer(made.requests()[0], 503, extra=[b"Retry-After: 9"])
    (answer,) = to_alice(made)
    assert answer.status == 500
    assert not answer.has("retry-after")


def test_a_flow_that_fails_counts_as_503() -> None:
    made, owner = node(count=1)
    made.receive(request_text(), ALICE)
    made.take()
    made.endpoint.flow_failed(made.flow(BOB), "refused", made.now)
    made.endpoint.handle_timeouts(made.now)
    assert owner.branches == [503]
    assert made.statuses(ALICE) == [480]


# --- INVITE


def test_an_invite_is_forked_and_answered_at_once() -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    sent = made.take()
    assert isinstance(sent[0][1], Response)
    assert sent[0][1].status == 100
    assert [f.remote for f, m in sent if isinstance(m, Request)] == [BOB, BOB2]


def test_one_busy_one_answers() -> None:
    made, owner = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(first, 486)
    assert [m.method for _, m in made.requests("ACK")] == ["ACK"]
    made.answer(second, 180)
    made.answer(second, 200)
    assert made.statuses(ALICE) == [180, 200]
    assert (owner.branches, owner.finals) == ([486, 200], [200])


def test_a_2xx_cancels_those_that_ring() -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(first, 180)
    made.answer(second, 200)
    (cancel,) = made.requests("CANCEL")
    assert cancel[0].remote == BOB
    assert cancel[1].via.branch == first[1].via.branch
    made.answer(cancel, 200)
    made.answer(first, 487)
    assert made.statuses(ALICE) == []
    assert made.forks[0].pending == 0


def test_a_cancel_waits_for_a_provisional_response() -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(second, 200)
    assert made.requests("CANCEL") == []
    made.answer(first, 100)
    assert len(made.requests("CANCEL")) == 1


def test_every_2xx_to_an_invite_goes_upstream() -> None:
    made, owner = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(first, 180)
    made.answer(first, 200, b"one")
    made.answer(second, 200, b"two")
    made.answer(first, 200, b"one")
    tags = [(m.status, m.to_tag) for m in to_alice(made) if m.status > 199]
    assert tags == [(200, b"one"), (200, b"two"), (200, b"one")]
    assert owner.finals == [200]


def test_a_6xx_ends_the_others_first() -> None:
    made, owner = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(second, 180)
    made.answer(first, 603)
    out = made.take()
    assert [m.method for _, m in out if isinstance(m, Request)] == ["ACK", "CANCEL"]
    assert [m.status for _, m in out if isinstance(m, Response)] == [180]
    made.answer(second, 487)
    assert made.statuses(ALICE) == [603]
    assert owner.finals == [603]


def test_a_2xx_after_a_6xx_wins() -> None:
    made, owner = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(first, 603)
    made.answer(second, 200)
    assert made.statuses(ALICE) == [200]
    assert owner.finals == [200]


def test_provisional_responses_are_relayed_until_the_end() -> None:
    made, _ = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(first, 100)
    made.answer(first, 180, b"one")
    made.answer(second, 183, b"two")
    assert made.statuses(ALICE) == [180, 183]
    made.answer(first, 200, b"one")
    made.answer(second, 180, b"two")
    assert made.statuses(ALICE) == [200]


def test_a_cancel_from_the_caller() -> None:
    made, owner = node()
    made.receive(request_text("INVITE"), ALICE)
    first, second = made.requests("INVITE")
    made.answer(first, 180)
    made.take()
    made.receive(request_text("CANCEL"), ALICE)
    out = made.take()
    assert [m.status for _, m in out if isinstance(m, Response)] == [200]
    assert [f.remote for f, m in out if isinstance(m, Request)] == [BOB]
    made.answer(second, 180)
    assert [f.remote for f, _ in made.requests("CANCEL")] == [BOB2]
    made.answer(first, 487)
    made.answer(second, 487)
    assert made.statuses(ALICE) == [487]
    assert owner.finals == [487]


def test_a_cancel_that_crosses_the_answer() -> None:
    made, _ = node(count=1)
    made.receive(request_text("INVITE"), ALICE)
    (sent,) = made.requests("INVITE")
    made.answer(sent, 180)
    made.receive(request_text("CANCEL"), ALICE)
    made.take()
    made.answer(sent, 200)
    assert made.statuses(ALICE) == [200]


def test_a_cancelled_branch_that_never_ends_becomes_487() -> None:
    made, owner = node(count=1)
    made.receive(request_text("INVITE"), ALICE)
    made.answer(made.requests("INVITE")[0], 180)
    made.receive(request_text("CANCEL"), ALICE)
    made.take()
    made.advance(33)
    assert 487 in made.statuses(ALICE)
    assert owner.finals == [487]


def test_a_cancel_does_nothing_to_a_message() -> None:
    made, _ = node(count=1)
    made.receive(request_text(), ALICE)
    (sent,) = made.requests()
    made.receive(request_text("CANCEL"), ALICE)
    assert made.statuses(ALICE) == [200]
    made.forks[0].cancel(made.now)
    assert made.take() == []
    made.answer(sent, 200)
    assert made.statuses(ALICE) == [200]


def test_an_invite_nobody_answers_is_a_408() -> None:
    made, owner = node()
    made.receive(request_text("INVITE"), ALICE)
    made.take()
    made.advance(33)
    assert 408 in made.statuses(ALICE)
    assert owner.branches == [408, 408]


def test_timer_c_cancels_what_rings_for_too_long() -> None:
    made, owner = node(count=1)
    made.receive(request_text("INVITE"), ALICE)
    (sent,) = made.requests("INVITE")
    made.answer(sent, 180)
    made.advance(180.5)
    assert made.requests("CANCEL") == []
    made.advance(0.6)
    assert len(made.requests("CANCEL")) == 1
    made.answer(sent, 487)
    assert made.statuses(ALICE) == [487]
    assert owner.finals == [487]


def test_timer_c_starts_again_with_a_provisional_response() -> None:
    made, _ = node(count=1)
    made.receive(request_text("INVITE"), ALICE)
    (sent,) = made.requests("INVITE")
    made.answer(sent, 180)
    made.advance(150)
    made.answer(sent, 180)
    made.advance(150)
    made.answer(sent, 100)  # does not count (16.7 item 2)
    made.take()
    made.advance(30)
    assert made.requests("CANCEL") == []
    made.advance(1.2)
    assert len(made.requests("CANCEL")) == 1


def test_timer_c_that_came_to_nothing() -> None:
    made, _ = node(count=1)
    made.receive(request_text("INVITE"), ALICE)
    (sent,) = made.requests("INVITE")
    made.answer(sent, 200)
    made.take()
    made.advance(400)
    assert made.take() == []


def test_timer_c_without_an_end_is_a_408() -> None:
    made, _ = node(count=1)
    made.receive(request_text("INVITE"), ALICE)
    made.answer(made.requests("INVITE")[0], 180)
    made.take()
    made.advance(181 + 32.5)
    assert 408 in made.statuses(ALICE)


# --- breadth and branches (RFC 5393)


def test_breadth_is_split_over_the_branches() -> None:
    made, _ = node()
    made.receive(request_text(lines=["Max-Breadth: 5"]), ALICE)
    assert [m.get_all("max-breadth") for _, m in made.requests()] == [[b"3"], [b"2"]]


def test_breadth_of_a_single_branch_is_passed_on() -> None:
    made, _ = node(count=1)
    made.receive(request_text(lines=["Max-Breadth: 5"]), ALICE)
    (sent,) = made.requests()
    assert sent[1].lines.count(b"Max-Breadth: 5") == 1
    made.receive(request_text(branch="z9hG4bKa2", lines=["Max-Breadth: 500"]), ALICE)
    assert made.requests()[0][1].get_all("max-breadth") == [b"60"]


@pytest.mark.parametrize("value", ["1", "0"])
def test_breadth_that_does_not_suffice(value: str) -> None:
    made, owner = node()
    made.receive(request_text(lines=[f"Max-Breadth: {value}"]), ALICE)
    (answer,) = to_alice(made)
    assert (answer.status, answer.reason) == (440, b"Max-Breadth Exceeded")
    assert owner.finals == []


def test_no_target_is_a_480() -> None:
    made, _ = node(count=0)
    made.receive(request_text(), ALICE)
    assert made.statuses(ALICE) == [480]


def test_at_most_so_many_branches_the_preferred_ones() -> None:
    made, owner = node()
    flow = made.flow(BOB)
    targets = [Target(b"sip:bob%d@198.51.100.2" % n, flow, q=n) for n in range(12)]
    targets.append(targets[3])
    fork = Fork(made.proxy, None, Draft("OPTIONS", DRAFT), owner)
    assert fork.start(targets, made.now) is None
    users = [m.uri for _, m in made.requests()]
    assert users == [b"sip:bob%d@198.51.100.2" % n for n in range(11, 1, -1)]


DRAFT = [
    (b"From", b"<sip:a@ims.test>;tag=1"),
    (b"To", b"<sip:bob@ims.test>"),
    (b"Call-ID", b"d1"),
    (b"CSeq", b"1 OPTIONS"),
]


def test_loop_and_spiral() -> None:
    made, _ = node(count=1)
    made.receive(request_text(), ALICE)
    (sent,) = made.requests()
    # The neighbour sends it back as we sent it, but for our Request-URI: a loop.
    looped = made.transport
    back = request_text(
        branch="z9hG4bKother",
        source=BOB,
        lines=[f"Via: {via.decode()}" for via in sent[1].get_all("via")],
    )
    made.receive(back, BOB)
    assert made.statuses(BOB) == [482]
    # The same for another user of ours is a spiral.
    made.bindings["sip:carol@ims.test"] = [("sip:carol@198.51.100.3", BOB2)]
    spiral = back.replace(b"MESSAGE sip:bob@ims.test", b"MESSAGE sip:carol@ims.test")
    made.receive(spiral.replace(b"z9hG4bKother", b"z9hG4bKagain"), BOB)
    assert [f.remote for f, _ in made.requests()] == [BOB2]
    assert looped.out == []


@pytest.mark.parametrize(
    "method", ["OPTIONS", "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "UPDATE", "PRACK", "FROBNICATE"]
)
def test_every_method_is_proxied(method: str) -> None:
    made, _ = node(count=1)
    made.receive(request_text(method), ALICE)
    (sent,) = made.requests(method)
    made.answer(sent, 200)
    assert made.statuses(ALICE) == [200]
