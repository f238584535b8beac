# SPDX-License-Identifier: Apache-2.0
"""HTTP digest: who is let in, what a nonce is good for."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from imsnode.http.digest import Digest, DigestRefused
from imsnode.identity import Directory, FailureThrottle, ThrottleSettings, Verifier
from imsnode.identity.accounts import Account, make_account
from sip.digest import Challenge, answer, ha1, parse_challenge

ALICE = make_account("sip:alice@ims.test", "secret")
TARGET = b"/api/v1/users/x/history?a=b"


class World:
    """A digest of one account, at a time that the test sets."""

    def __init__(self, *accounts: Account, offer: tuple[str, ...] = ("MD5",)) -> None:
        self.time = 1000.0
        self.directory = Directory(accounts or (ALICE,))
        self.digest = Digest(
            Verifier(
                self.directory,
                b"s" * 32,
                7,
                300.0,
                lambda account, _realm: (account.algorithms if account else ()) or offer,
                FailureThrottle(ThrottleSettings(failures=3)),
                lambda: self.time,
                lambda: self.time,
            )
        )

    def check(self, *authorization: bytes, target: bytes = TARGET) -> Account:
        path, _, query = target.partition(b"?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": path.decode(),
            "raw_path": path,
            "query_string": query,
            "headers": [(b"authorization", value) for value in authorization],
            "client": ("192.0.2.1", 5),
        }
        return self.digest.check(Request(scope), "ims.test", "sip:alice@ims.test")

    def challenges(self, *authorization: bytes, status: int = 401) -> list[Challenge]:
        with pytest.raises(DigestRefused) as refused:
            self.check(*authorization)
        assert refused.value.status == status
        parsed = [parse_challenge(value.encode()) for _, value in refused.value.headers]
        return [challenge for challenge in parsed if challenge is not None]


def credentials(
    challenge: Challenge, password: str = "secret", uri: bytes = TARGET, count: int = 1
) -> bytes:
    secret = ha1("alice", "ims.test", password, challenge.algorithm)
    return answer(challenge, "alice", secret, "GET", uri, b"c0ffee", count)


def test_right_credentials_are_let_in_once_for_each_count() -> None:
    world = World()
    (challenge,) = world.challenges()
    assert world.check(credentials(challenge)).aor == ALICE.aor
    assert world.check(credentials(challenge, count=2)).aor == ALICE.aor
    (again,) = world.challenges(credentials(challenge, count=2))
    assert again.stale


def test_a_nonce_ends_with_its_lifetime() -> None:
    world = World()
    (challenge,) = world.challenges()
    world.time += 301
    (again,) = world.challenges(credentials(challenge))
    assert again.stale
    assert world.check(credentials(again)).aor == ALICE.aor


def test_a_target_in_its_absolute_form() -> None:
    world = World()
    (challenge,) = world.challenges()
    assert world.check(credentials(challenge, uri=b"http://h:80" + TARGET)).aor == ALICE.aor


@pytest.mark.parametrize("uri", [b"/other", b"/api/v1/users/x/history", b"*", b"http:/x"])
def test_credentials_for_another_target(uri: bytes) -> None:
    world = World()
    (challenge,) = world.challenges()
    world.challenges(credentials(challenge, uri=uri), status=400)


@pytest.mark.parametrize(
    "change", [(b"qop=auth, ", b""), (b"nc=00000001", b"nc=0"), (b"Digest ", b"Digest =")]
)
def test_credentials_that_cannot_be_used(change: tuple[bytes, bytes]) -> None:
    world = World()
    (challenge,) = world.challenges()
    world.challenges(credentials(challenge).replace(*change), status=400)


def test_other_schemes_and_realms_are_asked_for_ours() -> None:
    world = World()
    assert world.challenges(b"Basic YWxpY2U6c2VjcmV0")
    foreign = Challenge("elsewhere.test", b"n", "MD5")
    assert world.challenges(credentials(foreign))


def test_algorithms_strongest_first_and_no_others() -> None:
    world = World(offer=("SHA-256", "MD5"))
    strong, weak = world.challenges()
    assert (strong.algorithm, weak.algorithm) == ("SHA-256", "MD5")
    assert world.check(credentials(strong)).aor == ALICE.aor
    only = World(ALICE.changed(algorithms=("SHA-512-256",)))
    (challenge,) = only.challenges()
    assert only.check(credentials(challenge)).aor == ALICE.aor
    challenge.algorithm = "MD5"
    assert only.challenges(credentials(challenge, count=2))


@pytest.mark.parametrize("known", [True, False])
def test_guessing_slows_down_alike_for_known_and_unknown(known: bool) -> None:
    world = World() if known else World(make_account("sip:bob@ims.test", "x"))
    for _ in range(3):
        (challenge,) = world.challenges()
        assert not world.challenges(credentials(challenge, "guess"))[0].stale
    with pytest.raises(DigestRefused) as refused:
        world.check(credentials(challenge, count=2))
    assert refused.value.status == 429
    assert refused.value.headers == [("Retry-After", "60")]


def test_an_account_that_is_switched_off() -> None:
    world = World(ALICE.changed(enabled=False))
    (challenge,) = world.challenges()
    world.challenges(credentials(challenge), status=403)
