from __future__ import annotations

import pytest

from sip.timers import TimerConfig, TimerQueue


class Target:
    def __init__(self, name: str = "") -> None:
        self.name = name
        self.fired: list[tuple[int, float]] = []

    def on_timer(self, kind: int, now: float) -> None:
        self.fired.append((kind, now))


class Keys:
    def __init__(self) -> None:
        self.due: list[tuple[int, list[bytes], float]] = []

    def on_keys(self, kind: int, keys: list[bytes], now: float) -> None:
        self.due.append((kind, keys, now))


class TestConfig:
    def test_defaults_are_those_of_rfc_3261_table_4(self) -> None:
        config = TimerConfig()
        assert (config.t1, config.t2, config.t4) == (0.5, 4.0, 5.0)
        assert config.transaction == 32.0
        assert config.timer_d == 32.0
        assert config.resend_delays == (0.5, 1.0, 2.0, 4.0)

    def test_trying_waits_until_timer_e_reached_t2(self) -> None:
        assert TimerConfig().trying == 3.5
        assert TimerConfig(t1=1.0, t2=3.0).resend_delays == (1.0, 2.0, 3.0)
        assert TimerConfig(t1=1.0, t2=3.0).trying == 3.0

    def test_timer_d_never_falls_below_32_seconds(self) -> None:
        assert TimerConfig(t1=0.1).timer_d == 32.0
        assert TimerConfig(t1=1.0).timer_d == 64.0

    @pytest.mark.parametrize("values", [(0.0, 4.0, 5.0), (5.0, 4.0, 5.0), (0.5, 4.0, -1.0)])
    def test_nonsense_is_refused(self, values: tuple[float, float, float]) -> None:
        with pytest.raises(ValueError, match="t1"):
            TimerConfig(*values)


class TestQueue:
    def test_empty_queue_has_no_deadline(self) -> None:
        queue = TimerQueue()
        assert queue.next_deadline() is None
        assert queue.pop_due(1e9) == []
        assert len(queue) == 0

    def test_earliest_of_heap_and_lanes_is_the_deadline(self) -> None:
        queue = TimerQueue()
        target = Target()
        queue.schedule(5.0, target, 1)
        assert queue.next_deadline() == 5.0
        queue.lane(4.0).push(0.0, target, 2)
        assert queue.next_deadline() == 4.0
        assert len(queue) == 2

    def test_due_entries_come_out_by_time(self) -> None:
        queue = TimerQueue((1.0, 2.0))
        a, b, c = Target(), Target(), Target()
        queue.lane(2.0).push(0.0, a, 1)
        queue.lane(1.0).push(0.5, b, 2)
        queue.schedule(1.0, c, 3)
        assert queue.pop_due(3.0) == [(1.0, c, 3), (1.5, b, 2), (2.0, a, 1)]

    def test_equal_deadlines_heap_first_then_lanes_as_made_then_order_of_arming(self) -> None:
        queue = TimerQueue((1.0, 2.0))
        names = []
        for name, arm in (
            ("second lane", lambda t: queue.lane(2.0).push(0.0, t, 0)),
            ("first lane", lambda t: queue.lane(1.0).push(1.0, t, 0)),
            ("heap one", lambda t: queue.schedule(2.0, t, 0)),
            ("heap two", lambda t: queue.schedule(2.0, t, 0)),
        ):
            arm(Target(name))
        names = [target.name for _, target, _ in queue.pop_due(2.0)]  # type: ignore[attr-defined]
        assert names == ["heap one", "heap two", "first lane", "second lane"]

    def test_what_is_not_due_stays(self) -> None:
        queue = TimerQueue()
        target = Target()
        queue.lane(1.0).push(0.0, target, 1)
        queue.lane(1.0).push(0.5, target, 2)
        assert queue.pop_due(1.0) == [(1.0, target, 1)]
        assert queue.next_deadline() == 1.5

    def test_one_call_is_bounded_and_the_rest_stays_due(self) -> None:
        queue = TimerQueue()
        target = Target()
        for _ in range(10):
            queue.lane(1.0).push(0.0, target, 1)
            queue.schedule(1.0, target, 2)
        assert len(queue.pop_due(1.0, limit=4)) == 8
        assert queue.next_deadline() == 1.0
        assert len(queue.pop_due(1.0, limit=100)) == 12

    def test_lane_is_shared_by_delay(self) -> None:
        queue = TimerQueue()
        assert queue.lane(1.0) is queue.lane(1.0)
        assert queue.lane(1.0) is not queue.lane(2.0)


class TestKeyLane:
    def test_keys_fall_due_together_and_never_early(self) -> None:
        queue = TimerQueue()
        owner = Keys()
        lane = queue.key_lane(32.0, owner, 7)
        for at in (0.0, 0.01, 0.02, 0.03):
            lane.add(at, b"%d" % int(at * 100))
        first = queue.next_deadline()
        assert first is not None
        assert 32.02 <= first <= 32.04
        for _, target, kind in queue.pop_due(first):
            target.on_timer(kind, first)
        assert owner.due == [(7, [b"0", b"1", b"2"], first)]
        second = queue.next_deadline()
        assert second is not None
        assert 32.03 <= second <= 32.05

    def test_a_key_added_after_its_bucket_fell_due_opens_another(self) -> None:
        queue = TimerQueue()
        owner = Keys()
        lane = queue.key_lane(0.0, owner, 1)
        lane.add(0.0, b"a")
        for _, target, kind in queue.pop_due(0.02):
            target.on_timer(kind, 0.02)
        lane.add(0.03, b"b")
        for _, target, kind in queue.pop_due(1.0):
            target.on_timer(kind, 1.0)
        assert [keys for _, keys, _ in owner.due] == [[b"a"], [b"b"]]

    @pytest.mark.parametrize("slack", [0.0, 0.02])
    def test_a_key_added_at_the_moment_its_bucket_fell_due_is_not_lost(self, slack: float) -> None:
        queue = TimerQueue()
        owner = Keys()
        lane = queue.key_lane(0.0, owner, 1, slack)
        for key in (b"a", b"b"):
            lane.add(slack, key)
            for _, target, kind in queue.pop_due(2 * slack):
                target.on_timer(kind, slack)
        assert [keys for _, keys, _ in owner.due] == [[b"a"], [b"b"]]

    def test_without_slack_keys_fall_due_to_the_moment(self) -> None:
        queue = TimerQueue()
        owner = Keys()
        lane = queue.key_lane(0.5, owner, 1, 0.0)
        for at, key in ((1.0, b"a"), (1.0, b"b"), (1.25, b"c")):
            lane.add(at, key)
        for at, target, kind in queue.pop_due(9.0):
            target.on_timer(kind, at)
        assert owner.due == [(1, [b"a", b"b"], 1.5), (1, [b"c"], 1.75)]
