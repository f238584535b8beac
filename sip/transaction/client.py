# SPDX-License-Identifier: Apache-2.0
"""Client transactions: the engine behind the ICT and NICT tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .requests import ack_for, cancel_for
from .tables import ICT, INPUTS, NICT, Action, Input, State, compile_table

if TYPE_CHECKING:
    from ..flow import Flow
    from ..headers.via import Via
    from ..message import Response
    from ..ports import ClientUser
    from .layer import TransactionLayer

__all__ = ["TIMEOUT", "TRANSPORT", "ClientTransaction"]

TIMEOUT = 1
"""on_failure: no final response came in time (the caller's 408)."""
TRANSPORT = 2
"""on_failure: the flow was lost (the caller's 503, RFC 3261 16.9)."""

_ict = compile_table(ICT)
_nict = compile_table(NICT)
_ICT_NEXT = _ict.next
_ICT_ACTIONS = _ict.actions
_NICT_NEXT = _nict.next
_NICT_ACTIONS = _nict.actions

# The engine compares plain integers: an IntEnum member costs a look-up each time.
_N = INPUTS
_CALLING = int(State.CALLING)
_TRYING = int(State.TRYING)
_PROCEEDING = int(State.PROCEEDING)
_ACCEPTED = int(State.ACCEPTED)

_RESPONSE_1XX = int(Input.RESPONSE_1XX)
_RESPONSE_2XX = int(Input.RESPONSE_2XX)
_RESPONSE_3XX_6XX = int(Input.RESPONSE_3XX_6XX)
TIMER_A = int(Input.TIMER_A)
TIMER_B = int(Input.TIMER_B)
TIMER_D = int(Input.TIMER_D)
TIMER_E = int(Input.TIMER_E)
TIMER_F = int(Input.TIMER_F)
TIMER_K = int(Input.TIMER_K)
TIMER_M = int(Input.TIMER_M)
TIMER_CANCEL = int(Input.TIMER_CANCEL)

_DELIVER = int(Action.DELIVER)
_RETRANSMIT = int(Action.RETRANSMIT)
_SEND_ACK = int(Action.SEND_ACK)
_SEND_CANCEL_IF_WANTED = int(Action.SEND_CANCEL_IF_WANTED)
_RESTART_A_DOUBLED = int(Action.RESTART_A_DOUBLED)
_RESTART_E_DOUBLED = int(Action.RESTART_E_DOUBLED)
_RESTART_E_T2 = int(Action.RESTART_E_T2)
_START_D = int(Action.START_D)
_START_K = int(Action.START_K)
_START_M = int(Action.START_M)
_INFORM_TIMEOUT = int(Action.INFORM_TIMEOUT)
_INFORM_TRANSPORT = int(Action.INFORM_TRANSPORT)
_DESTROY = int(Action.DESTROY)


class ClientTransaction:
    """One request sent to one hop, and what came back.

    data: the request as sent; empty once it can not be sent again. user: told of responses, None
    after ``abandon`` or when nothing more will come. context: free for the user. created: monotonic
    seconds. One timer entry is alive at a time: E and F (A and B) share it, the engine looks which
    of the two it is when it fires.
    """

    __slots__ = (
        "_ack",
        "_cancel",
        "_interval",
        "_layer",
        "_step",
        "context",
        "created",
        "data",
        "flow",
        "invite",
        "key",
        "method",
        "state",
        "user",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        data: bytes,
        method: str,
        key: bytes,
        flow: Flow,
        user: ClientUser | None,
        now: float,
        context: object,
    ) -> None:
        self._begin(layer, data, method, key, flow, user, now, context)

    def _begin(
        self,
        layer: TransactionLayer,
        data: bytes,
        method: str,
        key: bytes,
        flow: Flow,
        user: ClientUser | None,
        now: float,
        context: object,
    ) -> None:
        self._layer = layer
        self.data = data
        self.method = method
        self.key = key
        self.flow = flow
        self.user: ClientUser | None = user
        self.context = context
        self.created = now
        if method == "INVITE":
            self.invite: bool = True
            self.state: int = _CALLING
            self._interval: float = layer.config.t1
            self._cancel: int = 0
            self._ack: bytes = b""
        else:
            self.invite = False
            self.state = _TRYING
            self._step: int = 0

    @property
    def branch(self) -> bytes:
        """The branch of the top Via."""
        return self.key.partition(b" ")[0]

    def start(self, now: float) -> None:
        """Arm the first timer: A, or E; only B, or F, where the transport is reliable."""
        layer = self._layer
        if self.invite:
            delay = layer.transaction_s if self.flow.reliable else self._interval
            layer.timers.schedule(now + delay, self, TIMER_A)
        elif self.flow.reliable:
            # F alone would keep this object for 32 s; looked at every T2 it goes earlier.
            layer.resend_last.push(now, self, TIMER_E)
        else:
            layer.resend_first.add(now, self.key)

    def cancel(self, now: float) -> None:
        """Ask the next hop to give up an INVITE; any other method: no effect.

        The CANCEL leaves at once after a provisional response, else when the first one comes; its
        own answer is swallowed. Without a final response 64*T1 later the user hears TIMEOUT.
        Spec: RFC 3261 9.1.
        """
        if not self.invite or self._cancel == 2:
            return
        if self.state == _PROCEEDING:
            self._send_cancel(now)
        elif self.state == _CALLING:
            self._cancel = 1

    def abandon(self) -> None:
        """Stop telling the user anything; the machine itself goes on to its end."""
        self.user = None
        self.context = None

    def owns(self, via: Via) -> bool:
        """Say whether a Via that is not the flow's own is still the one this transaction sent.

        The branch found the transaction already; the host is looked up in the Via as sent, because
        that may bear an advertised name. Spec: RFC 3261 18.1.2.
        """
        sent = self._ack if self.invite and not self.data else self.data
        if not sent:
            return True  # completed, whatever comes is absorbed
        start = sent.find(b"\r\nVia: ") + 7
        line = sent[start : sent.find(b"\r\n", start)].lower()
        return via.host.encode("utf-8") in line

    def receive(self, response: Response, now: float) -> None:
        """Take a response that matched."""
        status = response.status
        if status < 200:
            item = _RESPONSE_1XX
        elif status < 300:
            item = _RESPONSE_2XX
        else:
            item = _RESPONSE_3XX_6XX
        self._feed(item, response, now)

    def on_timer(self, kind: int, now: float) -> None:
        """Fire a timer; one that lost its meaning has no row and no effect."""
        if kind == TIMER_E:
            if self.state > _PROCEEDING:
                return
            if now >= self.created + self._layer.transaction_s:
                kind = TIMER_F
            elif self.flow.reliable:
                self._arm_resend(now)
                return
        elif kind == TIMER_A and now >= self.created + self._layer.transaction_s:
            kind = TIMER_B
        self._feed(kind, None, now)

    def _feed(self, item: int, response: Response | None, now: float) -> None:
        index = self.state * _N + item
        if self.invite:
            actions = _ICT_ACTIONS[index]
            self.state = _ICT_NEXT[index]
        else:
            actions = _NICT_ACTIONS[index]
            self.state = _NICT_NEXT[index]
        user = self.user
        for action in actions:
            if action == _START_K:
                self._finish(now)
            elif action == _DELIVER:
                if user is not None and response is not None:
                    user.on_response(self, response, now)
                if not self.data:
                    self.context = None  # this object outlives its use by Timer K or D
            elif action == _RETRANSMIT:
                self._layer.resend(self.flow, self.data, now)
            elif action == _RESTART_E_DOUBLED:
                if self._step < self._layer.resend_steps:
                    self._step += 1
                self._arm_resend(now)
            elif action == _RESTART_E_T2:
                self._step = self._layer.resend_steps
                self._arm_resend(now)
            elif action == _DESTROY:
                self._destroy()
            elif action == _INFORM_TIMEOUT:
                self._layer.stats.client_timeouts += 1
                if user is not None:
                    user.on_failure(self, TIMEOUT, now)
            elif action == _INFORM_TRANSPORT:
                self._layer.stats.transport_failures += 1
                if user is not None:
                    user.on_failure(self, TRANSPORT, now)
            else:
                self._act_invite(action, response, now)

    def _act_invite(self, action: int, response: Response | None, now: float) -> None:
        layer = self._layer
        if action == _RESTART_A_DOUBLED:
            self._interval *= 2.0
            end = self.created + layer.transaction_s
            layer.timers.schedule(min(now + self._interval, end), self, TIMER_A)
        elif action == _SEND_ACK:
            if not self._ack and response is not None:
                self._ack = ack_for(self.data, response)
            layer.send(self.flow, self._ack, now)
        elif action == _SEND_CANCEL_IF_WANTED:
            if self._cancel == 1:
                self._send_cancel(now)
        elif action == _START_D:
            self.data = b""
            self.user = None
            if self.flow.reliable:
                self._feed(TIMER_D, None, now)
            else:
                layer.timers.schedule(now + layer.config.timer_d, self, TIMER_D)
        elif action == _START_M:
            layer.timers.schedule(now + layer.transaction_s, self, TIMER_M)

    def _finish(self, now: float) -> None:
        """Enter Completed: the layer keeps the key, to absorb what still comes until Timer K."""
        layer = self._layer
        self.data = b""
        self.user = None
        if self.flow.reliable:
            self._feed(TIMER_K, None, now)
            return
        pending = self.flow.pending
        if pending is not None:
            pending.pop(self, None)
        layer.clients.pop(self.key, None)
        layer.absorbing[self.key] = self.method
        layer.timer_k.add(now, self.key)

    def _arm_resend(self, now: float) -> None:
        layer = self._layer
        lane = layer.resend_last if self.flow.reliable else layer.resend_lanes[self._step]
        end = self.created + layer.transaction_s
        if now + lane.delay > end:
            layer.timers.schedule(end, self, TIMER_E)
        else:
            lane.push(now, self, TIMER_E)

    def _send_cancel(self, now: float) -> None:
        self._cancel = 2
        layer = self._layer
        data = cancel_for(self.data)
        layer.create_client(data, "CANCEL", self.branch, self.flow, None, now)
        layer.timers.schedule(now + layer.transaction_s, self, TIMER_CANCEL)

    def _destroy(self) -> None:
        self._layer.clients.pop(self.key, None)
        if not self.invite and not self.data:
            return  # `_finish` has done the rest
        pending = self.flow.pending
        if pending is not None:
            pending.pop(self, None)
        self.data = b""
        self.user = None
