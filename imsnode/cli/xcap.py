# SPDX-License-Identifier: Apache-2.0
"""`imsnode xcap`: documents of users, such as lists and rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from .errors import CommandError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows, timestamp
from .session import canonical_aor, database, load_config

app = typer.Typer(no_args_is_help=True, help="XCAP documents: lists, rules and presence of users.")

TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DOCUMENT",
        help="AUID/users/AOR/NAME or AUID/global/NAME; for a node of it /~~/ and a node selector "
        "behind it, and ?xmlns(PREFIX=URI) behind that.",
    ),
]


@app.command("list")
def list_documents(
    aor: Annotated[
        str | None, typer.Argument(metavar="[AOR]", help="Only what this user has.")
    ] = None,
    auid: Annotated[
        str | None, typer.Option(metavar="AUID", help="Only of this application usage.")
    ] = None,
    form: FormatOption = Format.TABLE,
    config: ConfigOption = None,
) -> None:
    """List documents, without those that the node makes itself."""
    from imsnode.storage import Documents, StorageError

    settings = load_config(config)
    owner = None if aor is None else canonical_aor(settings, aor, local=False)
    columns = ("owner", "auid", "name", "etag", "size", "changed")
    with database(settings) as opened:
        entries = Documents(opened).entries(owner, auid)
        try:
            rows = (
                (whose or "global", one.auid, one.name, one.etag, one.size, timestamp(one.changed))
                for whose, one in entries
            )
            show_rows(columns, rows, form)
        except StorageError as error:
            raise CommandError(str(error)) from error


@app.command("get")
def get(
    target: TargetArgument,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="File to write.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print a document, or a node of it, octet by octet."""
    from .xcapdesk import document_desk

    with document_desk(load_config(config)) as desk:
        octets = desk.find(target)
    if octets is None:
        raise CommandError(f"there is no {target}")
    if output is None:
        sys.stdout.buffer.write(octets)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(octets)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}") from error


@app.command("put")
def put(
    target: TargetArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to put; - reads it.")],
    config: ConfigOption = None,
) -> None:
    """Put a document, or a node of it, under the rules that hold for clients."""
    from .xcapdesk import document_desk

    content = sys.stdin.buffer.read() if str(file) == "-" else _read(file)
    with document_desk(load_config(config)) as desk:
        created = desk.put(target, content)
    say(f"{'created' if created else 'replaced'} {target}")


@app.command("delete")
def delete(target: TargetArgument, config: ConfigOption = None) -> None:
    """Delete a document, or a node of it."""
    from .xcapdesk import document_desk

    with document_desk(load_config(config)) as desk:
        desk.delete(target)
    say(f"deleted {target}")


@app.command("import")
def import_documents(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Holds AUID/users/AOR/NAME and AUID/global/NAME as files."
        ),
    ],
    config: ConfigOption = None,
) -> None:
    """Put every file of a folder; those that are refused are named and the others put."""
    from .progress import Progress
    from .xcapdesk import document_desk

    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder")
    files = list(_files(folder))
    bad: list[str] = []
    with (
        document_desk(load_config(config)) as desk,
        Progress() as progress,
        progress.step("writing", len(files)) as advance,
    ):
        for done, file in enumerate(files):
            try:
                desk.put(file.relative_to(folder).as_posix(), _read(file))
            except CommandError as error:
                bad.append(f"{file}: {error}")
            advance(done)
    for line in bad:
        sys.stderr.write(f"{line}\n")
    say(f"imported {len(files) - len(bad)} documents")
    if bad:
        raise CommandError(f"{len(bad)} of {len(files)} documents were refused")


def _files(folder: Path) -> Iterator[Path]:
    """Give the files below a folder, in order, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield path


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
