# SPDX-License-Identifier: Apache-2.0
"""Digest arithmetic, credential syntax, nonces and their counters, and the client side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.digest import (
    FOREIGN,
    FRESH,
    MD5,
    SHA_256,
    SHA_512_256,
    STALE,
    Challenge,
    Credentials,
    NonceCounter,
    NonceSource,
    algorithm_name,
    answer,
    choose,
    ha1,
    nonce_count,
    parse_challenge,
    parse_credentials,
    response_hex,
    verify,
)
from sip.errors import LocalProtocolError, ParseError

DATA = Path(__file__).parents[2] / "wire" / "data" / "digest" / "vectors.json"
VECTORS: dict[str, list[dict[str, Any]]] = json.loads(DATA.read_text(encoding="utf-8"))
WALL = 1_700_000_000.0
SECRET = bytes(range(32))
REALM = b"ims.test"


@pytest.mark.parametrize(
    "vector",
    VECTORS["known_answers"],
    ids=lambda v: f"{v['source']}-{v['algorithm']}-{v.get('qop', 'none')}",
)
def test_known_answers(vector: dict[str, Any]) -> None:
    algorithm = vector["algorithm"]
    base = algorithm.removesuffix("-sess")
    secret = ha1(vector["username"], vector["realm"], vector["password"], base)
    credentials = Credentials(
        vector["username"].encode(),
        vector["realm"].encode(),
        vector["nonce"].encode(),
        vector["uri"].encode(),
        vector["response"].encode(),
        algorithm.encode(),
        vector.get("qop", "").encode(),
        vector.get("nc", "").encode(),
        vector.get("cnonce", "").encode(),
    )
    method = vector["method"].encode()
    body = vector.get("body", "").encode()
    assert response_hex(algorithm, secret, method, credentials, body) == credentials.response
    assert verify(credentials, method, secret, body)
    credentials.response = (
        credentials.response[:-1]
        + b"0123456789abcdef"[(int(credentials.response[-1:], 16) + 1) % 16 :][:1]
    )
    assert not verify(credentials, method, secret, body)


def test_a_response_is_bound_to_the_method() -> None:
    secret = ha1("alice", "ims.test", "pw")
    value = answer(_challenge(), "alice", secret, "REGISTER", b"sip:ims.test", b"c", 1)
    credentials = _parsed(value)
    assert verify(credentials, b"REGISTER", secret)
    assert not verify(credentials, b"MESSAGE", secret)


def test_unknown_algorithms() -> None:
    assert algorithm_name(b"") == MD5
    assert algorithm_name(b"sha-256") == SHA_256
    assert algorithm_name(b"md5-SESS") == "MD5-sess"
    assert algorithm_name(b"AKAv3-MD5") == ""
    credentials = Credentials(b"a", b"r", b"n", b"u", b"x", b"AKAv3-MD5")
    assert not verify(credentials, b"REGISTER", b"secret")
    with pytest.raises(LocalProtocolError):
        ha1("a", "b", "c", "SHA-1")


class TestCredentials:
    def test_every_parameter(self) -> None:
        credentials = _parsed(
            b'Digest username="alice", realm="ims.test", nonce="n1", uri="sip:a,b@ims.test",'
            b' response="r", algorithm=SHA-256, cnonce="c", opaque="o", qop=auth, nc=0000000f'
        )
        assert [getattr(credentials, name) for name in Credentials.__slots__] == [
            b"SHA-256", b"", b"c", b"0000000f", b"n1", b"o", b"auth", b"ims.test", b"r",
            b"sip:a,b@ims.test", b"alice",
        ]  # fmt: skip
        assert not credentials.blank

    @pytest.mark.parametrize(
        "value",
        [
            b'Digest username="alice",realm="r",nonce="n",uri="u",response="x"',
            b'digest\tUSERNAME = "alice" , realm="r",, nonce="n",uri= "u",response="x",',
            b'DIGEST   nc=1,username="alice",realm="r",nonce="n",uri="u",response="x",foo=bar',
            b'Digest foo="a,b=c",username="alice",realm="r",nonce="n",uri="u",response="x"',
            b'Digest username=alice,realm=r,nonce=n,uri=u,response=x',
        ],
    )  # fmt: skip
    def test_spellings(self, value: bytes) -> None:
        for _ in range(2):  # the second time from memory
            c = _parsed(value)
            assert (c.username, c.realm, c.nonce, c.uri, c.response) == (
                b"alice", b"r", b"n", b"u", b"x",
            )  # fmt: skip

    def test_escapes_are_resolved_in_names_only(self) -> None:
        credentials = _parsed(b'Digest username="a\\"b\\\\c", realm="r", cnonce="x\\"y", nc=1')
        assert credentials.username == b'a"b\\c'
        assert credentials.cnonce == b'x\\"y'
        assert credentials.nc == b"1"

    @pytest.mark.parametrize("value", [b"Basic YWxpY2U6cHc=", b"NoOne opaque-data=here", b"Digest"])
    def test_other_schemes(self, value: bytes) -> None:
        assert parse_credentials(value) is None

    @pytest.mark.parametrize(
        "value",
        [
            b'Digest username="alice',
            b'Digest username="alice", username="bob"',
            b'Digest username="", username="bob"',
            b'Digest qop=auth,QOP=auth-int',
            b'Digest qop=auth,username="alice",qop="auth"',
            b'Digest username="alice"realm="x"',
            b'Digest username="alice" realm="x"',
            b'Digest username="alice"x',
            b'Digest "alice"',
            b'Digest username "alice"',
            b'Digest username=x"alice"',
            b"Digest username=a b",
            b"Digest username",
            b"Digest =alice",
            b"Digest qop=",
            b'Digest \\username="alice"',
            b'Digest username="alice\\"',
            b'Digest username="alice", username*=UTF-8\'\'alice',
            b'Digest username="' + b"a" * 513 + b'"',
            b"Digest opaque=" + b"a" * 513,
        ],
    )  # fmt: skip
    def test_malformed(self, value: bytes) -> None:
        for _ in range(2):
            with pytest.raises(ParseError):
                parse_credentials(value)

    def test_longest_value(self) -> None:
        assert len(_parsed(b'Digest cnonce="' + b"a" * 512 + b'"').cnonce) == 512

    def test_empty_strings_before_the_first_challenge(self) -> None:
        credentials = _parsed(
            b'Digest username="alice@ims.test",realm="ims.test",nonce="",uri="sip:x",response=""'
        )
        assert credentials.blank

    def test_memory_of_layouts_is_bounded(self) -> None:
        for number in range(3000):
            assert _parsed(b'Digest nc=%08x,username="a"' % number).nc == b"%08x" % number

    @given(st.binary(max_size=200))
    def test_any_octets(self, text: bytes) -> None:
        try:
            credentials = parse_credentials(b"Digest " + text)
        except ParseError:
            return
        assert credentials is not None

    @pytest.mark.parametrize(
        ("text", "count"),
        [
            (b"00000001", 1),
            (b"FFFFffff", 0xFFFFFFFF),
            (b"00000000", 0),
            (b"", 0),
            (b"1", 0),
            (b"000000001", 0),
            (b"0x000001", 0),
            (b"+0000001", 0),
            (b"0000_001", 0),
            (b" 0000001", 0),
            (b"0000000g", 0),
        ],
    )
    def test_nonce_count(self, text: bytes, count: int) -> None:
        assert nonce_count(text) == count

    @pytest.mark.parametrize("tail", [b"", b", qop=auth", b' , opaque="o"', b",x=1,,"])
    @pytest.mark.parametrize("front", [b'username="alice",', b"algorithm=MD5, "])
    def test_a_shape_met_before_is_read_the_same(self, front: bytes, tail: bytes) -> None:
        for count in (
            b"00000001",
            b"0000000A",
            b"0000001",
            b'"0000002"',
            b"0000000g",
            b"00000003 ",
        ):
            value = b'Digest %brealm="r%b", nc=%b%b' % (front, count.strip(b'"'), count, tail)
            read = parse_credentials(value)
            assert read is not None
            assert read.nc == count.strip(b'" ')
            assert read.realm == b"r" + count.strip(b'"')
            assert read.username == (b"alice" if b"alice" in front else b"")
            assert read.algorithm == (b"MD5" if b"MD5" in front else b"")
            assert read.qop == (b"auth" if b"qop" in tail else b"")
            assert read.opaque == (b"o" if b"opaque" in tail else b"")

    def test_shapes_are_few(self) -> None:
        for number in range(60):
            read = parse_credentials(b'Digest x%d=1, realm="r"' % number)
            assert read is not None
            assert read.realm == b"r"
        for value in (b'Digest x1=1, realm="r" realm="r"', b'Digest x2=1, realm="r", realm="r"'):
            with pytest.raises(ParseError):
                parse_credentials(value)


class TestNonceSource:
    def test_lifetime(self) -> None:
        source = NonceSource(SECRET, 1 << 63, 300.0)
        nonce = source.make(WALL + 0.9, REALM)
        assert len(nonce) == 40
        assert source.check(nonce, REALM, WALL) == FRESH
        assert source.check(nonce, REALM, WALL + 299.9) == FRESH
        assert source.check(nonce, REALM, WALL + 300) == STALE

    def test_clock_set_back(self) -> None:
        source = NonceSource(SECRET, 7)
        nonce = source.make(WALL, REALM)
        assert source.check(nonce, REALM, WALL - 4) == FRESH
        assert source.check(nonce, REALM, WALL - 3600) == STALE

    def test_every_nonce_differs(self) -> None:
        source = NonceSource(SECRET, (1 << 64) - 2)
        nonces = [source.make(WALL, REALM) for _ in range(5)]
        assert len(set(nonces)) == 5
        assert {source.check(nonce, REALM, WALL) for nonce in nonces} == {FRESH}
        assert [source.sequence(n) for n in nonces] == [(1 << 64) - 2, (1 << 64) - 1, 0, 1, 2]

    def test_realms_and_seconds_in_turn(self) -> None:
        source = NonceSource(SECRET, 5)
        made = [
            (realm, source.make(WALL + step // 3, realm))
            for step in range(40)
            for realm in (REALM, b"other.test")
        ]
        assert [source.sequence(nonce) for _, nonce in made] == list(range(5, 85))
        assert all(source.check(nonce, realm, WALL + 15) == FRESH for realm, nonce in made)
        assert all(source.check(nonce, b"third.test", WALL) == FOREIGN for _, nonce in made)

    def test_memory_is_bounded_and_not_needed(self) -> None:
        source = NonceSource(SECRET, 5)
        first = source.make(WALL, REALM)
        for _ in range(8 * 600):
            source.make(WALL, REALM)
        assert source.check(first, REALM, WALL) == FRESH
        fresh = NonceSource(SECRET, 5)
        assert fresh.check(first, REALM, WALL) == STALE, "recognised by another run"

    def test_bound_to_realm_and_secret(self) -> None:
        source = NonceSource(SECRET, 7)
        nonce = source.make(WALL, REALM)
        assert source.check(nonce, b"other.test", WALL) == FOREIGN
        assert NonceSource(SECRET[::-1], 7).check(nonce, REALM, WALL) == FOREIGN

    def test_bound_to_the_source(self) -> None:
        """Whoever forges a source has no nonce that is good there."""
        source = NonceSource(SECRET, 7)
        nonces = [source.make(WALL, REALM, host) for host in ("192.0.2.1", "192.0.2.2", "")]
        for nonce, host in zip(nonces, ("192.0.2.1", "192.0.2.2", ""), strict=True):
            assert source.check(nonce, REALM, WALL, host) == FRESH
            assert source.check(nonce, REALM, WALL, "192.0.2.3") == FOREIGN
        assert source.check(nonces[0], REALM, WALL) == FOREIGN
        for _ in range(8 * 600):
            source.make(WALL, REALM, f"192.0.3.{_}")
        assert source.check(nonces[0], REALM, WALL, "192.0.2.1") == FRESH, "worked out again"
        net = source.make(WALL, REALM, "2001:db8::1")
        assert source.check(net, REALM, WALL, "2001:db8::2") == FRESH, "a /64 is one source"

    def test_another_process_with_the_same_secret(self) -> None:
        one, two = NonceSource(SECRET, 1 << 40), NonceSource(SECRET, 1 << 20)
        two.make(WALL, REALM)
        assert two.check(one.make(WALL, REALM), REALM, WALL) == STALE
        assert one.check(two.make(WALL, REALM), REALM, WALL) == STALE

    def test_forgeries(self) -> None:
        source = NonceSource(SECRET, 7)
        nonce = source.make(WALL, REALM)
        for forged in (b"", b"AAAA", nonce[:-1], nonce + b"0", nonce.upper(), b"\xff" * 40):
            assert source.check(forged, REALM, WALL) == FOREIGN
        for place in range(48):
            other = b"0" if nonce[place : place + 1] != b"0" else b"1"
            changed = nonce[:place] + other + nonce[place + 1 :]
            assert source.check(changed, REALM, WALL) == FOREIGN

    def test_short_secret(self) -> None:
        with pytest.raises(LocalProtocolError):
            NonceSource(b"short", 0)


class TestNonceCounter:
    def test_strictly_rising(self) -> None:
        counter = NonceCounter(8)
        assert counter.claim(5, 1)
        assert not counter.claim(5, 1)
        assert counter.claim(5, 5)
        assert not counter.claim(5, 3)
        assert counter.claim(5, 6)
        assert counter.claim(5, 0xFFFFFFFF)

    def test_zero_is_no_count(self) -> None:
        counter = NonceCounter(8)
        assert not counter.claim(5, 0)
        assert counter.claim(5, 1)

    def test_a_newer_nonce_makes_the_older_one_stale(self) -> None:
        counter = NonceCounter(8)
        assert counter.claim(3, 1)
        assert counter.claim(3 + 8, 1)
        assert not counter.claim(3, 2)
        assert counter.claim(3 + 8, 2)

    def test_series_that_wraps(self) -> None:
        counter = NonceCounter(8)
        assert counter.claim((1 << 64) - 4, 1)
        assert counter.claim(4, 1)
        assert not counter.claim((1 << 64) - 4, 2)

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3)), max_size=200))
    def test_nothing_is_accepted_twice(self, claims: list[tuple[int, int]]) -> None:
        counter = NonceCounter(4)
        accepted = [claim for claim in claims if counter.claim(*claim)]
        assert len(set(accepted)) == len(accepted)


class TestClient:
    def test_challenge_survives_the_wire(self) -> None:
        sent = Challenge('a "b" \\ c', b"nonce1", SHA_256, b"auth", True, b'o"p')
        name, _, value = sent.line(proxy=True).partition(b": ")
        assert name == b"Proxy-Authenticate"
        read = parse_challenge(value)
        assert read is not None
        for field in Challenge.__slots__:
            assert getattr(read, field) == getattr(sent, field)

    def test_line_of_a_server(self) -> None:
        assert Challenge("ims.test", b"n", MD5).line(proxy=False) == (
            b'WWW-Authenticate: Digest realm="ims.test", nonce="n", algorithm=MD5, qop="auth"'
        )

    @pytest.mark.parametrize(
        "value",
        [
            b'Basic realm="x"',
            b'Digest nonce="n"',
            b'Digest realm="x"',
            b'Digest realm="x", nonce="n", algorithm=AKAv3-MD5',
            b'Digest realm="x", nonce="n", qop="auth-int"',
        ],
    )
    def test_unusable_challenges(self, value: bytes) -> None:
        assert parse_challenge(value) is None

    def test_choice(self) -> None:
        challenges = [
            Challenge("foreign.test", b"1", SHA_512_256),
            Challenge("ims.test", b"2", SHA_256),
            Challenge("ims.test", b"3", MD5),
        ]
        assert choose(challenges, {"ims.test"}) is challenges[1]
        assert choose(challenges, {"ims.test"}, {MD5}) is challenges[2]
        assert choose(challenges, {"none.test"}) is None

    @pytest.mark.parametrize("algorithm", [MD5, SHA_256, SHA_512_256, "MD5-sess", "SHA-256-sess"])
    @pytest.mark.parametrize("qop", [b"", b"auth", b"auth-int,auth"])
    def test_answers_verify(self, algorithm: str, qop: bytes) -> None:
        secret = ha1("jäsøn", "例.example", "päss☃", algorithm.removesuffix("-sess"))
        challenge = Challenge("例.example", b"n1", algorithm, qop, False, b"op")
        value = answer(challenge, "jäsøn", secret, "MESSAGE", b"sip:b@x", b"cn", 10)
        credentials = _parsed(value)
        assert verify(credentials, b"MESSAGE", secret)
        assert credentials.username == "jäsøn".encode()
        assert credentials.opaque == b"op"
        assert credentials.qop == (b"auth" if qop else b"")
        assert credentials.nc == (b"0000000a" if qop else b"")


def _challenge() -> Challenge:
    return Challenge("ims.test", b"nonce", MD5)


def _parsed(value: bytes) -> Credentials:
    credentials = parse_credentials(value)
    assert credentials is not None
    return credentials
