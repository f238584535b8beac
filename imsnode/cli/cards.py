# SPDX-License-Identifier: Apache-2.0
"""`imsnode user set`: SIM cards and private identities of users."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import UsageError
from .options import ConfigOption
from .output import say
from .session import canonical_aor, load_config, tell_users_changed

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.identity.accounts import AkaSubscription

__all__ = ["check_private", "read_card", "seal_card", "set_user"]

_KEY_SIZES = {"milenage": (16,), "tuak": (16, 32)}
_OP_SIZES = {"milenage": 16, "tuak": 32}
_PRIVATE = re.compile(r"[^\s\x00-\x20\x7f\"\\]{1,255}")


def set_user(
    aor: Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")],
    aka_k_stdin: Annotated[
        bool,
        typer.Option(
            "--aka-k-stdin", help="Read K of the SIM card, hexadecimal, from standard input."
        ),
    ] = False,
    op: Annotated[
        str | None, typer.Option("--op", metavar="HEX", help="The operator's OP (TUAK: TOP).")
    ] = None,
    opc: Annotated[
        str | None, typer.Option("--opc", metavar="HEX", help="OPc of the card (TUAK: TOPc).")
    ] = None,
    amf: Annotated[
        str, typer.Option("--amf", metavar="HEX", help="Authentication management field.")
    ] = "8000",
    aka_algorithm: Annotated[
        str, typer.Option("--aka-algorithm", metavar="NAME", help="milenage or tuak.")
    ] = "milenage",
    no_aka: Annotated[bool, typer.Option("--no-aka", help="Take the SIM card away.")] = False,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            "--algorithm",
            metavar="NAME",
            help="Digest algorithm to offer; may be repeated; default for a card: AKAv1-MD5.",
        ),
    ] = None,
    impi: Annotated[
        str | None,
        typer.Option(
            "--impi",
            metavar="NAME",
            help="Private identity, the digest user name; the password has to be set anew.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Give a user a SIM card, a private identity, or other digest algorithms."""
    from .users import accounts_of, algorithms_named

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    card = None
    if aka_k_stdin:
        if no_aka:
            raise UsageError("give --aka-k-stdin or --no-aka, not both")
        key = sys.stdin.readline().strip()
        card = seal_card(settings, name, read_card(aka_algorithm, key, op, opc, amf))
    elif op is not None or opc is not None:
        raise UsageError("--op and --opc belong to a key: give it with --aka-k-stdin")
    if impi is not None:
        check_private(impi)
    chosen = algorithms_named(algorithm)
    if card is not None and not chosen:
        chosen = ("AKAv1-MD5",)
    with accounts_of(settings) as accounts:
        if impi is not None:
            accounts.set_login(name, impi, "")
        if card is not None or no_aka:
            accounts.set_card(name, card)
        accounts.configure(name, algorithms=chosen if chosen or no_aka else None)
    tell_users_changed(settings, [name])
    say(f"changed {name}")


def check_private(impi: str) -> None:
    """Refuse what cannot be a private identity; raises UsageError."""
    if not _PRIVATE.fullmatch(impi):
        raise UsageError(f"{impi!r} is not a private identity, such as 0010@ims.test")


def read_card(
    algorithm: str, key: str, op: str | None, opc: str | None, amf: str
) -> tuple[str, bytes, bytes, bytes]:
    """Return algorithm, K, OPc and AMF of what an operator wrote. Raises: UsageError."""
    from imsnode.identity.vault import derive_opc

    if algorithm not in _KEY_SIZES:
        raise UsageError(f"--aka-algorithm {algorithm!r} is not one of milenage, tuak")
    if (op is None) == (opc is None):
        raise UsageError("give one of --op and --opc")
    secret = _octets(key)
    if secret is None or len(secret) not in _KEY_SIZES[algorithm]:
        # Not the value itself: it would stand in somebody's log.
        sizes = " or ".join(str(2 * size) for size in _KEY_SIZES[algorithm])
        raise UsageError(f"K is not {sizes} hexadecimal digits on one line")
    given, option = (op, "--op") if op is not None else (opc or "", "--opc")
    operator = _octets(given)
    if operator is None or len(operator) != _OP_SIZES[algorithm]:
        raise UsageError(f"{option} is not {2 * _OP_SIZES[algorithm]} hexadecimal digits")
    field = _octets(amf)
    if field is None or len(field) != 2:
        raise UsageError(f"--amf {amf!r} is not 4 hexadecimal digits")
    if op is not None:
        operator = derive_opc(algorithm, secret, operator)
    return algorithm, secret, operator, field


def seal_card(config: Config, aor: str, card: tuple[str, bytes, bytes, bytes]) -> AkaSubscription:
    """Seal the keys of a card for an account under the node's secret."""
    from imsnode.identity.vault import AkaKeys, Vault
    from imsnode.seal import derived_key
    from imsnode.secret import CARDS, SECRET_FILE, node_secret

    secret = node_secret(config.directory / SECRET_FILE)
    return Vault(derived_key(secret, CARDS)).seal(aor, AkaKeys(*card))


def _octets(text: str) -> bytes | None:
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
        return None
    return bytes.fromhex(text)
