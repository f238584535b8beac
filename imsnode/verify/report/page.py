# SPDX-License-Identifier: Apache-2.0
"""What came of a run, as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from string import Template
from typing import Final

from imsnode import __version__

from ..outcome import Outcome, Result
from .terminal import summary

__all__ = ["page"]

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .35rem .6rem; text-align: left; }
tr { border-top: 1px solid #8884; vertical-align: top; }
.pass { color: #080; }
.fail { color: #c00; }
.na { opacity: .6; }
pre { font-size: 12px; overflow-x: auto; }
small { display: block; }
@media (prefers-color-scheme: dark) {
  body { background: #111; color: #ddd; }
  .pass { color: #5c5; }
  .fail { color: #f66; }
}
"""
_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Conformance of $server</title>
<meta name="viewport" content="width=device-width"><style>$style</style></head>
<body><h1>Conformance of $server</h1>
<p>$summary. $when, imsnode $version.</p>
<table><thead>
<tr><th>flow</th><th>suite</th><th>what has to hold</th><th>clause</th><th>outcome</th></tr>
</thead><tbody>
$rows
</tbody></table></body></html>
""")
_CLASS: Final = {Outcome.PASS: "pass", Outcome.FAIL: "fail", Outcome.NOT_APPLICABLE: "na"}


def page(results: Sequence[Result], server: str, wall: float) -> str:
    """Return the page. Args: wall: when it was made, epoch seconds."""
    return _PAGE.substitute(
        style=_STYLE,
        server=escape(server),
        summary=escape(summary(results)),
        when=datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=escape(__version__),
        rows="\n".join(_row(each) for each in results),
    )


def _row(result: Result) -> str:
    flow, kind = result.flow, _CLASS[result.outcome]
    more = f'<small class="{kind}">{escape(result.reason)}</small>' if result.reason else ""
    if result.ladder:
        drawn = escape("\n".join(result.ladder))
        more += f"<details><summary>what passed</summary><pre>{drawn}</pre></details>"
    return (
        f"<tr><td>{escape(flow.id)}<small>{escape(flow.name)}</small></td><td>{flow.suite}</td>"
        f"<td>{escape(flow.title)}{more}</td><td>{escape(flow.clause)}</td>"
        f'<td class="{kind}">{result.outcome}</td></tr>'
    )
