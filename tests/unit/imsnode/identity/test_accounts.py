# SPDX-License-Identifier: Apache-2.0
"""Accounts, the directory over them, and the names the node serves."""

from __future__ import annotations

import pytest

from imsnode.identity.accounts import Account, Directory, LocalNames, make_account
from sip.digest import MD5, SHA_256, SHA_512_256, ha1
from sip.errors import ParseError
from sip.uri import parse_uri

ALICE = make_account("sip:alice@ims.test", "pw", display_name="Alice")
BOB = make_account("sip:bob@ims.test", "pw", algorithms=(SHA_256,))


class TestAccount:
    def test_secrets(self) -> None:
        for algorithm in (MD5, SHA_256, SHA_512_256):
            assert ALICE.ha1(algorithm) == ha1("alice", "ims.test", "pw", algorithm)
        assert ALICE.ha1("AKAv1-MD5") == b""
        assert Account("sip:a@b", "a", "b").ha1(MD5) == b""

    def test_fields(self) -> None:
        assert (ALICE.aor, ALICE.user, ALICE.realm) == ("sip:alice@ims.test", "alice", "ims.test")
        assert ALICE.enabled
        assert "ha1" not in repr(ALICE)

    def test_canonical_form(self) -> None:
        account = make_account("SIP:al%69ce%40x@IMS.test", "pw")
        assert account.aor == "sip:alice%40x@ims.test"
        assert account.user == "alice@x"
        assert account.ha1(MD5) == ha1("alice@x", "ims.test", "pw")

    @pytest.mark.parametrize(
        "aor",
        ["sip:ims.test", "tel:+1555", "sip:a@b:5060", "sip:a@b;x=y", "sip:a:pw@b", "sip:a@b?x=y"],
    )
    def test_no_account_name(self, aor: str) -> None:
        with pytest.raises(ValueError):
            make_account(aor, "pw")

    def test_no_uri(self) -> None:
        with pytest.raises(ParseError):
            make_account("alice", "pw")


class TestDirectory:
    def test_both_ways_in(self) -> None:
        directory = Directory([ALICE, BOB])
        assert directory.get("sip:alice@ims.test") is ALICE
        assert directory.login("ims.test", b"bob") is BOB
        assert directory.login("other.test", b"bob") is None
        assert directory.login("ims.test", b"\xff") is None
        assert directory.login("ims.test", b"") is None
        assert (len(directory), set(directory)) == (2, {ALICE, BOB})

    def test_user_names_that_need_escapes(self) -> None:
        account = make_account("sip:j%20doe@ims.test", "pw")
        directory = Directory([account])
        assert directory.login("ims.test", b"j doe") is account
        assert directory.login("ims.test", b"j%20doe") is None
        directory.remove(account.aor)
        assert directory.login("ims.test", b"j doe") is None

    def test_changes_are_announced(self) -> None:
        directory = Directory([ALICE])
        heard: list[tuple[str, Account | None]] = []
        directory.on_change.append(lambda aor, account: heard.append((aor, account)))
        off = ALICE.changed(enabled=False)
        directory.put(off)
        directory.put(BOB)
        directory.remove(ALICE.aor)
        directory.remove(ALICE.aor)
        assert heard == [(ALICE.aor, off), (BOB.aor, BOB), (ALICE.aor, None)]

    def test_replace_all_touches_what_differs(self) -> None:
        directory = Directory([ALICE, BOB])
        heard: list[str] = []
        directory.on_change.append(lambda aor, _account: heard.append(aor))
        carol = make_account("sip:carol@ims.test", "pw")
        assert directory.replace_all([ALICE.changed(), carol]) == 2
        assert heard == [BOB.aor, carol.aor]
        assert {account.aor for account in directory} == {ALICE.aor, carol.aor}

    def test_accounts_with_a_choice_of_their_own(self) -> None:
        directory = Directory([ALICE])
        choosing = [directory.choosing]
        for account in (BOB, BOB, BOB.changed(algorithms=())):
            directory.put(account)
            choosing.append(directory.choosing)
        assert choosing == [False, True, True, False]


class TestLocalNames:
    NAMES = LocalNames(["IMS.test", "two.test"], ("192.0.2.1", "::1"))

    @pytest.mark.parametrize(
        ("uri", "aor"),
        [
            (b"sip:a@ims.test", "sip:a@ims.test"),
            (b"sips:a@TWO.test:5061;x", "sip:a@two.test"),
            (b"sip:a@192.0.2.1:5060", "sip:a@ims.test"),
            (b"sip:a@[::1]", "sip:a@ims.test"),
            (b"sip:192.0.2.1", "sip:ims.test"),
            (b"sip:a@foreign.test", "sip:a@foreign.test"),
            (b"tel:+1-555", "tel:+1555"),
        ],
    )
    def test_address_of_record(self, uri: bytes, aor: str) -> None:
        assert self.NAMES.aor_of(parse_uri(uri)) == aor

    def test_domains(self) -> None:
        assert self.NAMES.domain_of("two.test") == "two.test"
        assert self.NAMES.domain_of("::1") == "ims.test"
        assert self.NAMES.domain_of("foreign.test") == ""
        assert self.NAMES.is_local("192.0.2.1")
        assert not self.NAMES.is_local("192.0.2.2")

    def test_listeners_may_come_later(self) -> None:
        addresses: set[str] = set()
        names = LocalNames(["ims.test"], addresses)
        addresses.add("192.0.2.9")
        assert names.is_local("192.0.2.9")
