# SPDX-License-Identifier: Apache-2.0
"""Delays after failed log-ins (threat A6)."""

from __future__ import annotations

from imsnode.identity.throttle import FailureThrottle, ThrottleSettings

HOST = "198.51.100.7"
HOME = "203.0.113.1"
ALICE = "sip:alice@ims.test"


def fail(throttle: FailureThrottle, source: str, user: str, times: int, at: float) -> None:
    for _ in range(times):
        throttle.failed(source, user, at)


def test_ten_failures_of_one_source() -> None:
    throttle = FailureThrottle()
    assert throttle.idle
    fail(throttle, HOST, ALICE, 9, 100.0)
    assert throttle.delay(HOST, ALICE, 100.0) == 0.0
    throttle.failed(HOST, "sip:bob@ims.test", 399.0)
    assert throttle.delay(HOST, ALICE, 399.0) == 60.0
    assert throttle.delay(HOST, "sip:carol@ims.test", 458.0) == 1.0
    assert throttle.delay(HOST, ALICE, 459.0) == 0.0
    assert throttle.delay(HOME, ALICE, 399.0) == 0.0
    assert not throttle.idle


def test_failures_that_are_spread_out() -> None:
    throttle = FailureThrottle()
    for number in range(100):
        throttle.failed(HOST, ALICE, 100.0 + 34 * number)
        assert throttle.delay(HOST, ALICE, 100.0 + 34 * number) == 0.0


def test_the_delay_grows_to_a_quarter_of_an_hour() -> None:
    throttle = FailureThrottle(ThrottleSettings(failures=1))
    at = 100.0
    delays = []
    for _ in range(7):
        throttle.failed(HOST, ALICE, at)
        delays.append(throttle.delay(HOST, ALICE, at))
        at += delays[-1]
    assert delays == [60.0, 120.0, 240.0, 480.0, 900.0, 900.0, 900.0]


def test_after_a_quiet_time_it_starts_over() -> None:
    throttle = FailureThrottle()
    fail(throttle, HOST, ALICE, 10, 100.0)
    assert throttle.delay(HOST, ALICE, 100.0) == 60.0
    fail(throttle, HOST, ALICE, 9, 1000.0)
    assert throttle.delay(HOST, ALICE, 1000.0) == 0.0
    throttle.failed(HOST, ALICE, 1000.0)
    assert throttle.delay(HOST, ALICE, 1000.0) == 60.0


def test_one_stranger_cannot_lock_a_user_out() -> None:
    throttle = FailureThrottle()
    for round_ in range(20):
        fail(throttle, HOST, ALICE, 10, 100.0 + round_)
    assert throttle.delay(HOST, ALICE, 120.0) > 0
    assert throttle.delay(HOME, ALICE, 120.0) == 0.0


def test_many_strangers_delay_strangers_but_not_the_users_own_devices() -> None:
    throttle = FailureThrottle()
    throttle.succeeded(HOME, ALICE)
    for number in range(10):
        throttle.failed(f"10.0.0.{number}", ALICE, 100.0)
    assert throttle.delay("10.0.9.9", ALICE, 100.0) == 60.0
    assert throttle.delay(HOME, ALICE, 100.0) == 0.0
    assert throttle.delay("10.0.9.9", "sip:bob@ims.test", 100.0) == 0.0


def test_a_user_behind_the_address_of_a_guesser() -> None:
    throttle = FailureThrottle()
    throttle.succeeded(HOST, ALICE)
    fail(throttle, HOST, "sip:bob@ims.test", 10, 100.0)
    assert throttle.delay(HOST, ALICE, 100.0) == 0.0
    assert throttle.delay(HOST, "sip:bob@ims.test", 100.0) == 60.0
    assert throttle.delay(HOST, "sip:carol@ims.test", 100.0) == 60.0


def test_a_known_source_that_guesses_is_known_no_more() -> None:
    throttle = FailureThrottle()
    throttle.succeeded(HOST, ALICE)
    fail(throttle, HOST, ALICE, 10, 100.0)
    assert throttle.delay(HOST, ALICE, 100.0) == 60.0


def test_ipv6_sources_are_networks() -> None:
    throttle = FailureThrottle()
    for number in range(10):
        throttle.failed(f"2001:db8::{number:x}", ALICE, 100.0)
    assert throttle.delay("2001:db8::ffff", ALICE, 100.0) == 60.0
    assert throttle.delay("2001:db8:1::1", ALICE, 100.0) == 0.0


def test_a_full_table_keeps_what_it_watches() -> None:
    throttle = FailureThrottle(ThrottleSettings(failures=2, table=8))
    fail(throttle, HOST, ALICE, 2, 100.0)
    for number in range(1000):
        throttle.failed(f"10.0.{number >> 8}.{number & 255}", f"sip:u{number}@x", 101.0)
    assert throttle.delay(HOST, ALICE, 101.0) == 59.0
    assert throttle.delay("10.9.9.9", "sip:new@x", 101.0) == 60.0, "newcomers share one record"
    assert throttle.delay("10.0.0.1", "sip:u1@x", 101.0) == 0.0, "watched before the flood"
    throttle.failed("10.8.8.8", "sip:new@x", 5000.0)
    assert throttle.delay("10.9.9.9", "sip:new@x", 5000.0) == 0.0, "old records make room"


def test_new_settings_forget_failures() -> None:
    throttle = FailureThrottle()
    fail(throttle, HOST, ALICE, 10, 100.0)
    throttle.configure(ThrottleSettings(failures=3))
    assert throttle.delay(HOST, ALICE, 100.0) == 0.0
    fail(throttle, HOST, ALICE, 3, 100.0)
    assert throttle.delay(HOST, ALICE, 100.0) == 60.0
