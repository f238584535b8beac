"""Who may use the relay: digest with the accounts of the node (RFC 4976 9.1)."""

from __future__ import annotations

import re

import pytest

from imsnode.identity import Directory, FailureThrottle, ThrottleSettings, Verifier
from imsnode.identity.accounts import make_account
from imsnode.msrp.relaying import DigestGuard, RelayNames
from session_msrp.authorizing import Verdict
from session_msrp.uri import parse_uri
from sip.digest import MD5, SHA_256, Challenge, answer, ha1, parse_challenge

URI = parse_uri(b"msrps://alice@msrp.ims.test:2855;tcp")


class World:
    """A guard of two domains."""

    def __init__(self, failures: int = 10) -> None:
        self.wall = 1_000_000.0
        off = make_account("sip:off@ims.test", "secret", enabled=False)
        directory = Directory([make_account("sip:alice@ims.test", "secret"), off])
        verifier = Verifier(
            directory,
            bytes(16),
            7,
            300.0,
            lambda _account, _realm: (SHA_256, MD5),
            FailureThrottle(ThrottleSettings(failures=failures)),
            lambda: 10.0,
            lambda: self.wall,
        )
        self.guard = DigestGuard(verifier, RelayNames(["ims.test", "other.test"], "").realm)

    def check(self, authorization: bytes = b"") -> Verdict:
        return self.guard.check(authorization, URI, "192.0.2.9")

    def proof(
        self, user: str = "alice", password: str = "secret", place: int = 0, uri: bytes = URI.raw
    ) -> bytes:
        challenge = parse_challenge(self.check().headers[place].partition(b": ")[2])
        assert challenge is not None
        secret = ha1(user, challenge.realm, password, challenge.algorithm)
        return answer(challenge, user, secret, "AUTH", uri, b"cn", 1)


def test_each_algorithm_is_offered_and_taken() -> None:
    world = World()
    assert [b"algorithm=" + name in line for name, line in zip(
        (b"SHA-256", b"MD5"), world.check().headers, strict=True
    )] == [True, True]  # fmt: skip
    for place in (0, 1):
        verdict = world.check(world.proof(place=place))
        assert (verdict.status, verdict.user) == (200, "sip:alice@ims.test")


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Digest nonsense", b"Digest ", b"x" * 4000])
def test_what_is_no_answer_to_a_challenge(value: bytes) -> None:
    assert World().check(value).status in (400, 401)


def test_what_does_not_prove_anything() -> None:
    world = World()
    for proof in (world.proof(password="x"), world.proof("eve"), world.proof(uri=b"msrps://x;tcp")):
        assert world.check(proof)[:2] == (401, "")
        assert world.check(proof).failed
    proof = world.proof()
    for old, new, status in (
        (b"qop=auth", b"qop=auth-int", 400),
        (b"nc=00000001", b"nc=00000000", 400),
        (b"algorithm=SHA-256", b"algorithm=SHA-256-sess", 401),
        (b'realm="ims.test"', b'realm="other.test"', 401),
    ):
        assert world.check(proof.replace(old, new)).status == status
    assert world.check(world.proof("off")).status == 403


def test_an_old_nonce_and_one_used_twice_are_stale() -> None:
    world = World()
    proof = world.proof()
    assert world.check(proof).status == 200
    late = world.proof()
    world.wall += 301
    for each in (proof, late):
        verdict = world.check(each)
        assert (verdict.status, verdict.failed) == (401, False)
        assert b"stale=true" in verdict.headers[0]


def test_the_next_nonce_spares_a_challenge() -> None:
    world = World()
    [info] = world.check(world.proof()).headers
    found = re.search(rb'nextnonce="([^"]+)"', info)
    assert found is not None
    following = Challenge("ims.test", found[1], SHA_256)
    secret = ha1("alice", "ims.test", "secret", SHA_256)
    proof = answer(following, "alice", secret, "AUTH", URI.raw, b"cn", 1)
    assert world.check(proof).status == 200


def test_who_guesses_has_to_wait() -> None:
    world = World(failures=2)
    wrong, right = world.proof(password="x"), world.proof()
    assert [world.check(wrong).status for _ in range(3)] == [401, 401, 403]
    assert world.check(right).status == 403


def test_whose_relay_a_name_is() -> None:
    names = RelayNames(["ims.test", "sub.ims.test"], "")
    for host, realm in (
        (b"ims.test", "ims.test"),
        (b"MSRP.ims.test", "ims.test"),
        (b"a.sub.ims.test", "sub.ims.test"),
        (b"notims.test", "ims.test"),
        (b"192.0.2.1", "ims.test"),
    ):
        assert names.realm(parse_uri(b"msrps://" + host + b":1;tcp")) == realm
    assert names.domain("notims.test") == ""
