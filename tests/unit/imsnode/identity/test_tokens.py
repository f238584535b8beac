"""Tokens of the HTTP API."""

from __future__ import annotations

import pytest

from imsnode.identity.tokens import ApiToken, TokenTable, allows, make_token

WALL = 1_750_000_000.0


def made(**values: object) -> tuple[str, ApiToken]:
    fields: dict[str, object] = {"name": "x", "scopes": ("messages:send",), "senders": ()}
    return make_token(**(fields | values), wall=WALL)  # type: ignore[arg-type]


def test_a_token_is_found_by_its_text_alone() -> None:
    text, token = made()
    other, second = made()
    table = TokenTable([token, second])
    assert table.find(text, WALL) == token
    assert table.find(other, WALL) == second
    assert text.split("_", 2)[2] not in repr(token)
    mixed = f"imsnode_{token.id}_{other.split('_', 2)[2]}"
    for wrong in ("", "imsnode", token.id, mixed, text + "x", text[:-1], "x" + text, "\udc80_x_y"):
        assert table.find(wrong, WALL) is None
    table.replace_all([])
    assert table.find(text, WALL) is None


def test_a_token_ends() -> None:
    text, token = made(expires_at=WALL + 10)
    table = TokenTable([token])
    assert table.find(text, WALL + 9.9) == token
    assert table.find(text, WALL + 10) is None


def test_scopes() -> None:
    assert made()[1].grants("messages:send")
    assert not made()[1].grants("messages:read")
    assert made(scopes=("admin",))[1].grants("history:read")


@pytest.mark.parametrize(
    ("senders", "aor", "allowed"),
    [
        ((), "sip:a@x", True),
        (("sip:a@x",), "sip:a@x", True),
        (("sip:a@x",), "sip:b@x", False),
        (("@x",), "sip:b@x", True),
        (("@x",), "sip:b@x.y", False),
        (("@x",), "sip:b@y.x", False),
        (("@y", "sip:a@x"), "sip:a@x", True),
    ],
)
def test_whom_a_token_acts_for(senders: tuple[str, ...], aor: str, allowed: bool) -> None:
    assert allows(senders, aor) is allowed
