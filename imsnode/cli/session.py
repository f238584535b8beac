# SPDX-License-Identifier: Apache-2.0
"""What a command works with: the configuration, the database, the running node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CommandError, UsageError

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.control.client import ControlClient
    from imsnode.storage import Database

__all__ = [
    "canonical_aor",
    "database",
    "flush",
    "load_config",
    "node",
    "tell_node",
    "tell_policies_changed",
    "tell_users_changed",
    "wall_clock",
]

DEFAULT_FILE = Path("imsnode.toml")


def load_config(path: Path | None) -> Config:
    """Load the file given, or ./imsnode.toml when there is one, or defaults and environment."""
    from imsnode.config import load

    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    return load(path)


@contextmanager
def database(config: Config) -> Iterator[Database]:
    """Open the database of the node, made first when the configuration names one that is not there.

    CommandError when it cannot be used, and when there is neither a database nor a configuration:
    then the command most likely runs in the wrong folder.
    """
    from imsnode.storage import Database, SchemaOutdated, StorageError
    from imsnode.storage.schema import REVISION

    file = config.storage_file
    if file is not None and not file.exists() and not (config.path or config.origins):
        raise CommandError(
            f"there is neither {DEFAULT_FILE} nor {file.name} in {file.parent}; "
            "name the configuration with --config, or make one with `imsnode init DIR`"
        )
    try:
        with Database(config.storage_url) as opened:
            found = ""
            if file is None or file.exists():
                with opened.reading() as connection:
                    found = opened.revision(connection)
            if not found:
                os.umask(0o077)  # what is kept there is for the node's own user alone
                opened.upgrade()
            elif found != REVISION:
                raise SchemaOutdated(opened.name, found, REVISION)
            yield opened
    except StorageError as error:
        raise CommandError(str(error)) from error


@contextmanager
def node(config: Config) -> Iterator[ControlClient]:
    """Talk to the running node; CommandError when it does not run or refuses."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning

    try:
        with ControlClient(config.control_socket) as client:
            yield client
    except NodeNotRunning as error:
        raise CommandError(f"the node does not run ({error})") from error
    except ControlRefused as error:
        raise CommandError(str(error)) from error


def tell_users_changed(config: Config, aors: Sequence[str] | None) -> None:
    """Make the running node, if there is one, read accounts again; None stands for all."""
    tell_node(config, lambda client: client.users_changed(aors))


def tell_policies_changed(config: Config, aors: Sequence[str] | None) -> None:
    """Make the running node, if there is one, read policies again; None stands for all."""
    tell_node(config, lambda client: client.policies_changed(aors))


def tell_node(config: Config, tell: Callable[[ControlClient], object]) -> bool:
    """Tell the running node of a change that is made; False when there is none."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning

    try:
        with ControlClient(config.control_socket) as client:
            tell(client)
    except NodeNotRunning:
        return False
    except ControlRefused as error:
        raise CommandError(f"done, but the running node could not take it over: {error}") from error
    return True


def flush(config: Config) -> None:
    """Have the running node write what it still holds of ledger and history."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning

    try:
        with ControlClient(config.control_socket, timeout_s=5.0) as client:
            client.flush_ledger()
    except (NodeNotRunning, ControlRefused):
        return  # what is in the database already is still worth telling


def wall_clock() -> float:
    """Return epoch seconds."""
    from sip.aio.clock import SystemClock

    return SystemClock().wall()


def canonical_aor(config: Config, text: str, *, local: bool = True) -> str:
    """Turn "sip:alice@ims.test", "alice@ims.test" or "alice" into an address of record.

    A name without a domain belongs to the first domain served. With `local`, another domain than
    those served is refused. Raises UsageError.
    """
    from sip.errors import SipError
    from sip.uri import parse_uri

    written = text if text.startswith(("sip:", "sips:")) else f"sip:{text}"
    if "@" not in written:
        written = f"{written}@{config.domains[0]}"
    try:
        uri = parse_uri(written.encode())
    except (SipError, UnicodeEncodeError) as error:
        raise UsageError(f"{text!r} is not an address such as sip:alice@ims.test") from error
    if not uri.user or uri.port is not None or uri.params or uri.headers:
        raise UsageError(f"{text!r} is not an address of record such as sip:alice@ims.test")
    if local and uri.host not in config.domains:
        served = ", ".join(config.domains)
        raise UsageError(f"{uri.host} is not a domain served here (domains: {served})")
    return uri.aor
