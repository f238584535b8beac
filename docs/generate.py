"""Write the parts of the reference that follow from the code.

    python docs/generate.py

docs/reference/configuration.md from the settings, docs/reference/cli.md from the commands,
docs/reference/cdr.md from the type of charging records. A test checks that they are up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer
from msgspec.json import schema

from imsnode.cli.main import app
from imsnode.config.reference import Setting, settings, tables
from imsnode.storage.cdr import Record
from pager.rules import KINDS, OUTCOMES

REFERENCE = Path(__file__).parent / "reference"

CONFIGURATION_HEAD = """\
# Configuration

<!-- written by docs/generate.py -->

A TOML file, by default `./imsnode.toml`; `imsnode init DIR` writes one with every setting in it.
Every setting outside the lists of tables can also come from the environment: `IMSNODE_` and the
key in capitals with two underscores for each dot, so `IMSNODE_PAGER__DEFER_AFTER=2s` sets
`pager.defer_after`. Lists are separated by commas or written as JSON. The environment is stronger
than the file. An unknown key is an error that names the nearest known one; `imsnode config check`
checks everything, `imsnode config show` lists what is in effect and where it comes from.

Durations are seconds, or text such as `"500ms"`, `"4s"`, `"5m"`, `"2h"`, `"30d"`. Sizes are
octets, or text such as `"64KiB"`, `"16MiB"`. *Live* settings are applied by `imsnode reload` and
SIGHUP, the others when the node starts.
"""

CLI_HEAD = """\
# Commands

<!-- written by docs/generate.py -->

Exit codes: 0 done, 1 refused or failed, 2 bad usage or configuration. Every command takes
`--config FILE` or the variable `IMSNODE_CONFIG`; without either it reads `./imsnode.toml` when
there is one, else defaults and environment alone. Commands work on the database whether or not the
node runs, and a running node sees the change at once.
"""

RECORDS_HEAD = """\
# Charging records

<!-- written by docs/generate.py -->

One schema for records of all kinds. A record is written when a message or a session has ended: one
line of JSON (UTF-8) in `cdr.file`. At `cdr.rotate_size` the file NAME is renamed to NAME.1, NAME.1
to NAME.2, and so on; `cdr.keep` older files are kept. A line that a crash has cut off is no JSON,
and whole ones follow it. Fields may be added behind the last one: readers pass over those they do
not know. In place of a user who was erased stands `erased`.
[How to read and export them](../how-to/charging.md).

`imsnode cdr export --format csv` writes the same fields in the same order, with their names in the
first line (RFC 4180, lines end with LF); what is left out in JSON is an empty text or 0 there.
"""


def configuration() -> str:
    """Write the reference of all settings."""
    known = settings()
    parts = [CONFIGURATION_HEAD, _table("Top level", [s for s in known if "." not in s.key])]
    for name, purpose, listed in tables():
        inside = [s for s in known if s.key.startswith((f"{name}.", f"{name}[]."))]
        brackets = f"[[{name}]]" if listed else f"[{name}]"
        several = " May stand several times." if listed else ""
        parts.append(_table(f"`{brackets}`", inside, purpose + several))
    return "\n".join(parts)


def _table(title: str, inside: list[Setting], purpose: str = "") -> str:
    lines = [f"## {title}", ""]
    if purpose:
        lines += [purpose, ""]
    lines += ["| key | meaning | value | default | applied |", "|---|---|---|---|---|"]
    for setting in inside:
        value = setting.kind + (f", {setting.bounds}" if setting.bounds else "")
        cells = (
            f"`{setting.key.rpartition('.')[2]}`",
            setting.description,
            value,
            f"`{setting.default}`" if setting.default else "required",
            "live" if setting.apply == "live" else "at start",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Write the reference of all commands."""
    parts = [CLI_HEAD]
    for words, command in _walk(typer.main.get_command(app), ("imsnode",)):
        parts.append(_command(words, command))
    return "\n".join(parts)


def _walk(command: object, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield words, command
        return
    for name, inner in below.items():
        yield from _walk(inner, (*words, name))


def _command(words: tuple[str, ...], command: object) -> str:
    parameters = [p for p in getattr(command, "params", []) if p.name not in ("config", "help")]
    usage = list(words)
    lines = []
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            name = parameter.metavar or parameter.name.upper()
            usage.append(name)
        else:
            name = ", ".join(parameter.opts)
            if not parameter.is_flag:
                name += f" {_value(parameter)}"
        default = _default(parameter)
        text = parameter.help or ""
        lines.append(f"- `{name}` {text}{default}".rstrip())
    if any(p.param_type_name == "option" for p in parameters):
        usage.append("[OPTIONS]")
    text = (getattr(command, "help", "") or "").strip()
    body = [f"## `{' '.join(usage)}`", "", " ".join(text.split())]
    return "\n".join([*body, *([""] if lines else []), *lines]) + "\n"


def _value(parameter: object) -> str:
    return str(getattr(parameter, "metavar", None) or "TEXT")


def _default(parameter: object) -> str:
    if getattr(parameter, "required", False):
        return " Required." if getattr(parameter, "param_type_name", "") == "option" else ""
    shown = getattr(parameter, "show_default", None)
    value = getattr(parameter, "default", None)
    if isinstance(shown, str):
        return f" Default: {shown}."
    if value in (None, "", False) or getattr(parameter, "is_flag", False) or callable(value):
        return ""
    return f" Default: {getattr(value, 'value', value)}."


def records() -> str:
    """Write the reference of charging records."""
    parts = schema(Record)["$defs"]["Record"]
    fields = [
        (name, "number" if field["type"] == "integer" else "text",
         "yes" if name in parts["required"] else "", field["description"])
        for name, field in parts["properties"].items()
    ]  # fmt: skip
    kinds = [("", "a message to a person; `message` as a filter"), *KINDS.items()]
    return "\n".join(
        [
            RECORDS_HEAD,
            _rows("Fields", ("field", "value", "always there", "meaning"), fields),
            _rows("Kinds", ("kind", "what it was"), kinds),
            _rows("Outcomes", ("outcome", "what became of it"), OUTCOMES.items()),
        ]
    )


def _rows(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join((f"`{row[0]}`" if row[0] else "", *row[1:])) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """Give every page that is generated, by its path."""
    return {
        REFERENCE / "configuration.md": configuration(),
        REFERENCE / "cli.md": commands(),
        REFERENCE / "cdr.md": records(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(Path.cwd())}\n")
