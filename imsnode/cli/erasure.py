# SPDX-License-Identifier: Apache-2.0
"""`imsnode user export-data` and `erase-data`: all that is kept about one user."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption
from .output import say
from .session import canonical_aor, database, flush, load_config, tell_users_changed

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.storage import Database, Eraser

__all__ = ["erase_data", "export_data"]

AorArgument = Annotated[str, typer.Argument(metavar="AOR", help="Such as sip:alice@ims.test.")]


def export_data(
    aor: AorArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write, for its owner only.")
    ],
    config: ConfigOption = None,
) -> None:
    """Write all that is kept about a user as JSON: account, messages, history, ledger, files."""
    from imsnode.storage import StorageError, export_user, without_senders
    from sip.privacy import ANONYMOUS

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    flush(settings)
    running = _running(settings)
    with database(settings) as opened:
        try:
            wall = datetime.now(UTC).timestamp()
            if not running:
                _recover(opened)
            found = export_user(opened, name, wall, wall)
        except StorageError as error:
            raise CommandError(str(error)) from error
    concealed = {entry["id"] for entry in found["ledger"] if entry["from"] == ANONYMOUS}
    found["charging_records"] = without_senders(_records(settings, name), concealed, name)
    found["files"] = _files(settings, name)
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(found, stream, ensure_ascii=False, indent=1)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror}") from error
    say(f"wrote {len(found['history'])} messages of {name} and all else to {out}")


def erase_data(
    aor: AorArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove a user with all that is kept about it; ledger and charging records lose the name."""
    from imsnode.control.client import ControlClient, ControlRefused, NodeNotRunning
    from imsnode.storage import Accounts, AccountUnknown, Eraser, StorageError

    settings = load_config(config)
    name = canonical_aor(settings, aor, local=False)
    if not yes and not typer.confirm(f"Erase {name} for good?"):
        raise UsageError("nothing was erased")
    running = _running(settings)
    with database(settings) as opened:
        try:
            with suppress(AccountUnknown):  # what an account left behind is erased as well
                Accounts(opened).remove(name)
            tell_users_changed(settings, [name])
            flush(settings)
            if not running:
                _recover(opened)
            eraser = Eraser(opened, name, alone=not running)
            counts = eraser.erase_tables()
        except StorageError as error:
            raise CommandError(str(error)) from error
    try:
        with ControlClient(settings.control_socket) as client:
            client.users_changed([name])
            records, files = client.user_erased(name)
    except NodeNotRunning:
        records, files = _erase_records(settings, eraser), _erase_files(settings, name)
    except ControlRefused as error:
        raise CommandError(str(error)) from error
    done = ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing in tables"
    say(f"erased {name}: {done}, charging files {records}, uploaded files {files}")
    if running and settings.storage_file is not None:
        say("free pages of the database may still hold old octets: repeat it while no node runs")


def _recover(opened: Database) -> None:
    """Have what a node carried when it was killed stand where all messages stand."""
    from imsnode.storage import recover_parcels

    with opened.writing() as connection:
        recover_parcels(connection, datetime.now(UTC).timestamp())


def _running(settings: Config) -> bool:
    from imsnode.control.client import ControlClient, NodeNotRunning

    try:
        with ControlClient(settings.control_socket):
            return True
    except NodeNotRunning:
        return False


def _erase_records(settings: Config, eraser: Eraser) -> int:
    from imsnode.storage import CdrSettings
    from imsnode.storage.cdr import CdrFile
    from imsnode.storage.stats import StorageStats

    if settings.cdr_file is None:
        return 0
    file = CdrFile(CdrSettings(settings.cdr_file, keep=settings.cdr.keep), StorageStats())
    try:
        return file.rewrite(eraser.concerns, eraser.anonymised)
    except OSError as error:
        raise CommandError(f"charging records: {error.strerror}") from error


def _erase_files(settings: Config, name: str) -> int:
    from imsnode.content import ContentStore
    from imsnode.settings import content

    store = ContentStore(
        settings.content_directory, content(settings), lambda: datetime.now(UTC).timestamp()
    )
    try:
        store.load()
        return asyncio.run(store.erase(name))
    except OSError as error:
        raise CommandError(f"uploaded files: {error.strerror}") from error


def _files(settings: Config, name: str) -> list[dict[str, Any]]:
    """Describe the uploaded files of a user, and say where their octets are."""
    from imsnode.content_disk import ContentDisk

    disk = ContentDisk(settings.content_directory)
    return [
        {**asdict(kept), "links": [who for _, who in kept.links], "file": str(path)}
        for path, kept in disk.of(name)
    ]


def _records(settings: Config, name: str) -> list[dict[str, Any]]:
    from imsnode.storage.cdr_read import RecordsChanged, Selection, read_all

    if settings.cdr_file is None:
        return []
    try:
        lines = read_all(settings.cdr_file, Selection(user=name))
        return [json.loads(line.text) for line in lines]
    except RecordsChanged as error:
        raise CommandError(str(error)) from error
