"""Tokens, requests that count once, and service accounts, on every engine."""

from __future__ import annotations

import pytest

from imsnode.identity.tokens import make_token
from imsnode.storage import AccountExists, AccountUnknown, Claim, Claimed, ServiceAccount
from tests.support.stores import WALL, DurableStore

BOT = ServiceAccount("sip:bot@ims.test", "https://example.org/in", "whsec_x", WALL)


def test_tokens_come_back_and_go(durable: DurableStore) -> None:
    _, one = make_token("one", ("messages:send", "admin"), ("sip:a@x", "@y"), WALL)
    _, two = make_token("two", (), (), WALL + 1, WALL + 9)
    for token in (two, one):
        durable.storage.tokens.add(token)
    durable.reopen()
    assert durable.storage.tokens.load_all() == [one, two]
    assert durable.storage.tokens.remove(one.id)
    assert not durable.storage.tokens.remove(one.id)
    assert durable.storage.tokens.load_all() == [two]


def test_a_key_belongs_to_whoever_claims_it_first(durable: DurableStore) -> None:
    requests = durable.storage.requests
    first = Claim("t1", "key", b"digest", WALL)
    assert durable.call(requests.claim, first) == Claimed(True, b"digest", "")
    assert durable.call(requests.claim, Claim("t1", "key", b"other", WALL + 1)) == Claimed(
        False, b"digest", ""
    )
    assert durable.call(requests.claim, Claim("t2", "key", b"other", WALL)).fresh
    assert durable.call(requests.answer, "t1", "key", "the answer")
    durable.reopen()
    again = durable.call(durable.storage.requests.claim, first)
    assert again == Claimed(False, b"digest", "the answer")


def test_keys_are_forgotten_after_their_time(durable: DurableStore) -> None:
    durable.call(durable.storage.requests.claim, Claim("t1", "key", b"digest", WALL))
    durable.wall = WALL + 2 * 86400
    durable.reopen()
    durable.flush()
    assert durable.call(durable.storage.requests.claim, Claim("t1", "key", b"x", WALL)).fresh


def test_a_service_account_is_an_account_too(durable: DurableStore) -> None:
    services, accounts = durable.storage.services, durable.storage.accounts
    services.add(BOT, "Bot")
    durable.reopen()
    services, accounts = durable.storage.services, durable.storage.accounts
    assert services.load_all() == [BOT]
    account = accounts.get(BOT.aor)
    assert account is not None
    assert account.display_name == "Bot"
    assert account.ha1_md5
    with pytest.raises(AccountExists):
        services.add(BOT)
    services.change(BOT.aor, webhook="")
    assert services.load_all()[0].webhook == ""
    services.remove(BOT.aor)
    assert services.load_all() == []
    assert accounts.get(BOT.aor) is None
    for verb in (lambda: services.remove(BOT.aor), lambda: services.change(BOT.aor, secret="x")):
        with pytest.raises(AccountUnknown):
            verb()
