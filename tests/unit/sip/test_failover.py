# SPDX-License-Identifier: Apache-2.0
"""One request, several servers that may take it: RFC 3263 4.3 in the response context."""

from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.forward import Target
from sip.message import Request, Response, build_response
from tests.support.proxied import ALICE, BOB, BOB2, Noted, ProxiedNode, request_text

BOB3 = ("198.51.100.4", 5060)
PATIENCE = 4.0


class Servers:
    """Further servers of a domain, in order."""

    patience = PATIENCE

    def __init__(self, made: ProxiedNode, *addresses: tuple[str, int]) -> None:
        self._made = made
        self._left = list(addresses)

    def next(self, now: float) -> Flow | None:
        return self._made.flow(self._left.pop(0)) if self._left else None


class Domain(ProxiedNode):
    """A proxy whose targets are three servers of one domain, one after the other."""

    def local_targets(self, request: Request) -> list[Target]:
        spares = Servers(self, BOB2, BOB3)
        return [Target(b"sip:bob@far.test", self.flow(BOB), spares=spares)]

    def to_alice(self) -> list[int]:
        return [m.status for f, m in self.take() if isinstance(m, Response) and f.remote == ALICE]


@pytest.fixture
def owner() -> Noted:
    return Noted()


@pytest.fixture
def made(owner: Noted) -> Domain:
    return Domain(None, owner)


def test_a_503_goes_to_the_next_server_as_a_new_transaction(made: Domain, owner: Noted) -> None:
    made.receive(request_text(body="hello"), ALICE)
    (first,) = made.requests()
    made.answer(first, 503)
    (second,) = made.requests()
    assert [sent[0].remote for sent in (first, second)] == [BOB, BOB2]
    assert first[1].branch != second[1].branch
    assert (first[1].call_id, first[1].cseq) == (second[1].call_id, second[1].cseq)
    assert (second[1].body, second[1].max_forwards) == (b"hello", 69)
    made.answer(second, 200)
    assert made.to_alice() == [200]
    assert (owner.branches, owner.finals) == ([200], [200])


@pytest.mark.parametrize("status", [404, 500, 603])
def test_other_answers_are_the_domains_own(made: Domain, owner: Noted, status: int) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.answer(first, status)
    assert made.to_alice() == [status]
    assert owner.finals == [status]


def test_when_all_refuse_the_sender_is_not_told_503(made: Domain, owner: Noted) -> None:
    made.receive(request_text(), ALICE)
    for _ in range(3):
        (sent,) = made.requests()
        made.answer(sent, 503)
    assert made.to_alice() == [500]
    assert owner.branches == [503]


def test_a_connection_that_fails(made: Domain, owner: Noted) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.endpoint.flow_failed(first[0], "refused", made.now)
    made.advance(0.0)
    (second,) = made.requests()
    assert second[0].remote == BOB2
    made.answer(second, 200)
    assert made.to_alice() == [200]


def test_silence_moves_on_and_a_late_success_counts(made: Domain, owner: Noted) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.advance(PATIENCE + 0.1)
    second = next(sent for sent in made.requests() if sent[0].remote == BOB2)
    made.answer(first, 480)  # of a server that was given up
    assert made.to_alice() == []
    made.answer(first, 200)
    assert made.to_alice() == []  # that transaction has had its answer
    made.answer(second, 200)
    assert made.to_alice() == [200]
    made.advance(100)
    assert owner.finals == [200]


def test_a_server_that_was_slow_has_done_it_all_the_same(made: Domain, owner: Noted) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.advance(PATIENCE + 0.1)
    second = next(sent for sent in made.requests() if sent[0].remote == BOB2)
    made.answer(first, 200)
    assert made.to_alice() == [200]
    made.answer(second, 404)
    made.advance(100)
    assert owner.finals == [200]


def test_a_server_that_works_on_it_is_waited_for(made: Domain) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.answer(first, 100)
    made.advance(2 * PATIENCE)
    assert {flow.remote for flow, _ in made.requests()} <= {BOB}


def test_what_a_server_said_before_it_refused_is_not_the_next_ones_word(made: Domain) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.answer(first, 100)
    made.answer(first, 503)
    made.advance(PATIENCE + 0.1)
    assert {flow.remote for flow, _ in made.requests()} == {BOB2, BOB3}


def test_what_a_server_says_after_it_was_given_up_holds_up_nobody(made: Domain) -> None:
    made.receive(request_text(), ALICE)
    (first,) = made.requests()
    made.advance(PATIENCE + 0.1)
    made.answer(first, 100)
    made.take()
    made.advance(PATIENCE + 0.1)
    assert BOB3 in {flow.remote for flow, _ in made.requests()}


def test_silent_to_the_end(made: Domain, owner: Noted) -> None:
    made.receive(request_text(), ALICE)
    made.advance(100)
    assert {flow.remote for flow, _ in made.requests()} == {BOB, BOB2, BOB3}
    assert owner.finals == [408]


def test_an_invite_rings_at_one_server_only(made: Domain, owner: Noted) -> None:
    made.receive(request_text("INVITE"), ALICE)
    first = made.requests("INVITE")[0]
    made.advance(PATIENCE + 0.1)
    second = next(sent for sent in made.requests("INVITE") if sent[0].remote == BOB2)
    made.answer(first, 180)  # it was only slow: it hears a CANCEL
    (cancel,) = made.requests("CANCEL")
    assert (cancel[0].remote, cancel[1].branch) == (BOB, first[1].branch)
    made.answer(first, 487)
    made.answer(second, 200)
    assert 200 in made.to_alice()
    assert owner.finals == [200]


def test_an_invite_that_was_taken_back_tries_nobody_else(made: Domain, owner: Noted) -> None:
    made.receive(request_text("INVITE"), ALICE)
    first = made.requests("INVITE")[0]
    made.answer(first, 180)
    made.receive(request_text("CANCEL"), ALICE)
    made.answer(first, 503)
    assert made.requests("INVITE") == []
    assert owner.finals == [503]


def test_two_answers_to_an_invite_the_slow_server_wins_first(made: Domain) -> None:
    """Both 2xx go upstream: each is a dialog that somebody has to end (RFC 3261 16.7 item 5)."""
    made.receive(request_text("INVITE"), ALICE)
    first = made.requests("INVITE")[0]
    made.advance(PATIENCE + 0.1)
    second = next(sent for sent in made.requests("INVITE") if sent[0].remote == BOB2)
    for flow, request in (first, second):
        made.receive(build_response(request, 200, to_tag=flow.remote[0].encode()), flow)
    assert made.to_alice()[-2:] == [200, 200]
