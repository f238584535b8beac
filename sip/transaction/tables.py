# SPDX-License-Identifier: Apache-2.0
"""The four transaction machines as total tables, one row per arrow of the figure.

States and timers bear the RFC's names. Every (state, input) pair of a machine is either a row or
listed as ignored, never both; ``check_total`` proves it. At import each table is flattened to two
lists indexed by ``state * INPUTS + input``, which is all the engine reads.

Spec: RFC 3261 section 17 with RFC 6026 (Accepted, Timers L and M), RFC 4320 (provisional
responses to non-INVITE), RFC 4321.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, auto

__all__ = [
    "ICT",
    "INPUTS",
    "IST",
    "MACHINES",
    "NICT",
    "NIST",
    "Action",
    "Compiled",
    "Input",
    "Machine",
    "State",
    "check_total",
    "compile_table",
]


class State(IntEnum):
    """States of the figures; a machine uses some of them."""

    CALLING = 0
    TRYING = 1
    PROCEEDING = 2
    ACCEPTED = 3
    COMPLETED = 4
    CONFIRMED = 5
    TERMINATED = 6


class Input(IntEnum):
    """What can happen to a transaction."""

    # to a client transaction, from the wire
    RESPONSE_1XX = 0
    RESPONSE_2XX = auto()
    RESPONSE_3XX_6XX = auto()
    # to a server transaction, from the wire
    REQUEST = auto()
    ACK = auto()
    # to a server transaction, from the transaction user
    TU_100 = auto()
    TU_101_199 = auto()
    TU_2XX = auto()
    TU_3XX_6XX = auto()
    TU_408 = auto()
    # timers by their letters, then the four that the RFCs describe without one
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TIMER_TRYING = auto()  # 200 ms (RFC 3261 17.2.1); Timer E at T2 (RFC 4320 4.1)
    TIMER_EXPIRES = auto()  # 64*T1 without a final response to a non-INVITE (RFC 4320 4.2)
    TIMER_CANCEL = auto()  # 64*T1 after a CANCEL without a final response (RFC 3261 9.1)
    TRANSPORT_ERROR = auto()


class Action(IntEnum):
    """What the engine does on a row, in the order of the row."""

    DELIVER = 0  # response to the TU
    RETRANSMIT = auto()  # the request once more
    SEND_ACK = auto()  # for 300-699, made by the transaction (RFC 3261 17.1.1.3)
    SEND_CANCEL_IF_WANTED = auto()  # the TU gave up before the first 1xx (RFC 3261 9.1)
    SEND_RESPONSE = auto()  # the one the TU passes now
    SEND_TRYING = auto()  # 100, unless something was sent already
    RESEND_RESPONSE = auto()  # the last one, when there is one
    PASS_ACK = auto()  # to the TU
    RESTART_A_DOUBLED = auto()
    RESTART_E_DOUBLED = auto()  # but never above T2
    RESTART_E_T2 = auto()
    RESTART_G_DOUBLED = auto()  # but never above T2
    START_D = auto()
    START_G = auto()
    START_H = auto()
    START_I = auto()
    START_J = auto()
    START_K = auto()
    START_L = auto()
    START_M = auto()
    INFORM_TIMEOUT = auto()
    INFORM_TRANSPORT = auto()
    DESTROY = auto()


S = State
I = Input  # noqa: E741 - one letter keeps a row on one line
A = Action

Key = tuple[State, Input]
Row = tuple[State, tuple[Action, ...]]


@dataclass(frozen=True, slots=True)
class Machine:
    """One figure: its states, its inputs, its arrows, and the pairs without an effect."""

    name: str
    figure: str
    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    rows: Mapping[Key, Row]
    ignored: frozenset[Key]


def _ignore(state: State, *inputs: Input) -> frozenset[Key]:
    return frozenset((state, item) for item in inputs)


_ICT_INPUTS = (
    I.RESPONSE_1XX,
    I.RESPONSE_2XX,
    I.RESPONSE_3XX_6XX,
    I.TIMER_A,
    I.TIMER_B,
    I.TIMER_D,
    I.TIMER_M,
    I.TIMER_CANCEL,
    I.TRANSPORT_ERROR,
)

ICT = Machine(
    name="ICT",
    figure="INVITE client, RFC 6026 figure 5",
    states=(S.CALLING, S.PROCEEDING, S.COMPLETED, S.ACCEPTED, S.TERMINATED),
    inputs=_ICT_INPUTS,
    rows={
        (S.CALLING, I.TIMER_A): (S.CALLING, (A.RETRANSMIT, A.RESTART_A_DOUBLED)),
        (S.CALLING, I.TIMER_B): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.CALLING, I.TRANSPORT_ERROR): (S.TERMINATED, (A.DESTROY, A.INFORM_TRANSPORT)),
        (S.CALLING, I.RESPONSE_1XX): (S.PROCEEDING, (A.SEND_CANCEL_IF_WANTED, A.DELIVER)),
        (S.CALLING, I.RESPONSE_2XX): (S.ACCEPTED, (A.START_M, A.DELIVER)),
        (S.CALLING, I.RESPONSE_3XX_6XX): (S.COMPLETED, (A.SEND_ACK, A.START_D, A.DELIVER)),
        (S.PROCEEDING, I.RESPONSE_1XX): (S.PROCEEDING, (A.DELIVER,)),
        (S.PROCEEDING, I.RESPONSE_2XX): (S.ACCEPTED, (A.START_M, A.DELIVER)),
        (S.PROCEEDING, I.RESPONSE_3XX_6XX): (S.COMPLETED, (A.SEND_ACK, A.START_D, A.DELIVER)),
        (S.PROCEEDING, I.TIMER_CANCEL): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.COMPLETED, I.RESPONSE_3XX_6XX): (S.COMPLETED, (A.SEND_ACK,)),
        (S.COMPLETED, I.TIMER_D): (S.TERMINATED, (A.DESTROY,)),
        # the figure informs the TU, which has its final response by now
        (S.COMPLETED, I.TRANSPORT_ERROR): (S.TERMINATED, (A.DESTROY,)),
        (S.ACCEPTED, I.RESPONSE_2XX): (S.ACCEPTED, (A.DELIVER,)),
        (S.ACCEPTED, I.TIMER_M): (S.TERMINATED, (A.DESTROY,)),
    },
    ignored=_ignore(S.CALLING, I.TIMER_D, I.TIMER_M, I.TIMER_CANCEL)
    # after a provisional response the answer may come over a new connection (RFC 3261 18.2.2)
    | _ignore(S.PROCEEDING, I.TIMER_A, I.TIMER_B, I.TIMER_D, I.TIMER_M, I.TRANSPORT_ERROR)
    | _ignore(S.COMPLETED, I.RESPONSE_1XX, I.RESPONSE_2XX)
    | _ignore(S.COMPLETED, I.TIMER_A, I.TIMER_B, I.TIMER_M, I.TIMER_CANCEL)
    | _ignore(S.ACCEPTED, I.RESPONSE_1XX, I.RESPONSE_3XX_6XX, I.TRANSPORT_ERROR)
    | _ignore(S.ACCEPTED, I.TIMER_A, I.TIMER_B, I.TIMER_D, I.TIMER_CANCEL)
    | _ignore(S.TERMINATED, *_ICT_INPUTS),
)

_NICT_INPUTS = (
    I.RESPONSE_1XX,
    I.RESPONSE_2XX,
    I.RESPONSE_3XX_6XX,
    I.TIMER_E,
    I.TIMER_F,
    I.TIMER_K,
    I.TRANSPORT_ERROR,
)

NICT = Machine(
    name="NICT",
    figure="non-INVITE client, RFC 3261 figure 6",
    states=(S.TRYING, S.PROCEEDING, S.COMPLETED, S.TERMINATED),
    inputs=_NICT_INPUTS,
    rows={
        (S.TRYING, I.TIMER_E): (S.TRYING, (A.RETRANSMIT, A.RESTART_E_DOUBLED)),
        (S.TRYING, I.TIMER_F): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.TRYING, I.TRANSPORT_ERROR): (S.TERMINATED, (A.DESTROY, A.INFORM_TRANSPORT)),
        (S.TRYING, I.RESPONSE_1XX): (S.PROCEEDING, (A.DELIVER,)),
        (S.TRYING, I.RESPONSE_2XX): (S.COMPLETED, (A.START_K, A.DELIVER)),
        (S.TRYING, I.RESPONSE_3XX_6XX): (S.COMPLETED, (A.START_K, A.DELIVER)),
        (S.PROCEEDING, I.TIMER_E): (S.PROCEEDING, (A.RETRANSMIT, A.RESTART_E_T2)),
        (S.PROCEEDING, I.TIMER_F): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.PROCEEDING, I.TRANSPORT_ERROR): (S.TERMINATED, (A.DESTROY, A.INFORM_TRANSPORT)),
        (S.PROCEEDING, I.RESPONSE_1XX): (S.PROCEEDING, (A.DELIVER,)),
        (S.PROCEEDING, I.RESPONSE_2XX): (S.COMPLETED, (A.START_K, A.DELIVER)),
        (S.PROCEEDING, I.RESPONSE_3XX_6XX): (S.COMPLETED, (A.START_K, A.DELIVER)),
        (S.COMPLETED, I.TIMER_K): (S.TERMINATED, (A.DESTROY,)),
    },
    ignored=_ignore(S.TRYING, I.TIMER_K)
    | _ignore(S.PROCEEDING, I.TIMER_K)
    | _ignore(S.COMPLETED, I.RESPONSE_1XX, I.RESPONSE_2XX, I.RESPONSE_3XX_6XX)
    | _ignore(S.COMPLETED, I.TIMER_E, I.TIMER_F, I.TRANSPORT_ERROR)
    | _ignore(S.TERMINATED, *_NICT_INPUTS),
)

_IST_INPUTS = (
    I.REQUEST,
    I.ACK,
    I.TU_100,
    I.TU_101_199,
    I.TU_2XX,
    I.TU_3XX_6XX,
    I.TIMER_G,
    I.TIMER_H,
    I.TIMER_I,
    I.TIMER_L,
    I.TIMER_TRYING,
    I.TRANSPORT_ERROR,
)
_TU = (I.TU_100, I.TU_101_199, I.TU_2XX, I.TU_3XX_6XX)

IST = Machine(
    name="IST",
    figure="INVITE server, RFC 6026 figure 7",
    states=(S.PROCEEDING, S.ACCEPTED, S.COMPLETED, S.CONFIRMED, S.TERMINATED),
    inputs=_IST_INPUTS,
    rows={
        (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, (A.RESEND_RESPONSE,)),
        (S.PROCEEDING, I.TIMER_TRYING): (S.PROCEEDING, (A.SEND_TRYING,)),
        (S.PROCEEDING, I.TU_100): (S.PROCEEDING, (A.SEND_RESPONSE,)),
        (S.PROCEEDING, I.TU_101_199): (S.PROCEEDING, (A.SEND_RESPONSE,)),
        (S.PROCEEDING, I.TU_2XX): (S.ACCEPTED, (A.SEND_RESPONSE, A.START_L)),
        (S.PROCEEDING, I.TU_3XX_6XX): (S.COMPLETED, (A.SEND_RESPONSE, A.START_H, A.START_G)),
        (S.ACCEPTED, I.ACK): (S.ACCEPTED, (A.PASS_ACK,)),
        (S.ACCEPTED, I.TU_2XX): (S.ACCEPTED, (A.SEND_RESPONSE,)),
        (S.ACCEPTED, I.TIMER_L): (S.TERMINATED, (A.DESTROY,)),
        (S.COMPLETED, I.REQUEST): (S.COMPLETED, (A.RESEND_RESPONSE,)),
        (S.COMPLETED, I.TIMER_G): (S.COMPLETED, (A.RESEND_RESPONSE, A.RESTART_G_DOUBLED)),
        (S.COMPLETED, I.ACK): (S.CONFIRMED, (A.START_I,)),
        (S.COMPLETED, I.TIMER_H): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.CONFIRMED, I.TIMER_I): (S.TERMINATED, (A.DESTROY,)),
    },
    # A transport error leaves every server transaction where it is (RFC 6026 8.8); the TU hears
    # of the lost flow from the endpoint.
    ignored=_ignore(S.PROCEEDING, I.ACK, I.TRANSPORT_ERROR)
    | _ignore(S.PROCEEDING, I.TIMER_G, I.TIMER_H, I.TIMER_I, I.TIMER_L)
    | _ignore(S.ACCEPTED, I.REQUEST, I.TRANSPORT_ERROR)
    | _ignore(S.ACCEPTED, I.TU_100, I.TU_101_199, I.TU_3XX_6XX)
    | _ignore(S.ACCEPTED, I.TIMER_G, I.TIMER_H, I.TIMER_I, I.TIMER_TRYING)
    | _ignore(S.COMPLETED, I.TIMER_I, I.TIMER_L, I.TIMER_TRYING, I.TRANSPORT_ERROR, *_TU)
    | _ignore(S.CONFIRMED, I.REQUEST, I.ACK, I.TRANSPORT_ERROR, *_TU)
    | _ignore(S.CONFIRMED, I.TIMER_G, I.TIMER_H, I.TIMER_L, I.TIMER_TRYING)
    | _ignore(S.TERMINATED, *_IST_INPUTS),
)

_NIST_INPUTS = (
    I.REQUEST,
    I.TU_100,
    I.TU_101_199,
    I.TU_2XX,
    I.TU_3XX_6XX,
    I.TU_408,
    I.TIMER_J,
    I.TIMER_TRYING,
    I.TIMER_EXPIRES,
    I.TRANSPORT_ERROR,
)

NIST = Machine(
    name="NIST",
    figure="non-INVITE server, RFC 3261 figure 8 with RFC 4320",
    states=(S.TRYING, S.PROCEEDING, S.COMPLETED, S.TERMINATED),
    inputs=_NIST_INPUTS,
    rows={
        (S.TRYING, I.TIMER_TRYING): (S.PROCEEDING, (A.SEND_TRYING,)),
        (S.TRYING, I.TU_100): (S.PROCEEDING, (A.SEND_RESPONSE,)),
        (S.TRYING, I.TU_2XX): (S.COMPLETED, (A.SEND_RESPONSE, A.START_J)),
        (S.TRYING, I.TU_3XX_6XX): (S.COMPLETED, (A.SEND_RESPONSE, A.START_J)),
        (S.TRYING, I.TIMER_EXPIRES): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, (A.RESEND_RESPONSE,)),
        (S.PROCEEDING, I.TU_100): (S.PROCEEDING, (A.SEND_RESPONSE,)),
        (S.PROCEEDING, I.TU_2XX): (S.COMPLETED, (A.SEND_RESPONSE, A.START_J)),
        (S.PROCEEDING, I.TU_3XX_6XX): (S.COMPLETED, (A.SEND_RESPONSE, A.START_J)),
        (S.PROCEEDING, I.TIMER_EXPIRES): (S.TERMINATED, (A.DESTROY, A.INFORM_TIMEOUT)),
        (S.COMPLETED, I.REQUEST): (S.COMPLETED, (A.RESEND_RESPONSE,)),
        (S.COMPLETED, I.TIMER_J): (S.TERMINATED, (A.DESTROY,)),
    },
    # 101-199 and 408 never answer a non-INVITE request (RFC 4320 4.1, 4.2)
    ignored=_ignore(S.TRYING, I.REQUEST, I.TU_101_199, I.TU_408, I.TIMER_J, I.TRANSPORT_ERROR)
    | _ignore(S.PROCEEDING, I.TU_101_199, I.TU_408, I.TIMER_J, I.TIMER_TRYING)
    | _ignore(S.PROCEEDING, I.TRANSPORT_ERROR)
    | _ignore(S.COMPLETED, I.TU_408, I.TIMER_TRYING, I.TIMER_EXPIRES, I.TRANSPORT_ERROR, *_TU)
    | _ignore(S.TERMINATED, *_NIST_INPUTS),
)

MACHINES = (ICT, NICT, IST, NIST)


def check_total(machine: Machine) -> list[str]:
    """Return what is wrong with a table, nothing when it is total.

    Total: each pair of the machine's states and inputs is a row or ignored and never both; rows
    lead to states of the machine; nothing has an effect in TERMINATED.
    """
    faults: list[str] = []
    pairs = {(state, item) for state in machine.states for item in machine.inputs}
    for pair in sorted(pairs):
        row = pair in machine.rows
        if row == (pair in machine.ignored):
            verdict = "both" if row else "neither"
            faults.append(f"{machine.name} {pair[0].name} {pair[1].name}: {verdict}")
    for pair in sorted((set(machine.rows) | machine.ignored) - pairs):
        faults.append(f"{machine.name} {pair[0].name} {pair[1].name}: outside the figure")
    for (state, item), (target, _) in machine.rows.items():
        if target not in machine.states or state is State.TERMINATED:
            faults.append(f"{machine.name} {state.name} {item.name}: leads to {target.name}")
    return faults


INPUTS = len(Input)


class Compiled:
    """A table as the engine reads it: both lists are indexed by ``state * INPUTS + input``."""

    __slots__ = ("actions", "next")

    def __init__(self, following: list[int], actions: list[tuple[int, ...]]) -> None:
        self.next = following
        self.actions = actions


def compile_table(machine: Machine) -> Compiled:
    """Flatten a table; a pair without a row keeps its state and has no action."""
    following = [state for state in range(len(State)) for _ in range(INPUTS)]
    actions: list[tuple[int, ...]] = [()] * len(following)
    for (state, item), (target, row) in machine.rows.items():
        index = int(state) * INPUTS + int(item)
        following[index] = int(target)
        actions[index] = tuple(int(action) for action in row)
    return Compiled(following, actions)
