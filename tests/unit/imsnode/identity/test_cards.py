# SPDX-License-Identifier: Apache-2.0
"""SIM cards: keys at rest, sequence numbers, challenges and what cards answer."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable

import pytest

from imsnode.identity import (
    Authenticator,
    Directory,
    FailureThrottle,
    LocalNames,
    PeerTable,
    Principal,
    Refusal,
    make_account,
)
from imsnode.identity.aka import AkaDigest
from imsnode.identity.auc import AuthenticationCentre
from imsnode.identity.vault import AkaKeys, Vault, VaultClosed, aka_functions
from sip.aka import (
    AKA_V1_MD5,
    AKA_V2_MD5,
    AKA_V2_SHA_256,
    DELTA,
    MacFailure,
    SequenceArray,
    Usim,
    Vector,
    aka_secret,
    sequence_of,
    split_nonce,
    sqn_of,
)
from sip.digest import Challenge, answer, parse_challenge
from sip.flow import Flow
from sip.limits import Limits
from sip.message import Request
from sip.parser import parse_message

AOR = "sip:card@ims.test"
IMPI = "001010000000001@ims.test"
KEYS = AkaKeys("milenage", bytes(range(16)), bytes(range(16, 32)), b"\x80\x00")
WALL = 1_700_000_000.0
CLIENT = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.7", 40000))
VAULT = Vault(bytes(64))


class Store:
    """Sequence numbers as they are on disk; ``slow`` holds commits back."""

    def __init__(self) -> None:
        self.reserved = 0
        self.writes = 0
        self.slow = self.fails = False
        self.held: list[Callable[[], None]] = []

    def keep(self, aor: str, reserved: int, done: Callable[[bool], None]) -> None:
        def commit() -> None:
            if not self.fails:
                self.reserved = reserved
                self.writes += 1
            done(not self.fails)

        if self.slow:
            self.held.append(commit)
        else:
            commit()


class Scene:
    """One user with a SIM card, a node that challenges, and the card itself."""

    def __init__(self, algorithm: str = AKA_V1_MD5, keys: AkaKeys = KEYS) -> None:
        self.keys = keys
        self.store = Store()
        self.account = make_account(AOR, "", algorithms=(algorithm,)).changed(
            user=IMPI, aka=VAULT.seal(AOR, keys)
        )
        self.card = Usim(aka_functions(keys))
        self.sent: list[Refusal] = []
        self.start()

    def start(self) -> None:
        """Start the node, again too: nothing but the store is left of it then."""
        account = self.account
        if account.aka is not None:
            account.aka.reserved = self.store.reserved
        directory = Directory([account])
        self.authenticator = Authenticator(
            directory,
            PeerTable(),
            LocalNames(["ims.test"]),
            bytes(range(32)),
            1 << 60,
            throttle=FailureThrottle(),
        )
        octet = iter(range(256))
        self.auc = AuthenticationCentre(VAULT, self.store, lambda size: bytes([next(octet)]) * size)
        self.authenticator.aka = AkaDigest(
            self.auc,
            self.authenticator.nonces,
            bytes(32),
            lambda request, flow, refusal: self.sent.append(refusal),
        )

    def check(self, request: Request, flow: Flow = CLIENT) -> Principal | Refusal | None:
        return self.authenticator.check(request, flow, 100.0, WALL)

    def challenge(self, request: Request | None = None) -> Challenge:
        """What a request without credentials, or with these, is answered."""
        before = len(self.sent)
        refusal = self.check(request or register())
        assert isinstance(refusal, Refusal)
        assert not refusal.status  # it is on its way
        assert len(self.sent) == before + 1
        return asked(self.sent[-1])

    def answered(self, challenge: Challenge, method: str = "REGISTER", count: int = 1) -> Request:
        parts = split_nonce(challenge.nonce)
        assert parts is not None
        told = self.card.answer(parts[0], parts[1])
        secret = aka_secret(
            challenge.algorithm, IMPI.encode(), b"ims.test", told.res, told.ck, told.ik
        )
        value = answer(challenge, IMPI, secret, method, b"sip:ims.test", b"cn", count)
        if told.auts:
            value += b', auts="' + b64encode(told.auts) + b'"'
        return register(b"Authorization: " + value, method=method)


def asked(refusal: Refusal) -> Challenge:
    challenge = parse_challenge(refusal.lines[0].partition(b": ")[2])
    assert challenge is not None
    return challenge


def register(*more: bytes, method: str = "REGISTER") -> Request:
    """What a terminal sends; without credentials as TS 24.229 5.1.1.2 has it."""
    name = method.encode()
    first = (
        b'Authorization: Digest username="%b",realm="ims.test",nonce="",uri="sip:ims.test",'
        b'response="",integrity-protected=no' % IMPI.encode()
    )
    lines = [
        name + b" sip:ims.test SIP/2.0",
        b"Via: SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bK1",
        b"From: <sip:card@ims.test>;tag=1",
        b"To: <sip:card@ims.test>",
        b"Call-ID: one",
        b"CSeq: 1 " + name,
        *(more or (first,)),
        b"Content-Length: 0",
    ]
    parsed = parse_message(b"\r\n".join(lines) + b"\r\n\r\n", Limits())
    assert isinstance(parsed, Request)
    return parsed


# ---------------------------------------------------------------- keys at rest


def test_keys_open_for_their_account_alone() -> None:
    sealed = VAULT.seal(AOR, KEYS)
    assert VAULT.open(AOR, sealed) == KEYS
    assert KEYS.key not in sealed.sealed
    for vault, aor in ((VAULT, "sip:other@ims.test"), (Vault(b"x" * 64), AOR)):
        with pytest.raises(VaultClosed):
            vault.open(aor, sealed)


def test_keys_are_not_printed() -> None:
    assert KEYS.key.hex() not in repr(KEYS)
    assert repr(KEYS.key) not in repr(KEYS)


# ------------------------------------------------------------ sequence numbers


def test_a_card_takes_each_number_once_and_in_any_order() -> None:
    array = SequenceArray()
    assert array.accept(sqn_of(5))
    assert array.accept(sqn_of(3))  # overtaken on its way
    assert not array.accept(sqn_of(5))
    assert not array.accept(sqn_of(5 + DELTA + 1))
    assert array.accept(sqn_of(5 + DELTA))
    assert sequence_of(array.highest) == 5 + DELTA


def test_numbers_are_on_disk_before_they_leave() -> None:
    scene = Scene()
    scene.store.slow = True
    scene.check(register())
    scene.check(register())
    assert not scene.sent
    assert len(scene.store.held) == 1
    scene.store.held.pop()()
    assert len(scene.sent) == 2
    assert scene.store.reserved == 32


def test_no_number_leaves_twice_over_restarts() -> None:
    scene = Scene()
    for _ in range(3):
        for _ in range(40):
            told = scene.answered(scene.challenge())
            assert b"auts" not in (told.get("authorization") or b"")
        scene.start()
    assert scene.store.writes == 6  # 120 challenges


def test_without_the_store_there_is_no_challenge() -> None:
    scene = Scene()
    scene.store.fails = True
    scene.check(register())
    assert [refusal.status for refusal in scene.sent] == [503]


def test_only_so_many_wait_for_the_store() -> None:
    scene = Scene()
    scene.store.slow = True
    for _ in range(20):
        scene.check(register())
    assert [refusal.status for refusal in scene.sent] == [503] * 4


# --------------------------------------------------------- challenge and answer


@pytest.mark.parametrize("algorithm", [AKA_V1_MD5, AKA_V2_MD5, AKA_V2_SHA_256])
@pytest.mark.parametrize("card", ["milenage", "tuak"])
def test_a_card_proves_itself(algorithm: str, card: str) -> None:
    opc = bytes(range(16, 32)) * (2 if card == "tuak" else 1)
    scene = Scene(algorithm, AkaKeys(card, bytes(range(16)), opc, b"\x80\x00"))
    challenge = scene.challenge()
    assert challenge.algorithm == algorithm
    principal = scene.check(scene.answered(challenge))
    assert isinstance(principal, Principal)
    assert principal.aor == AOR


def test_what_leaves_is_what_rfc_3310_says() -> None:
    scene = Scene()
    scene.challenge()
    line = scene.sent[0].lines[0]
    assert line.startswith(b'WWW-Authenticate: Digest realm="ims.test", nonce="')
    assert b'algorithm=AKAv1-MD5, qop="auth"' in line
    assert not re.search(rb"\b[ci]k=", line)  # those are for a P-CSCF (TS 24.229 5.4.1.2.1)


def test_a_wrong_card_is_challenged_again_and_counted() -> None:
    scene = Scene()
    challenge = scene.challenge()
    value = answer(
        challenge, IMPI, aka_secret(AKA_V1_MD5, IMPI.encode(), b"ims.test", b"x" * 8),
        "REGISTER", b"sip:ims.test", b"cn", 1,
    )  # fmt: skip
    again = scene.challenge(register(b"Authorization: " + value))
    assert again.nonce != challenge.nonce
    assert scene.authenticator.stats.failed == 1


def test_res_is_good_once_with_akav1_and_more_often_with_akav2() -> None:
    for algorithm, often in ((AKA_V1_MD5, False), (AKA_V2_SHA_256, True)):
        scene = Scene(algorithm)
        challenge = scene.challenge()
        told = scene.card.answer(*(split_nonce(challenge.nonce) or ())[:2])
        secret = aka_secret(algorithm, IMPI.encode(), b"ims.test", told.res, told.ck, told.ik)
        for count in (1, 2):
            value = answer(challenge, IMPI, secret, "REGISTER", b"sip:ims.test", b"cn", count)
            found = scene.check(register(b"Authorization: " + value))
            assert isinstance(found, Principal) is (count == 1 or often)
        if not often:
            assert asked(scene.sent[-1]).stale


def test_a_nonce_cannot_be_put_together_from_others() -> None:
    """A RAND whose RES is known does not get into a fresh nonce."""
    scene = Scene()
    first, second = scene.challenge(), scene.challenge()
    one, two = split_nonce(first.nonce), split_nonce(second.nonce)
    assert one is not None
    assert two is not None
    told = scene.card.answer(one[0], one[1])
    second.nonce = b64encode(one[0] + one[1] + two[2])
    secret = aka_secret(AKA_V1_MD5, IMPI.encode(), b"ims.test", told.res)
    value = answer(second, IMPI, secret, "REGISTER", b"sip:ims.test", b"cn", 1)
    scene.challenge(register(b"Authorization: " + value))


def test_a_card_that_is_ahead_is_followed() -> None:
    scene = Scene()
    scene.card.sequences = SequenceArray(70_000)
    refused = scene.answered(scene.challenge())
    assert b"auts=" in (refused.get("authorization") or b"")
    principal = scene.check(scene.answered(scene.challenge(refused)))
    assert isinstance(principal, Principal)
    assert scene.auc.resynchronised == 1
    assert scene.store.reserved == 70_032
    scene.start()
    assert isinstance(scene.check(scene.answered(scene.challenge())), Principal)


def test_a_new_card_in_the_place_of_one_far_ahead_is_followed_back() -> None:
    scene = Scene()
    scene.store.reserved = DELTA + 100
    scene.start()
    refused = scene.answered(scene.challenge())
    assert isinstance(scene.check(scene.answered(scene.challenge(refused))), Principal)
    assert scene.store.reserved == 32


def test_an_auts_of_somebody_else_changes_nothing() -> None:
    scene = Scene()
    challenge = scene.challenge()
    value = answer(
        challenge, IMPI, aka_secret(AKA_V1_MD5, IMPI.encode(), b"ims.test", b""),
        "REGISTER", b"sip:ims.test", b"cn", 1,
    )  # fmt: skip
    forged = b', auts="' + b64encode(bytes(14)) + b'"'
    scene.challenge(register(b"Authorization: " + value + forged))
    assert scene.auc.resynchronised == 0
    assert scene.authenticator.stats.failed == 1


def test_a_card_does_not_answer_a_stranger() -> None:
    with pytest.raises(MacFailure):
        Usim(aka_functions(KEYS)).answer(bytes(16), bytes(16))


def test_a_vector_without_keys_is_none() -> None:
    made: list[Vector | None] = []
    Scene().auc.vector(make_account(AOR, "x"), made.append)
    assert made == [None]


# ------------------------------------------------------- requests that follow


def test_requests_over_the_connection_of_the_card_need_no_answer() -> None:
    scene = Scene()
    scene.authenticator.associated = lambda request, flow, aor, now: flow is CLIENT
    principal = scene.check(register(b"Subject: x", method="MESSAGE"))
    assert isinstance(principal, Principal)
    assert principal.aor == AOR
    other = Flow("UDP", ("192.0.2.1", 5060), ("198.51.100.8", 40000))
    scene.check(register(b"Subject: x", method="MESSAGE"), other)
    assert scene.sent[-1].status == 407
    scene.check(register())
    assert scene.sent[-1].status == 401
