# SPDX-License-Identifier: Apache-2.0
"""Token buckets, the limit on strangers with its ban, and the limits on users."""

from __future__ import annotations

import pytest

from imsnode.identity.peers import Peer, PeerTable
from imsnode.identity.rates import (
    Buckets,
    Rate,
    RateSettings,
    SourceLimiter,
    UserLimiter,
)

HOST = "198.51.100.7"


class TestBuckets:
    def test_burst_then_rate(self) -> None:
        buckets = Buckets(Rate(10, 5), 100)
        assert [buckets.take("a", 1.0) for _ in range(5)] == [0.0] * 5
        assert buckets.take("a", 1.0) == pytest.approx(0.1)
        assert buckets.take("a", 1.05) == pytest.approx(0.05)
        assert buckets.take("a", 1.11) == 0.0
        assert buckets.take("a", 1.11) > 0
        assert buckets.take("b", 1.11) == 0.0

    def test_over_a_long_time_the_rate_holds(self) -> None:
        buckets = Buckets(Rate(10, 5), 100)
        passed = sum(buckets.take("a", step / 100) == 0.0 for step in range(10_000))
        assert 1000 <= passed <= 1006

    def test_an_idle_bucket_fills_up_and_no_further(self) -> None:
        buckets = Buckets(Rate(10, 5), 100)
        for at in (1.0, 500.0):
            assert [buckets.take("a", at) == 0.0 for _ in range(6)] == [True] * 5 + [False]

    def test_a_full_table_refuses_newcomers_only(self) -> None:
        buckets = Buckets(Rate(10, 5), 3)
        for key in "abc":
            assert buckets.take(key, 1.0) == 0.0
        assert buckets.take("d", 1.1) > 0
        assert buckets.take("a", 1.1) == 0.0
        assert buckets.take("d", 3.0) == 0.0

    def test_a_key_between_two_generations_keeps_its_debt(self) -> None:
        buckets = Buckets(Rate(10, 5), 3)
        assert buckets.take("z", 1.0) == 0.0  # a generation is half a second
        for _ in range(5):
            assert buckets.take("a", 1.45) == 0.0
        assert buckets.take("a", 1.51) > 0


class TestSourceLimiter:
    def test_default_rate_and_ban(self) -> None:
        bans: list[tuple[str, float]] = []
        limiter = SourceLimiter(on_ban=lambda host, until: bans.append((host, until)))
        assert all(limiter.allow(HOST, 1.0) for _ in range(40))
        assert not limiter.banned(HOST, 1.0)
        assert not limiter.allow(HOST, 1.0)
        assert bans == [(HOST, 61.0)]
        assert limiter.banned(HOST, 60.9)
        assert not limiter.allow(HOST, 60.9)
        assert not limiter.banned("198.51.100.8", 60.9)
        assert limiter.allow(HOST, 61.0)
        assert limiter.dropped == 2

    def test_the_rate_itself_is_never_banned(self) -> None:
        limiter = SourceLimiter()
        assert all(limiter.allow(HOST, 1.0 + step / 20) for step in range(1000))

    def test_an_ipv6_source_is_a_64(self) -> None:
        limiter = SourceLimiter(RateSettings(unauthenticated=Rate(1, 1)))
        assert limiter.allow("2001:db8:1:2::1", 1.0)
        assert not limiter.allow("2001:db8:1:2:ffff::2", 1.0)
        assert limiter.allow("2001:db8:1:3::1", 1.0)

    def test_exempt_sources(self) -> None:
        peers = PeerTable([Peer("edge", "10.0.0.0/8")])
        limiter = SourceLimiter(RateSettings(unauthenticated=Rate(1, 1)), peers)
        for host in ("127.0.0.1", "::1", "10.1.2.3"):
            assert limiter.exempt(host)
            assert all(limiter.allow(host, 1.0) for _ in range(100))
        assert not limiter.exempt(HOST)

    def test_bans_are_bounded(self) -> None:
        bans: list[str] = []
        settings = RateSettings(unauthenticated=Rate(1, 1), bans=2)
        limiter = SourceLimiter(settings, on_ban=lambda host, _until: bans.append(host))
        for host in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            limiter.allow(host, 1.0)
            assert not limiter.allow(host, 1.0)
        assert bans == ["10.0.0.1", "10.0.0.2"]
        limiter.allow("10.0.0.4", 70.0)
        assert not limiter.allow("10.0.0.4", 70.0)
        assert bans[-1] == "10.0.0.4"

    def test_new_settings(self) -> None:
        limiter = SourceLimiter(RateSettings(unauthenticated=Rate(1, 1)))
        limiter.configure(RateSettings(exempt=("198.51.100.0/24",)))
        assert limiter.exempt(HOST)
        assert not limiter.exempt("127.0.0.1")

    def test_many_sources(self) -> None:
        limiter = SourceLimiter(RateSettings(sources=100))
        allowed = sum(limiter.allow(f"10.0.{n >> 8}.{n & 255}", 1.0) for n in range(10_000))
        assert allowed == 100


class TestUserLimiter:
    @pytest.mark.parametrize(("method", "burst"), [("MESSAGE", 50), ("REGISTER", 5)])
    def test_methods_have_their_own_buckets(self, method: str, burst: int) -> None:
        limiter = UserLimiter()
        assert all(limiter.allow(method, "sip:a@b", 1.0) == 0.0 for _ in range(burst))
        assert 0 < limiter.allow(method, "sip:a@b", 1.0) <= 1.0
        assert limiter.allow(method, "sip:b@b", 1.0) == 0.0
        assert limiter.allow("SUBSCRIBE", "sip:a@b", 1.0) == 0.0

    @pytest.mark.parametrize("method", ["INVITE", "REFER", "NICKNAME"])
    def test_calls_referrals_and_nicknames_are_held_too(self, method: str) -> None:
        one = Rate(1, 2)
        limiter = UserLimiter(RateSettings(invite=one, refer=one, nickname=one))
        waits = [limiter.allow(method, "sip:a@b", 1.0) for _ in range(3)]
        assert waits == [0.0, 0.0, pytest.approx(1.0)]

    def test_other_methods_pass(self) -> None:
        limiter = UserLimiter(RateSettings(message=Rate(1, 1)))
        assert all(limiter.allow("BYE", "sip:a@b", 1.0) == 0.0 for _ in range(1000))
