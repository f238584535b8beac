# SPDX-License-Identifier: Apache-2.0
"""Delivery from the store: per device, oldest first, one message on its way per device.

A mailbox is in memory only while a reachable device has something to get, and of it at most one
page per device. That a mailbox is not in memory therefore means: nothing stored waits for any
device that can be reached now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sip.message import Response
from sip.proxy import Branch, Fork, Proxy, Target
from sip.timers import TimerQueue

from . import policy, rules
from .contents import stored_notice
from .keeper import Keeper
from .mailbox import WAKE, Item, Lane, LaneKey, Mailbox, Tried
from .ports import Bindings, Carrier, Clock, Ledger, Observer, Screen
from .replay import delivery_draft, stored_charging, with_content
from .settings import PagerSettings
from .stats import PagerStats
from .values import LedgerEntry, MarkState, PendingMessage


class Attempt:
    """One stored message on its way to one device; the owner of the fork that carries it.

    in_session: it goes by another way (`pager.ports.Carrier`).
    """

    __slots__ = ("in_session", "item", "lane")

    def __init__(self, lane: Lane, item: Item) -> None:
        self.lane = lane
        self.item = item
        self.in_session = False

    def on_branch(self, fork: Fork, branch: Branch, now: float) -> None:
        """Nothing to note: a fork to one target ends with its only branch."""

    def on_final(self, fork: Fork, response: Response | None, status: int, now: float) -> None:
        """Hand the device's answer to the mailbox."""
        self.lane.box.engine.ended(self, status, now)

    def done(self, status: int, now: float) -> None:
        """See `pager.ports.Carried`."""
        self.lane.box.engine.ended(self, status, now)

    def otherwise(self, now: float, content: tuple[bytes, bytes] | None = None) -> None:
        """See `pager.ports.Carried`."""
        self.in_session = False
        self.lane.box.engine.send(self, now, content)


class _Page:
    """A page of one lane on its way from the store."""

    __slots__ = ("lane",)

    def __init__(self, lane: Lane) -> None:
        self.lane = lane

    def done(self, messages: list[PendingMessage] | None) -> None:
        self.lane.box.engine.loaded(self.lane, messages)


class Offline:
    """Empties mailboxes. Everything for one recipient happens in one order, on one thread."""

    def __init__(
        self,
        proxy: Proxy,
        timers: TimerQueue,
        bindings: Bindings,
        keeper: Keeper,
        ledger: Ledger,
        clock: Clock,
        settings: PagerSettings,
        stats: PagerStats,
    ) -> None:
        self.boxes: dict[str, Mailbox] = {}
        self.settings = settings
        self.stopped = False
        self.observers: tuple[Observer, ...] = ()
        self.screen: Screen | None = None
        self.carrier: Carrier | None = None
        self.held: set[str] = set()  # recipients who want nothing for the moment
        self._slots = 0
        self._queue: deque[Lane] = deque()
        self._proxy = proxy
        self._timers = timers
        self._bindings = bindings
        self._keeper = keeper
        self._ledger = ledger
        self._clock = clock
        self._stats = stats
        keeper.user = self

    def registered(self, recipient: str, now: float) -> None:
        """Deliver what waits: a device registered, so pauses end and every page is read anew."""
        box = self.boxes.get(recipient)
        if box is None:
            if not self._keeper.waits(recipient):
                return
            box = self._open(recipient)
        self._update_lanes(box, now)
        for lane in box.lanes.values():
            lane.delay_s = lane.wake_at = 0.0
            lane.rewind()
        self._advance(box, now)

    def hold(self, recipient: str, now: float) -> None:
        """Send a recipient nothing more; what is on its way to a device ends by itself."""
        self.held.add(recipient)
        box = self.boxes.get(recipient)
        if box is not None:
            self.refresh(box, now)

    def release(self, recipient: str, now: float) -> None:
        """Go on with a recipient who was on hold."""
        self.held.discard(recipient)
        self.registered(recipient, now)

    def lane_of(self, recipient: str, target: Target) -> Lane | None:
        """Return the lane of a target while its mailbox is in memory."""
        box = self.boxes.get(recipient)
        return None if box is None else box.lanes.get(self._key(target))

    def adopt(self, item: Item, branches: Sequence[Tried], now: float) -> Item:
        """Take over a message stored just now, with the online attempts made for it so far.

        Attempts still running keep their devices busy until the caller reports each of them with
        ``branch_ended``. Returns: the item to report them for.
        """
        recipient = item.message.recipient
        box = self.boxes.get(recipient) or self._open(recipient)
        self._update_lanes(box, now)
        item = box.hold(item)
        for branch in branches:
            lane = box.lanes.get(self._key(branch.target))
            if not branch.status:
                item.tried.add(self._bindings.device_of(branch.target))
                box.hold(item)
                if lane is not None and not lane.moved_to(branch.target):
                    lane.holds.add(branch)
            elif lane is not None and policy.class_of(branch.status) == policy.MOMENT:
                self._pause(lane, now)
        for branch in branches:
            if branch.status:
                self._heard(item, self._bindings.device_of(branch.target), branch.status, box)
        for lane in box.lanes.values():
            self._offer(lane, item)
        box.release(item)
        self._advance(box, now)
        return item

    def _heard(self, item: Item, device: str, status: int, box: Mailbox) -> None:
        """Record what a device answered before its message was stored; the ledger has it."""
        answer = policy.answer_from_store(status, item.repeated(device))
        if answer == policy.MOMENT:
            return
        if item.accepted and device not in item.message.devices:
            item.settled.add(device)
        elif device or answer != policy.REFUSED:
            # A refusal alone does not end it: the sender was promised that others will be tried.
            self._settle(box, item, device, status, others=True)

    def branch_ended(self, item: Item, branch: Tried, now: float) -> None:
        """Take the outcome of an online attempt that ran on when its message was adopted."""
        recipient = item.message.recipient
        box = self.boxes[recipient]  # the item's holders keep it in memory
        device = self._bindings.device_of(branch.target)
        lane = box.lanes.get(self._key(branch.target))
        answer = self._conclude(box, lane, item, device, branch.status)
        if lane is not None and branch in lane.holds:
            lane.holds.discard(branch)
            if answer == policy.MOMENT:
                self._pause(lane, now)
            else:
                lane.delay_s = 0.0
        box.release(item)
        self._advance(box, now)

    def ended(self, attempt: Attempt, status: int, now: float) -> None:
        """Take the outcome of an attempt of our own."""
        lane, item = attempt.lane, attempt.item
        box = lane.box
        answer = self._conclude(box, lane, item, lane.device, status, attempt.in_session)
        if lane.attempt is attempt:
            lane.attempt = None
            if answer == policy.MOMENT:
                self._stats.retries += 1
                self._pause(lane, now)
            else:
                lane.delay_s = 0.0
                if lane.queue and lane.queue[0] is item:
                    box.release(lane.queue.popleft())
        box.release(item)
        self._advance(box, now)

    def expired(self, recipient: str, seq: int) -> bool:
        """Stop delivering an expired message; False when its fate was decided already."""
        box = self.boxes.get(recipient)
        item = box.items.get(seq) if box is not None else None
        if item is None:
            return True
        if item.finished:
            return False
        item.finished = True
        return True

    def withdrawn(self, recipient: str, seq: int) -> tuple[Item | None, bool]:
        """Return a message that its sender took back, if it is in memory.

        Returns: with it, whether an attempt to deliver it is under way.
        """
        box = self.boxes.get(recipient)
        item = box.items.get(seq) if box is not None else None
        if box is None or item is None:
            return None, False
        queued = sum(lane.queue.count(item) for lane in box.lanes.values())
        return item, item.holders > queued

    def refresh(self, box: Mailbox, now: float) -> None:
        """Bring the lanes in line with the bindings and go on delivering."""
        self._update_lanes(box, now)
        self._advance(box, now)

    def loaded(self, lane: Lane, messages: list[PendingMessage] | None) -> None:
        """Take a page from the store."""
        box = lane.box
        now = self._clock.now()
        box.reads -= 1
        lane.loading = False
        if messages is None:
            self._stats.store_failures += 1
            self._pause(lane, now)
        elif lane.stale or lane.gone:
            lane.stale = False
        else:
            lane.more = lane.reload or len(messages) >= self.settings.page_messages
            for pending in messages:
                lane.cursor = pending.seq
                item = box.items.get(pending.seq) or Item.loaded(pending)
                if item.concerns(lane.device):
                    lane.queue.append(box.hold(item))
        lane.reload = False
        box.tidy()
        self._advance(box, now)

    def close_if_idle(self, box: Mailbox) -> None:
        """Forget a mailbox that has nothing left to do."""
        if box.idle and self.boxes.get(box.recipient) is box:
            del self.boxes[box.recipient]

    def _open(self, recipient: str) -> Mailbox:
        box = self.boxes[recipient] = Mailbox(self, recipient)
        return box

    def _key(self, target: Target) -> LaneKey:
        return self._bindings.device_of(target) or target.uri

    def _update_lanes(self, box: Mailbox, now: float) -> None:
        """Add lanes for new devices, drop those of lost ones, follow those that moved."""
        lanes: dict[LaneKey, Lane] = {}
        held = box.recipient in self.held
        for target in () if held else self._bindings.targets(box.recipient, now):
            device = self._bindings.device_of(target)
            key = device or target.uri
            lane = box.lanes.pop(key, None)
            if lane is None:
                lane = Lane(box, key, device, target)
            elif lane.moved_to(target):
                # What is under way on the old path may never arrive: try the new one at once. A
                # late answer still settles its message.
                lane.target = target
                lane.attempt = None
                lane.holds.clear()
                lane.delay_s = lane.wake_at = 0.0
            lanes[key] = lane
        for lane in box.lanes.values():
            lane.gone = True
            lane.drop_page()
            self._free(lane, now)
        box.lanes = lanes

    def _offer(self, lane: Lane, item: Item) -> None:
        """Queue a message stored just now, unless the lane will read it from the store."""
        if lane.loading:
            lane.reload = True
        elif lane.more:
            return
        elif len(lane.queue) >= self.settings.page_messages:
            lane.more = True
        elif item.concerns(lane.device):
            lane.queue.append(lane.box.hold(item))
            lane.cursor = max(lane.cursor, item.seq)

    def _advance(self, box: Mailbox, now: float) -> None:
        """Send, read or rest: whatever each device's turn is."""
        for lane in box.lanes.values():
            if not (lane.occupied or self.stopped):
                self._next(lane, now)
        self.close_if_idle(box)

    def _next(self, lane: Lane, now: float) -> None:
        wall = self._clock.wall()
        while lane.queue:
            item = lane.queue[0]
            if item.concerns(lane.device) and item.message.expires_at > wall:
                self._send(lane, item, now)
                return
            lane.box.release(lane.queue.popleft())
        if not lane.more:
            self._free(lane, now)
        elif lane.slot or self._slots < self.settings.draining_devices:
            if not lane.slot:
                lane.slot = True
                self._slots += 1
            lane.loading = True
            lane.box.reads += 1
            self._keeper.store_port.pending(
                lane.box.recipient, lane.cursor, self.settings.page_messages, _Page(lane).done
            )
        else:
            lane.queued = True
            self._queue.append(lane)

    def _free(self, lane: Lane, now: float) -> None:
        """Give up the right to hold a page, to whoever waits for it longest."""
        if not lane.slot:
            return
        lane.slot = False
        self._slots -= 1
        while self._queue and self._slots < self.settings.draining_devices:
            waiting = self._queue.popleft()
            waiting.queued = False
            if not (waiting.gone or waiting.occupied or self.stopped):
                self._next(waiting, now)

    def _send(self, lane: Lane, item: Item, now: float) -> None:
        self._stats.attempts += 1
        attempt = lane.attempt = Attempt(lane, lane.box.hold(item))
        carrier = self.carrier
        if carrier is not None and carrier.carry(item.message, lane.target, attempt, now):
            attempt.in_session = True
        else:
            self.send(attempt, now)

    def send(
        self, attempt: Attempt, now: float, content: tuple[bytes, bytes] | None = None
    ) -> None:
        """Send a MESSAGE. Args: content: see `pager.ports.Carried`."""
        lane = attempt.lane
        draft = delivery_draft(attempt.item.message, lane.device)
        if content is not None:
            draft = with_content(draft, *content)
        Fork(self._proxy, None, draft, attempt).start((lane.target,), now)

    def _pause(self, lane: Lane, now: float) -> None:
        """Rest after a failure, holding no message meanwhile."""
        lane.rewind()
        self._free(lane, now)
        if lane.gone:
            return
        settings = self.settings
        lane.delay_s = policy.next_delay(lane.delay_s, settings.retry_min_s, settings.retry_max_s)
        lane.wake_at = now + lane.delay_s
        self._timers.schedule(lane.wake_at, lane, WAKE)

    def _conclude(
        self,
        box: Mailbox,
        lane: Lane | None,
        item: Item,
        device: str,
        status: int,
        in_session: bool = False,
    ) -> int:
        """Record what a device answered, on ``lane`` if it still has one, and tell the ledger.

        Returns: the class of the answer.
        """
        answer = policy.answer_from_store(status, item.repeated(device))
        if answer == policy.MOMENT:
            item.tried.add(device)
            self._note(item, device, status, rules.TRY_AGAIN, rules.UNDECIDED, False)
            return answer
        over = item.finished
        others = answer == policy.REFUSED and _others(box, lane, item)
        if self._settle(box, item, device, status, others):
            final = item.finished and not over
            if answer == policy.ACCEPTED:
                self._stats.delivered += 1
                rule = rules.DEVICE_REPEATED if status == 482 else rules.DEVICE_ACCEPTED
                rule = rules.TOOK_IN_SESSION if in_session else rule
                self._note(item, device, status, rule, rules.DELIVERED, final)
            else:
                self._stats.refused_by_device += 1
                rule = rules.REFUSED_IN_SESSION if in_session else policy.device_rule(status)
                self._note(item, device, status, rule, rules.REFUSED, final)
                if status == policy.UNWANTED and self.screen is not None:
                    message = item.message
                    self.screen.unwanted(
                        message.id, message.sender, message.recipient, message.head, message.body
                    )
            for observer in self.observers:
                observer.concluded(item.message, device, status, final, self._clock.now())
        return answer

    def _settle(self, box: Mailbox, item: Item, device: str, status: int, others: bool) -> bool:
        """Decide a device's fate; False when it was decided before or must stay open.

        Args:
            others: further devices may still take it.
        """
        answer = policy.answer_from_store(status, item.repeated(device))
        # An answer that came after the deadline belongs in the story when it is good news.
        over = item.finished
        if device in item.settled or (over and answer != policy.ACCEPTED):
            return False
        if answer == policy.REFUSED and others and not device:
            # Devices without an instance id cannot be told apart in the store: as long as another
            # of them may take it, one refusal decides nothing.
            return False
        opened = not item.accepted
        item.finished = over or policy.settles(item.standing(others), device, answer)
        item.settled.add(device)
        state = MarkState.REFUSED
        if answer == policy.ACCEPTED:
            item.accepted = item.message.accepted = True
            state = MarkState.ACCEPTED
        if not over:
            self._keeper.settle(box, item, device, state, status, opened)
        return True

    def _note(
        self, item: Item, device: str, status: int, rule: str, outcome: str, final: bool
    ) -> None:
        message = item.message
        step = (self._clock.wall(), rules.ANSWERED, device, status, rule)
        notice = stored_notice(message.head, message.body) if final else None
        self._ledger.note(
            LedgerEntry(
                message.id,
                message.call_id,
                message.received_at,
                message.sender,
                message.recipient,
                len(message.body),
                [step],
                outcome,
                final,
                notice,
                stored_charging(message.head),
            )
        )


def _others(box: Mailbox, answering: Lane | None, item: Item) -> bool:
    """Say whether another reachable device may still take the message."""
    for lane in box.lanes.values():
        if lane is answering or (lane.device and lane.device in item.settled):
            continue
        if item in lane.queue or lane.more or lane.holds:
            return True
    return False
