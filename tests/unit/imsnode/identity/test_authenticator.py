# SPDX-License-Identifier: Apache-2.0
"""Who a request is from: threats A1 to A9, digest replay cases, trusted peers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from time import perf_counter

import pytest

from imsnode.identity import (
    DROP,
    UNTRUSTED_HEADERS,
    Authenticator,
    AuthSettings,
    Directory,
    FailureThrottle,
    LocalNames,
    Peer,
    PeerTable,
    Principal,
    Rate,
    RateSettings,
    Refusal,
    SourceLimiter,
    challenge_status,
    make_account,
)
from sip.digest import (
    MD5,
    SHA_256,
    SHA_512_256,
    Challenge,
    NonceSource,
    answer,
    ha1,
    parse_challenge,
)
from sip.flow import Flow
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message

WALL = 1_700_000_000.0
SECRET = bytes(range(32))
CLIENT = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.7", 40000))
PASSWORD = "correct horse"
BOB = b"sip:bob@ims.test"


def request(
    method: str = "MESSAGE",
    uri: bytes = BOB,
    *,
    sender: bytes = b"sip:alice@ims.test",
    to: bytes = b"",
    more: Sequence[bytes] = (),
) -> Request:
    name = method.encode()
    lines = [
        name + b" " + uri + b" SIP/2.0",
        b"Via: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1",
        b"From: <" + sender + b">;tag=1",
        b"To: <" + (to or sender) + b">",
        b"Call-ID: one",
        b"CSeq: 1 " + name,
        *more,
        b"Content-Length: 0",
    ]
    parsed = parse_message(b"\r\n".join(lines) + b"\r\n\r\n", Limits())
    assert isinstance(parsed, Request)
    return parsed


class Scene:
    """An authenticator with alice and bob, and a client that answers its challenges."""

    def __init__(
        self,
        settings: AuthSettings | None = None,
        *,
        domains: Sequence[str] = ("ims.test",),
        peers: Sequence[Peer] = (),
        sources: SourceLimiter | None = None,
        nonce_start: int = 1 << 60,
        resends_until: float = 0.0,
    ) -> None:
        self.alice = make_account("sip:alice@ims.test", PASSWORD)
        self.directory = Directory([self.alice, make_account("sip:bob@ims.test", PASSWORD)])
        self.authenticator = Authenticator(
            self.directory,
            PeerTable(peers),
            LocalNames(domains, {"192.0.2.1"}),
            SECRET,
            nonce_start,
            settings=settings,
            throttle=FailureThrottle(),
            sources=sources,
            listeners={("192.0.2.1", 5060), ("2001:db8::1", 5060)},
            resends_until=resends_until,
        )
        self.now = 100.0
        self.wall = WALL
        self.flow = CLIENT

    def check(self, message: Request, served: bool = False) -> Principal | Refusal | None:
        return self.authenticator.check(message, self.flow, self.now, self.wall, served)

    def refused(self, message: Request, served: bool = False) -> Refusal:
        refusal = self.check(message, served)
        assert isinstance(refusal, Refusal)
        return refusal

    def challenges(self, message: Request | None = None) -> list[Challenge]:
        refusal = self.refused(message or request())
        assert refusal.status in (401, 407)
        found = [parse_challenge(line.partition(b": ")[2]) for line in refusal.lines]
        return [challenge for challenge in found if challenge is not None]

    def answered(
        self,
        challenge: Challenge | None = None,
        *,
        method: str = "MESSAGE",
        uri: bytes = BOB,
        user: str = "alice",
        password: str = PASSWORD,
        count: int = 1,
        header: bytes = b"Proxy-Authorization",
        sender: bytes = b"sip:alice@ims.test",
        to: bytes = b"",
        digest_uri: bytes = b"",
        digest_method: str = "",
    ) -> Request:
        """A request that carries an answer to ``challenge`` (a fresh one unless given)."""
        value = self.value(
            challenge, method=digest_method or method, uri=digest_uri or uri, user=user,
            password=password, count=count,
        )  # fmt: skip
        return request(method, uri, sender=sender, to=to, more=[header + b": " + value])

    def value(
        self,
        challenge: Challenge | None = None,
        *,
        method: str = "MESSAGE",
        uri: bytes = BOB,
        user: str = "alice",
        password: str = PASSWORD,
        count: int = 1,
    ) -> bytes:
        if challenge is None:
            challenge = self.challenges()[0]
        secret = ha1(user, challenge.realm, password, challenge.algorithm)
        return answer(challenge, user, secret, method, uri, b"0a4f113b", count)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def principal(outcome: Principal | Refusal | None) -> tuple[str, str, str]:
    assert isinstance(outcome, Principal), outcome
    return outcome.aor, outcome.how, outcome.peer


def stale(refusal: Refusal) -> bool:
    challenge = parse_challenge(refusal.lines[0].partition(b": ")[2])
    assert challenge is not None
    return challenge.stale


class TestChallenge:
    def test_md5_alone_by_default(self, scene: Scene) -> None:
        refusal = scene.refused(request())
        assert refusal.status == 407
        (line,) = refusal.lines
        assert line.startswith(b'Proxy-Authenticate: Digest realm="ims.test", nonce="')
        assert line.endswith(b'", algorithm=MD5, qop="auth"')

    def test_register_is_challenged_by_a_registrar(self, scene: Scene) -> None:
        refusal = scene.refused(request("REGISTER", b"sip:ims.test"), served=True)
        assert refusal.status == 401
        assert refusal.lines[0].startswith(b"WWW-Authenticate: Digest ")

    @pytest.mark.parametrize(
        ("method", "served", "status"),
        [
            ("REGISTER", True, 401),
            ("REGISTER", False, 401),
            ("MESSAGE", True, 407),
            ("MESSAGE", False, 407),
            ("INVITE", False, 407),
            ("INVITE", True, 401),
            ("SUBSCRIBE", True, 401),
        ],
    )
    def test_status(self, method: str, served: bool, status: int) -> None:
        assert challenge_status(method, served) == status

    def test_one_challenge_for_each_algorithm_strongest_first(self) -> None:
        scene = Scene(AuthSettings(algorithms=(SHA_512_256, SHA_256, MD5)))
        assert [c.algorithm for c in scene.challenges()] == [SHA_512_256, SHA_256, MD5]
        for place in range(3):
            assert principal(scene.check(scene.answered(scene.challenges()[place])))

    def test_account_before_domain_before_listener_before_default(self) -> None:
        listener = {("UDP", "0.0.0.0", 5060): (SHA_512_256, MD5)}
        scene = Scene(AuthSettings(listener_algorithms=listener))
        assert [c.algorithm for c in scene.challenges()] == [SHA_512_256, MD5]
        scene.flow = Flow("TCP", ("192.0.2.1", 5060), ("198.51.100.7", 40000))
        assert [c.algorithm for c in scene.challenges()] == [MD5]

        scene = Scene(
            AuthSettings(
                domain_algorithms={"ims.test": (SHA_256,)},
                listener_algorithms={("UDP", "192.0.2.1", 5060): (SHA_512_256,)},
            )
        )
        assert [c.algorithm for c in scene.challenges()] == [SHA_256]
        scene.directory.put(scene.alice.changed(algorithms=(MD5,)))
        assert [c.algorithm for c in scene.challenges()] == [MD5]
        assert [
            c.algorithm for c in scene.challenges(request(sender=b"sip:bob@ims.test"))
        ] == [SHA_256]  # fmt: skip

    def test_realm_is_the_domain_of_the_sender(self) -> None:
        scene = Scene(domains=("ims.test", "two.test"))
        assert scene.challenges(request(sender=b"sip:x@two.test"))[0].realm == "two.test"
        assert scene.challenges(request(sender=b"sip:x@192.0.2.1"))[0].realm == "ims.test"
        foreign = request(sender=b"sip:x@foreign.test", uri=b"sip:y@two.test")
        assert scene.challenges(foreign)[0].realm == "two.test"
        foreign = request(sender=b"sip:x@foreign.test", uri=b"sip:y@foreign.test")
        assert scene.challenges(foreign)[0].realm == "ims.test"
        register = request("REGISTER", b"sip:ims.test", sender=b"sip:x@a.b", to=b"sip:x@two.test")
        assert scene.challenges(register)[0].realm == "two.test"

    @pytest.mark.parametrize("method", ["ACK", "CANCEL"])
    def test_what_cannot_be_repeated_is_not_challenged(self, scene: Scene, method: str) -> None:
        assert scene.check(request(method)) is None

    def test_options_to_the_node_itself(self, scene: Scene) -> None:
        assert scene.check(request("OPTIONS", b"sip:ims.test"), served=True) is None
        assert scene.refused(request("OPTIONS")).status == 407

    @pytest.mark.parametrize(
        "header",
        [
            b"Authorization: NoOneKnowsThisScheme opaque-data=here",
            b"Authorization: Basic YWxpY2U6cHc=",
            b'Authorization: Digest username="al",realm="ims.test",nonce="",uri="",response=""',
            b'Authorization: Digest username="al",realm="other",nonce="n",uri="u",response="r"',
            b'Authorization: Digest username="al",realm="ims.test",nonce="n",uri="u",response=""',
        ],
    )
    def test_nothing_to_check(self, scene: Scene, header: bytes) -> None:
        refusal = scene.refused(request("REGISTER", b"sip:ims.test", more=[header]), served=True)
        assert refusal.status == 401
        assert not stale(refusal)
        assert scene.authenticator.stats.failed == 0

    def test_new_settings(self, scene: Scene) -> None:
        old = scene.challenges()[0]
        scene.authenticator.configure(AuthSettings(algorithms=(SHA_256, MD5)))
        assert [c.algorithm for c in scene.challenges()] == [SHA_256, MD5]
        assert principal(scene.check(scene.answered(old)))


class TestDigest:
    def test_right_answer(self, scene: Scene) -> None:
        assert principal(scene.check(scene.answered())) == ("sip:alice@ims.test", "digest", "")
        register = scene.answered(method="REGISTER", uri=b"sip:ims.test", header=b"Authorization")
        assert principal(scene.check(register, served=True))
        assert scene.authenticator.stats.accepted == 2

    def test_either_header_will_do(self, scene: Scene) -> None:
        assert principal(scene.check(scene.answered(header=b"Authorization")))

    def test_bare_address_as_domain(self, scene: Scene) -> None:
        message = scene.answered(
            method="REGISTER", uri=b"sip:192.0.2.1", sender=b"sip:alice@192.0.2.1",
            header=b"Authorization",
        )  # fmt: skip
        assert principal(scene.check(message))[0] == "sip:alice@ims.test"

    def test_wrong_password(self, scene: Scene) -> None:
        refusal = scene.refused(scene.answered(password="wrong"))
        assert refusal.status == 407
        assert not stale(refusal)
        assert scene.authenticator.stats.failed == 1

    def test_disabled_account(self, scene: Scene) -> None:
        scene.directory.put(scene.alice.changed(enabled=False))
        assert scene.refused(scene.answered()).status == 403
        assert scene.refused(scene.answered(password="wrong")).status == 407

    def test_an_account_without_a_secret_of_that_kind(self, scene: Scene) -> None:
        scene.directory.put(scene.alice.changed(ha1_md5=""))
        challenge = scene.challenges()[0]
        value = answer(challenge, "alice", b"", "MESSAGE", BOB, b"c", 1)
        message = request(more=[b"Proxy-Authorization: " + value])
        assert scene.refused(message).status == 407

    def test_counts_may_skip(self, scene: Scene) -> None:
        challenge = scene.challenges()[0]
        for count in (1, 2, 7, 0xFFFFFFFF):
            assert principal(scene.check(scene.answered(challenge, count=count)))


class TestRequestsOfTheRunBefore:
    """A MESSAGE whose answer was lost with the process is repeated to the next one unchanged."""

    def test_a_message_is_accepted_once(self) -> None:
        before, after = Scene(), Scene(nonce_start=7, resends_until=132.0)
        message = before.answered()
        assert principal(before.check(message))
        assert principal(after.check(message)) == ("sip:alice@ims.test", "digest", "")
        assert stale(after.refused(message))
        assert principal(after.check(after.answered()))

    @pytest.mark.parametrize(
        ("method", "now", "wall", "password"),
        [
            ("REGISTER", 100.0, WALL, PASSWORD),
            ("INVITE", 100.0, WALL, PASSWORD),
            ("MESSAGE", 132.0, WALL, PASSWORD),
            ("MESSAGE", 100.0, WALL + 300, PASSWORD),
            ("MESSAGE", 100.0, WALL, "wrong"),
        ],
    )
    def test_nothing_else_is(self, method: str, now: float, wall: float, password: str) -> None:
        before, after = Scene(), Scene(nonce_start=7, resends_until=132.0)
        header = b"Authorization" if method == "REGISTER" else b"Proxy-Authorization"
        challenge = before.challenges()[0]
        message = before.answered(challenge, method=method, password=password, header=header)
        after.now, after.wall = now, wall
        assert after.refused(message).status in (401, 407)


class TestReplayCases:
    """Named as in tests/wire/data/digest/vectors.json."""

    def test_nc_replay(self, scene: Scene) -> None:
        message = scene.answered()
        assert principal(scene.check(message))
        assert stale(scene.refused(message))

    def test_nc_backwards(self, scene: Scene) -> None:
        challenge = scene.challenges()[0]
        assert principal(scene.check(scene.answered(challenge, count=5)))
        assert stale(scene.refused(scene.answered(challenge, count=3)))

    @pytest.mark.parametrize("nonce", [b"dcd98b7102dd2f0e8b11d0f600bfb0c093", b"0" * 48])
    def test_nonce_forged(self, scene: Scene, nonce: bytes) -> None:
        refusal = scene.refused(scene.answered(Challenge("ims.test", nonce, MD5)))
        assert refusal.status == 407
        assert parse_challenge(refusal.lines[0].partition(b": ")[2]) is not None

    def test_nonce_expired(self, scene: Scene) -> None:
        challenge = scene.challenges()[0]
        scene.wall += 300
        assert stale(scene.refused(scene.answered(challenge)))
        assert not stale(scene.refused(scene.answered(challenge, password="wrong")))

    @pytest.mark.parametrize(
        "uri", [b"sip:ims.test", b"sip:carol@ims.test", b"sip:192.0.2.1", b"sip:192.0.2.1:5070"]
    )
    def test_uri_mismatch(self, scene: Scene, uri: bytes) -> None:
        assert scene.refused(scene.answered(digest_uri=uri)).status == 400

    def test_username_vs_from(self, scene: Scene) -> None:
        assert scene.refused(scene.answered(sender=b"sip:bob@ims.test")).status == 403
        other = scene.answered(
            method="REGISTER", uri=b"sip:ims.test", header=b"Authorization", to=b"sip:bob@ims.test"
        )
        assert scene.refused(other, served=True).status == 403
        assert scene.authenticator.stats.forbidden == 2

    def test_realm_other(self, scene: Scene) -> None:
        nonce = scene.challenges()[0].nonce
        refusal = scene.refused(scene.answered(Challenge("other.test", nonce, MD5)))
        assert refusal.status == 407

    def test_alg_downgrade(self) -> None:
        scene = Scene(AuthSettings(algorithms=(SHA_256,)))
        nonce = scene.challenges()[0].nonce
        for algorithm in (MD5, SHA_512_256):
            message = scene.answered(Challenge("ims.test", nonce, algorithm))
            assert scene.refused(message).status == 407
        assert principal(scene.check(scene.answered(Challenge("ims.test", nonce, SHA_256))))

    def test_session_variant_that_was_not_offered(self, scene: Scene) -> None:
        nonce = scene.challenges()[0].nonce
        challenge = Challenge("ims.test", nonce, "MD5-sess")
        value = answer(challenge, "alice", scene.alice.ha1(MD5), "MESSAGE", BOB, b"c", 1)
        assert scene.refused(request(more=[b"Proxy-Authorization: " + value])).status == 407

    def test_qop_strip(self, scene: Scene) -> None:
        nonce = scene.challenges()[0].nonce
        bare = Challenge("ims.test", nonce, MD5, qop=b"")
        assert scene.refused(scene.answered(bare)).status == 407

    def test_qop_strip_with_the_compatibility_switch(self, scene: Scene) -> None:
        scene.directory.put(scene.alice.changed(rfc2069=True))
        nonce = scene.challenges()[0].nonce
        message = scene.answered(Challenge("ims.test", nonce, MD5, qop=b""))
        assert principal(scene.check(message))
        assert stale(scene.refused(message)), "without a count a nonce is good for once"
        assert stale(scene.refused(scene.answered(Challenge("ims.test", nonce, MD5), count=9)))

    @pytest.mark.parametrize("compatible", [True, False])
    def test_qop_copied_into_an_answer_without_it(self, scene: Scene, compatible: bool) -> None:
        scene.directory.put(scene.alice.changed(rfc2069=compatible))
        value = scene.value(Challenge("ims.test", scene.challenges()[0].nonce, MD5, qop=b""))
        message = request(more=[b"Proxy-Authorization: " + value + b', qop="auth"'])
        if compatible:
            assert principal(scene.check(message))
        else:
            assert scene.refused(message).status == 407

    @pytest.mark.parametrize("name", [b"response", b"nonce", b"uri", b"username", b"cnonce"])
    @pytest.mark.parametrize("kept", [b'%b=""', b""])
    def test_empty_response_and_others(self, scene: Scene, name: bytes, kept: bytes) -> None:
        value = scene.value()
        start = value.index(name + b'="')
        end = value.index(b'"', start + len(name) + 2) + 1
        value = value[:start] + (kept and kept % name) + value[end:]
        value = value.replace(b", ,", b",").replace(b"Digest , ", b"Digest ")
        refusal = scene.refused(request(more=[b"Proxy-Authorization: " + value]))
        assert refusal.status in (400, 407)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"qop=auth", b"qop=auth-int"),
            (b"qop=auth", b"qop=none"),
            (b"nc=00000001", b"nc=1"),
            (b"nc=00000001", b"nc=00000000"),
            (b"nc=00000001", b"nc=0x000001"),
            (b"qop=auth, nc=00000001", b"qop=auth"),
            (b"qop=auth", b"qop=auth, qop=auth"),
            (b'username="alice"', b'username="alice", username="alice"'),
            (b'username="alice"', b'username="' + b"a" * 513 + b'"'),
        ],
    )
    def test_malformed_parameters(self, scene: Scene, old: bytes, new: bytes) -> None:
        value = scene.value()
        assert old in value
        message = request(more=[b"Proxy-Authorization: " + value.replace(old, new)])
        assert scene.refused(message).status == 400

    def test_two_authorization_same_realm(self, scene: Scene) -> None:
        good = scene.value()
        for bad in (scene.value(user="bob", password="wrong"), scene.value(password="wrong")):
            for pair in ([good, bad], [bad, good]):
                message = request(more=[b"Proxy-Authorization: " + value for value in pair])
                assert scene.refused(message).status == 400

    def test_two_algorithms_of_one_user(self) -> None:
        scene = Scene(AuthSettings(algorithms=(SHA_256, MD5)))
        strong, weak = scene.challenges()
        values = [scene.value(strong), scene.value(weak)]
        lines = [b"Proxy-Authorization: " + value for value in values]
        assert principal(scene.check(request(more=lines)))
        values[0] = scene.value(scene.challenges()[0], password="wrong")
        lines = [b"Proxy-Authorization: " + value for value in values]
        assert scene.refused(request(more=lines)).status == 407, "the first one counts"

    def test_only_two_headers_are_looked_at(self, scene: Scene) -> None:
        other = b'Authorization: Digest username="a",realm="r%d",nonce="n",uri="u",response="x"'
        lines = [other % number for number in range(20)]
        good = b"Authorization: " + scene.value()
        assert principal(scene.check(request(more=[lines[0], good])))
        good = b"Authorization: " + scene.value()
        assert scene.refused(request(more=[*lines, good])).status == 407

    def test_the_other_header_when_the_first_is_for_another_realm(self, scene: Scene) -> None:
        foreign = b'Proxy-Authorization: Digest username="a",realm="r",nonce="n",response="x"'
        good = b"Authorization: " + scene.value()
        assert principal(scene.check(request(more=[good, foreign])))
        good = b"Authorization: " + scene.value()
        assert scene.refused(request(more=[good, foreign, foreign])).status == 407

    def test_cross_method(self, scene: Scene) -> None:
        message = scene.answered(digest_method="REGISTER")
        assert scene.refused(message).status == 407

    def test_a_nonce_is_good_where_it_was_asked_for(self, scene: Scene) -> None:
        """Over UDP anybody can write any source; whose address moved asks once more."""
        challenge = scene.challenges()[0]
        scene.flow = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.9", 5060))
        assert stale(scene.refused(scene.answered(challenge)))
        scene.flow = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.7", 40001))
        assert principal(scene.check(scene.answered(challenge))), "another port is the same host"

    def test_nonce_cross_node(self, scene: Scene) -> None:
        other = NonceSource(SECRET, 1 << 10)
        foreign = Challenge("ims.test", other.make(WALL, b"ims.test"), MD5)
        assert stale(scene.refused(scene.answered(foreign)))
        other = NonceSource(SECRET[::-1], 1 << 60)
        foreign = Challenge("ims.test", other.make(WALL, b"ims.test"), MD5)
        assert stale(scene.refused(scene.answered(foreign)))


class TestTarget:
    @pytest.mark.parametrize(
        ("uri", "digest_uri"),
        [
            (b"sip:bob@ims.test", b"sip:b%6Fb@IMS.TEST"),
            (b"sip:bob@ims.test;transport=udp;x=1", b"sip:bob@ims.test;transport=UDP"),
            (b"sip:bob@ims.test", b"sip:192.0.2.1:5060"),
            (b"sip:bob@ims.test", b"sip:[2001:db8::1]:5060"),
            (b"sip:bob@ims.test", b"sip:2001:db8::1:5060"),
        ],
    )
    def test_other_spellings(self, scene: Scene, uri: bytes, digest_uri: bytes) -> None:
        assert principal(scene.check(scene.answered(uri=uri, digest_uri=digest_uri)))

    def test_listener_as_uri_can_be_refused(self) -> None:
        scene = Scene(AuthSettings(listener_uri=False))
        assert scene.refused(scene.answered(digest_uri=b"sip:192.0.2.1:5060")).status == 400
        assert scene.refused(scene.answered(digest_uri=b"sip:2001:db8::1:5060")).status == 400

    @pytest.mark.parametrize("text", [b"not a uri", b"sip:2001:db8::2:5060", b"sip:::1:x", b"::"])
    def test_a_uri_that_is_none(self, scene: Scene, text: bytes) -> None:
        assert scene.refused(scene.answered(digest_uri=text)).status == 400


class TestEnumeration:
    def test_known_and_unknown_users_look_alike(self, scene: Scene) -> None:
        scene.authenticator.throttle = None
        outcomes = []
        for user in ("alice", "nobody", "bob%00", "x" * 100):
            sender = b"sip:%b@ims.test" % user.encode()
            for message in (
                request(sender=sender),
                scene.answered(user=user, password="wrong", sender=sender),
                scene.answered(
                    Challenge("ims.test", scene.challenges()[0].nonce, MD5, qop=b""),
                    user=user, password="wrong", sender=sender,
                ),
                scene.answered(user=user, sender=sender, digest_uri=b"sip:ims.test"),
            ):  # fmt: skip
                refusal = scene.refused(message)
                parts = [line.partition(b'nonce="') for line in refusal.lines]
                shape = [(head, tail[48:]) for head, _, tail in parts]
                outcomes.append((refusal.status, refusal.reason, shape))
        for kind in range(4):
            assert all(outcome == outcomes[kind] for outcome in outcomes[kind::4])

    def test_timing(self, scene: Scene) -> None:
        scene.authenticator.throttle = None
        medians = []
        for user in ("alice", "nobody"):
            sender = b"sip:%b@ims.test" % user.encode()
            message = scene.answered(user=user, password="wrong", sender=sender)
            times = []
            for _ in range(300):
                start = perf_counter()
                scene.check(message)
                times.append(perf_counter() - start)
            medians.append(statistics.median(times))
        assert abs(medians[0] - medians[1]) < 1e-3


class TestThrottle:
    def test_ten_failures(self, scene: Scene) -> None:
        for _ in range(10):
            assert scene.refused(scene.answered(password="wrong")).status == 407
        refusal = scene.refused(scene.answered())
        assert refusal.status == 503
        assert refusal.lines == (b"Retry-After: 61",)
        assert scene.refused(request()).status == 407, "a challenge is still given"
        scene.flow = Flow("UDP", ("192.0.2.1", 5060), ("203.0.113.1", 5060))
        assert principal(scene.check(scene.answered())), "another source is not locked out"
        scene.flow = CLIENT
        scene.now += 61
        assert principal(scene.check(scene.answered()))
        assert scene.authenticator.stats.throttled == 1


class TestSources:
    def test_strangers_are_dropped_when_they_ask_too_often(self) -> None:
        scene = Scene(sources=SourceLimiter(RateSettings(unauthenticated=Rate(20, 3))))
        good, wrong = scene.answered(), scene.answered(password="wrong")
        assert scene.refused(request()).status == 407
        assert scene.check(request()) is DROP
        assert DROP.status == 0
        assert scene.check(request("OPTIONS", b"sip:ims.test"), served=True) is DROP
        assert principal(scene.check(good)), "right credentials cost nothing"
        assert scene.check(wrong) is DROP
        assert scene.authenticator.stats.dropped == 3


class TestPeers:
    PEERS = (Peer("edge", "198.51.100.7", "asserted"), Peer("plain", "198.51.100.8"))

    def test_asserted_identity(self) -> None:
        scene = Scene(peers=self.PEERS)
        line = b'P-Asserted-Identity: <tel:+1555>, "Carol" <sip:carol@ims.test;x=y>'
        assert principal(scene.check(request(more=[line]))) == (
            "sip:carol@ims.test", "asserted", "edge",
        )  # fmt: skip

    @pytest.mark.parametrize(
        "more", [[], [b"P-Asserted-Identity: <tel:+1555>"], [b"P-Asserted-Identity: <broken"]]
    )
    def test_from_when_nothing_is_asserted(self, more: list[bytes]) -> None:
        scene = Scene(peers=self.PEERS)
        message = request(sender=b"sip:x@192.0.2.1", more=more)
        assert principal(scene.check(message))[0] == "sip:x@ims.test"

    def test_register_speaks_for_the_user_in_to(self) -> None:
        scene = Scene(peers=self.PEERS)
        message = request("REGISTER", sender=b"sip:scscf@ims.test", to=b"sip:bob@ims.test")
        assert principal(scene.check(message, served=True))[0] == "sip:bob@ims.test"

    def test_a_peer_without_trust_is_challenged(self) -> None:
        scene = Scene(peers=self.PEERS)
        scene.flow = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.8", 5060))
        line = b"P-Asserted-Identity: <sip:carol@ims.test>"
        assert scene.refused(request(more=[line])).status == 407
        assert "p-asserted-identity" in UNTRUSTED_HEADERS


class TestConsumed:
    def test_our_credentials_only(self, scene: Scene) -> None:
        foreign = b'Digest username="a",realm="elsewhere",nonce="n",uri="u",response="r"'
        message = request(
            more=[
                b"Proxy-Authorization: " + foreign,
                b"Authorization: " + scene.value(),
                b"Authorization: NoOneKnowsThisScheme opaque-data=here",
                b'Proxy-Authorization: Digest realm="ims.test',
            ]
        )
        consumed = scene.authenticator.consumed(message)
        assert [message.lines[place][:30] for place in consumed] == [
            b"Authorization: Digest username", b'Proxy-Authorization: Digest re',
        ]  # fmt: skip

    def test_nothing(self, scene: Scene) -> None:
        assert scene.authenticator.consumed(request()) == ()
