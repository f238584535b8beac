# SPDX-License-Identifier: Apache-2.0
"""The log: one event a line, console or JSON, bounded per source, nothing of it forgeable.

Code anywhere logs with the standard library: an event in a few words, and fields in `extra`. A
record with a `source` (the address that caused it) is limited; see `SourceLimit`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

__all__ = ["Form", "SourceLimit", "configure", "escape"]

Form = Literal["console", "json"]
# Any: a log field can be anything that prints.
_Event = MutableMapping[str, Any]

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# C0 and C1 controls, DEL, and what Unicode takes for line ends or reorders text with.
_UNSAFE: Final = {
    code: (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F),
                 *range(0x2066, 0x206A))
}  # fmt: skip
_LONGEST_VALUE = 2048
_MOST_SOURCES = 1024
# Chatty at their normal level and of no use to an operator.
_QUIET: Final = ("asyncio", "uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "httpx")


def escape(text: str) -> str:
    """Return text in which no control character is left; at most 2048 characters of it."""
    if len(text) > _LONGEST_VALUE:
        text = text[:_LONGEST_VALUE] + "…"
    return text if text.isprintable() else text.translate(_UNSAFE)


class SourceLimit(logging.Filter):
    """Lets a bounded number of lines a second through for each `source` (rule O1).

    The next line of a source that was cut carries how many were left out as `suppressed`. The
    table holds 1024 sources; while it is full, further sources share one allowance.
    """

    def __init__(self, lines_per_second: int = 10) -> None:
        super().__init__()
        self._limit = lines_per_second
        self._second = 0
        self._lines: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one record."""
        source = getattr(record, "source", None)
        if not source:
            return True
        second = int(record.created)
        if second != self._second:
            self._roll(second)
        key = str(source)
        if key not in self._lines and len(self._lines) >= _MOST_SOURCES:
            key = ""
        count = self._lines.get(key, 0) + 1
        self._lines[key] = count
        if count > self._limit:
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return False
        suppressed = self._suppressed.pop(key, 0)
        if suppressed:
            record.suppressed = suppressed
        return True

    def _roll(self, second: int) -> None:
        self._second = second
        self._lines.clear()
        if len(self._suppressed) > _MOST_SOURCES:
            self._suppressed.clear()


def configure(
    level: str = "info",
    form: Form = "console",
    stream: TextIO | None = None,
    *,
    lines_per_source: int = 10,
) -> None:
    """Send all logging to one stream (standard error); a second call replaces the first.

    Args:   level: debug, info, warning or error; lines_per_source: a second, see SourceLimit.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(form, handler.stream))
    handler.addFilter(SourceLimit(lines_per_source))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, _LEVELS[level]))


def _formatter(form: Form, stream: TextIO) -> logging.Formatter:
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    last: structlog.types.Processor
    if form == "json":
        last = structlog.processors.JSONRenderer(sort_keys=False)
    else:
        colours = stream.isatty()
        last = structlog.dev.ConsoleRenderer(
            colors=colours, timestamp_key="at", exception_formatter=_indented
        )
    exceptions: list[structlog.types.Processor] = (
        [structlog.processors.format_exc_info] if form == "json" else []
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _escape_values,
            *exceptions,
            last,
        ],
    )


def _escape_values(_logger: Any, _method: str, event: _Event) -> _Event:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = escape(value)
        elif isinstance(value, bytes):
            event[key] = escape(value.decode("utf-8", "backslashreplace"))
        elif key != "exc_info" and not isinstance(value, bool | int | float | None):
            event[key] = escape(str(value))
    return event


def _indented(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Write a traceback so that no line of it can pass for an event of its own."""
    text = structlog.processors.format_exc_info(None, "", {"exc_info": exc_info})["exception"]
    for line in str(text).split("\n"):
        stream.write("\n    " + line.translate(_UNSAFE))
