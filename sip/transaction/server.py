# SPDX-License-Identifier: Apache-2.0
"""Server transactions: the engine behind the IST and NIST tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..message import build_response
from .tables import INPUTS, IST, NIST, Action, Input, State, compile_table

if TYPE_CHECKING:
    from ..flow import Flow
    from ..message import Request
    from .layer import TransactionLayer

__all__ = ["ServerTransaction"]

_ist = compile_table(IST)
_nist = compile_table(NIST)
_IST_NEXT = _ist.next
_IST_ACTIONS = _ist.actions
_NIST_NEXT = _nist.next
_NIST_ACTIONS = _nist.actions

_N = INPUTS
_TRYING = int(State.TRYING)
_PROCEEDING = int(State.PROCEEDING)
_TERMINATED = int(State.TERMINATED)

_REQUEST = int(Input.REQUEST)
_ACK = int(Input.ACK)
_TU_100 = int(Input.TU_100)
_TU_101_199 = int(Input.TU_101_199)
_TU_2XX = int(Input.TU_2XX)
_TU_3XX_6XX = int(Input.TU_3XX_6XX)
_TU_408 = int(Input.TU_408)
TIMER_G = int(Input.TIMER_G)
TIMER_H = int(Input.TIMER_H)
TIMER_I = int(Input.TIMER_I)
TIMER_L = int(Input.TIMER_L)

_SEND_RESPONSE = int(Action.SEND_RESPONSE)
_SEND_TRYING = int(Action.SEND_TRYING)
_RESEND_RESPONSE = int(Action.RESEND_RESPONSE)
_PASS_ACK = int(Action.PASS_ACK)
_RESTART_G_DOUBLED = int(Action.RESTART_G_DOUBLED)
_START_G = int(Action.START_G)
_START_H = int(Action.START_H)
_START_I = int(Action.START_I)
_START_J = int(Action.START_J)
_START_L = int(Action.START_L)
_INFORM_TIMEOUT = int(Action.INFORM_TIMEOUT)
_DESTROY = int(Action.DESTROY)


class ServerTransaction:
    """One request received, and what was answered.

    final_status: 0 until the user gave a final response. user: free for the transaction user.
    charging: P-Charging-Vector of every answer of our own, None without one.
    created: monotonic seconds. After the final response to a non-INVITE the layer keeps only key
    and octets (rows of NIST Completed), so this object lives no longer than its user holds it.
    """

    __slots__ = (
        "_expires",
        "_interval",
        "_last",
        "_layer",
        "charging",
        "created",
        "final_status",
        "flow",
        "invite",
        "key",
        "request",
        "state",
        "user",
    )

    def __init__(
        self, layer: TransactionLayer, request: Request, key: bytes, flow: Flow, now: float
    ) -> None:
        self._begin(layer, request, key, flow, now)

    def _begin(
        self, layer: TransactionLayer, request: Request, key: bytes, flow: Flow, now: float
    ) -> None:
        self._layer = layer
        self.request = request
        self.key = key
        self.charging: bytes | None = None
        self.flow = flow
        self.created = now
        self.final_status: int = 0
        self.user: object | None = None
        self._last: bytes = b""
        if request.method == "INVITE":
            self.invite: bool = True
            self.state: int = _PROCEEDING
            self._interval: float = layer.config.t1
            self._expires: float = 0.0
        else:
            self.invite = False
            self.state = _TRYING

    @property
    def method(self) -> str:
        """The method of the request."""
        return self.request.method

    def respond(self, data: bytes, status: int, now: float) -> bool:
        """Send a response; False when the rules drop it.

        Dropped are a second final, 101-199 and 408 to a non-INVITE (after a 408 the transaction
        ends silently), 100 to a non-INVITE over UDP (the transaction sends it itself when it is
        due) and anything after the end. A 2xx to INVITE may be passed again for 64*T1.
        Spec: RFC 3261 17.2, RFC 6026 7.1, RFC 4320 4.
        """
        if status >= 300:
            item = _TU_3XX_6XX
        elif status >= 200:
            item = _TU_2XX
        elif status == 100:
            item = _TU_100
        else:
            item = _TU_101_199
        if not self.invite:
            if status == 408:
                item = _TU_408
            elif status == 100 and not self.flow.reliable:
                self._layer.stats.suppressed_responses += 1
                return False
        if status >= 200 and self.final_status == 0:
            self.final_status = status
        index = self.state * _N + item
        actions = _IST_ACTIONS[index] if self.invite else _NIST_ACTIONS[index]
        if not actions:
            self._layer.stats.suppressed_responses += 1
            return False
        self._last = data
        self.state = _IST_NEXT[index] if self.invite else _NIST_NEXT[index]
        self._run(actions, now)
        return True

    def receive(self, method: str, now: float) -> bool:
        """Take a request that matched; False when it is an ACK the user has to see."""
        if method != "ACK":
            self._layer.stats.retransmissions_in += 1
            self._feed(_REQUEST, now)
            return True
        if not self.invite:
            return True
        return not self._feed(_ACK, now)

    def on_timer(self, kind: int, now: float) -> None:
        """Fire a timer; one that lost its meaning has no row and no effect."""
        if kind == TIMER_G and now >= self._expires:
            kind = TIMER_H
        self._feed(kind, now)

    def _feed(self, item: int, now: float) -> bool:
        """Carry out the row; True when it says that an ACK goes to the user."""
        index = self.state * _N + item
        if self.invite:
            self.state = _IST_NEXT[index]
            return self._run(_IST_ACTIONS[index], now)
        self.state = _NIST_NEXT[index]
        return self._run(_NIST_ACTIONS[index], now)

    def _run(self, actions: tuple[int, ...], now: float) -> bool:
        layer = self._layer
        pass_ack = False
        for action in actions:
            if action == _SEND_RESPONSE:
                layer.send(self.flow, self._last, now)
            elif action == _START_J:
                self._finish(now)
            elif action == _RESEND_RESPONSE:
                if self._last:
                    layer.resend(self.flow, self._last, now)
            elif action == _SEND_TRYING:
                if not self._last:
                    self._last = build_response(self.request, 100)
                    layer.send(self.flow, self._last, now)
            elif action == _DESTROY:
                layer.servers.pop(self.key, None)
            elif action == _INFORM_TIMEOUT:
                layer.stats.server_timeouts += 1
                layer.inform_expired(self, now)
            elif action == _PASS_ACK:
                pass_ack = True
            else:
                self._act_invite(action, now)
        return pass_ack

    def _act_invite(self, action: int, now: float) -> None:
        layer = self._layer
        if action == _START_H:
            self._expires = now + layer.transaction_s
        elif action == _START_G:
            first = self._expires if self.flow.reliable else now + self._interval
            layer.timers.schedule(first, self, TIMER_G)
        elif action == _RESTART_G_DOUBLED:
            self._interval = min(2.0 * self._interval, layer.config.t2)
            layer.timers.schedule(min(now + self._interval, self._expires), self, TIMER_G)
        elif action == _START_I:
            if self.flow.reliable:
                self._feed(TIMER_I, now)
            else:
                layer.timers.schedule(now + layer.config.t4, self, TIMER_I)
        elif action == _START_L:
            layer.timers.schedule(now + layer.transaction_s, self, TIMER_L)

    def _finish(self, now: float) -> None:
        """Enter Completed: the layer keeps key and octets, and Timer J in a lane of keys."""
        layer = self._layer
        layer.servers.pop(self.key, None)
        if self.flow.reliable:
            self.state = _TERMINATED
        else:
            layer.completed[self.key] = (self._last, self.flow)
            layer.timer_j.add(now, self.key)
