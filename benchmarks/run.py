"""Measure imsnode beside Kamailio in one run and write the table.

    python benchmarks/run.py [--rounds 5] [--duration 4] [--only PART,...] [--file-octets 1073741824]

PART is one of relay, register, offline, digest, presence, receipts, scale, many, history, xcap, watchers, lists, msrp,
file, idle, rooms; all
without ``--only``. Every figure is per CPU second of the server's process tree; the generator's own CPU time is never counted. The server is
pinned to one core and the generator to another when there are two. Single results go to
``benchmarks/results.json``, the table into ``docs/explanation/performance.md``; needs a C compiler and, for the comparison, Debian's kamailio
kamailio-presence-modules kamailio-sqlite-modules.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "explanation" / "performance.md"
RESULTS = HERE / "results.json"
BEGIN, END = "<!-- table: make bench -->", "<!-- end of table -->"

#: What ratios are to: Kamailio's fastest settings that still remember a transaction as long as its
#: retransmissions can come. `kamailio-shortwait` forgets at once and forwards a late one again.
BASE = "kamailio"
#: scenario, extra arguments, mark compiled, mark interpreted (ratios to BASE)
COMPARISONS = (
    ("relay", (), 1.0, 0.5),
    ("register", (), 0.8, None),
    ("offline", (), 3.0, None),
    ("relay", ("--digest",), None, None),
    ("offline", ("--digest",), None, None),
    ("presence", (), 1.5, None),
)
#: What a presence server is also held against: one that keeps its state in SQLite, as ours does.
DURABLE_PEER, DURABLE_MARK = "kamailio-db", 10.0
PARTS = "relay,register,offline,digest,presence,receipts,scale,many,history,xcap,watchers,lists,msrp,file,idle,rooms"
#: message/cpim that asks for notifications, against the same server's plain figure.
ASKED = "positive-delivery, negative-delivery, display"
RECEIPTS = (
    ("relay", ASKED, 0.7),
    ("offline", ASKED, 0.7),
    ("relay", ASKED + ", processing", None),
    ("offline", ASKED + ", processing", None),
)
PEERS = {
    "relay": ("kamailio", "kamailio-shortwait"),
    "register": ("kamailio",),
    "offline": ("kamailio",),
    "presence": ("kamailio", DURABLE_PEER),
}


def compiled() -> bool:
    """Tell whether the compiled modules lie beside the sources."""
    return any((ROOT / "sip").glob("*.so"))


def contestant(scenario: str, digest: bool, pure: bool) -> str:
    words = [
        sys.executable,
        "-m",
        "benchmarks.contestant",
        "--port",
        "{port}",
        "--dir",
        "{dir}",
        "--scenario",
        scenario,
    ]
    words += ["--digest"] if digest else []
    words += ["--pure"] if pure else []
    name = "imsnode-interpreted" if pure else "imsnode-compiled"
    return f"{name}={' '.join(words)}"


def compare(
    scenario: str, extra: tuple[str, ...], opts: argparse.Namespace
) -> dict[str, list[dict[str, float]]]:
    """Run one scenario with all contestants; returns the single results by name."""
    digest = "--digest" in extra
    alone = "--alone" in extra
    extra = tuple(word for word in extra if word != "--alone")
    argv = [
        sys.executable,
        str(HERE / "peer" / "compare.py"),
        scenario,
        *extra,
        "--rounds",
        str(opts.rounds),
        "--duration",
        str(opts.duration),
    ]
    if shutil.which("kamailio") and not alone:
        for peer in PEERS[scenario]:
            argv += ["--peer", peer]
    if compiled():
        argv += ["--command", contestant(scenario, digest, pure=False)]
    if not alone or not compiled():
        argv += ["--command", contestant(scenario, digest, pure=True)]
    if (os.cpu_count() or 1) > 1:
        argv += ["--server-cpu", "0", "--load-cpu", "1"]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        argv += ["--json", file.name]
        subprocess.run(argv, check=True, cwd=ROOT)
        return json.loads(Path(file.name).read_text())


def beside_durable(
    label: str, results: dict[str, list[dict[str, float]]]
) -> list[tuple[str, str, list[dict[str, float]], float | None, float | None]]:
    """Return rows with ratios to the peer that keeps its state in SQLite, where it took part."""
    if not results.get(DURABLE_PEER):
        return []
    base = median(results[DURABLE_PEER], "per_cpu_s")
    return [
        (
            f"{label}, ratio to {DURABLE_PEER}",
            name,
            single,
            median(single, "per_cpu_s") / base,
            DURABLE_MARK if name == "imsnode-compiled" else None,
        )
        for name, single in results.items()
        if single and name.startswith("imsnode")
    ]


def receipts(
    kept: dict[str, object], opts: argparse.Namespace
) -> list[tuple[str, str, list[dict[str, float]], float | None, float | None]]:
    """Measure messages that ask for notifications beside plain ones; returns rows of the table."""
    rows = []
    for scenario, asked, mark in RECEIPTS:
        plain = compare(scenario, ("--alone",), opts)
        asking = compare(scenario, ("--alone", "--cpim", asked), opts)
        node = "processing, " if "processing" in asked else ""
        label = f"{scenario}, {node}notifications asked for"
        kept[label] = {"plain": plain, "asking": asking}
        for name, single in asking.items():
            ratio = median(single, "per_cpu_s") / median(plain[name], "per_cpu_s")
            rows.append((label, name, single, ratio, mark))
    return rows


def median(results: list[dict[str, float]], key: str) -> float:
    return statistics.median(result[key] for result in results)


def table(rows: list[tuple[str, str, list[dict[str, float]], float | None, float | None]]) -> str:
    lines = [
        "| scenario | server | per CPU second | low | high | us CPU each | p50 us | p99 us | failed | ratio | mark |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario, name, results, ratio, mark in rows:
        rates = [result["per_cpu_s"] for result in results]
        lines.append(
            f"| {scenario} | {name} | {median(results, 'per_cpu_s'):,.0f} | {min(rates):,.0f} | {max(rates):,.0f} "
            f"| {median(results, 'us_cpu_each'):.1f} | {median(results, 'p50_us'):,.0f} | {median(results, 'p99_us'):,.0f} "
            f"| {sum(r['failed'] for r in results):.0f} | {'' if ratio is None else f'{ratio:.2f}'} "
            f"| {'' if mark is None else f'>= {mark}'} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=4.0)
    parser.add_argument("--only", default=PARTS)
    parser.add_argument("--file-octets", type=int, default=1 << 30)
    opts = parser.parse_args()
    wanted = set(opts.only.split(","))
    if shutil.which("cc") is None:
        print("the load generator needs a C compiler (Debian: build-essential)", file=sys.stderr)
        return 1
    if shutil.which("kamailio") is None:
        print(
            "kamailio is missing (Debian: kamailio kamailio-presence-modules kamailio-sqlite-modules): no comparison, "
            "only imsnode's own figures",
            file=sys.stderr,
        )
    rows = []
    kept: dict[str, object] = {}
    for scenario, extra, compiled_mark, pure_mark in COMPARISONS:
        if ("digest" if extra else scenario) not in wanted:
            continue
        results = compare(scenario, extra, opts)
        label = f"{scenario}{' with digest' if extra else ''}"
        kept[label] = results
        base = median(results[BASE], "per_cpu_s") if results.get(BASE) else 0
        for name, single in results.items():
            if not single:
                print(f"{label}: {name} gave no result", file=sys.stderr)
                continue
            ratio = median(single, "per_cpu_s") / base if base else None
            mark = {"imsnode-compiled": compiled_mark, "imsnode-interpreted": pure_mark}.get(name)
            rows.append((label, name, single, ratio, mark))
        rows += beside_durable(label, results)
    if "receipts" in wanted:
        rows += receipts(kept, opts)
    text = table(rows) if rows else ""
    if "scale" in wanted:
        from benchmarks import scale

        measured = scale.measure()
        kept["scale"] = measured
        text += "\n\n" + scale.table(measured)
    if "many" in wanted:
        from benchmarks import many

        copies = many.measure()
        kept["many"] = [[one.name, one.copies, one.cpu_s, one.wall_s] for one in copies]
        text += "\n\n" + many.table(copies)
    if "history" in wanted:
        from benchmarks import history

        archive = history.measure()
        kept["history"] = archive
        text += "\n\n" + history.table(archive)
    if "xcap" in wanted:
        from benchmarks import xcap

        rates = xcap.measure(opts.duration, opts.rounds)
        kept["xcap"] = rates
        text += "\n\n" + xcap.table(rates)
    if "watchers" in wanted:
        from benchmarks import watchers

        sizes = watchers.measure()
        kept["watchers"] = sizes
        text += "\n\n" + watchers.table(sizes)
    if "lists" in wanted:
        from benchmarks import resource_lists

        firsts = resource_lists.measure()
        kept["lists"] = firsts
        text += "\n\n" + resource_lists.table(firsts)
    if "msrp" in wanted:
        from benchmarks import msrp

        sessions = msrp.measure(opts.duration, opts.rounds)
        kept["msrp"] = sessions
        text += "\n\n" + msrp.table(sessions)
    if "file" in wanted:
        from benchmarks import msrp_file

        files = msrp_file.measure(opts.file_octets, rounds=opts.rounds)
        kept["file"] = files
        text += "\n\n" + msrp_file.table(files, opts.file_octets)
    if "idle" in wanted:
        from benchmarks import msrp_idle

        held = msrp_idle.measure()
        kept["idle"] = held
        text += "\n\n" + msrp_idle.table(held)
    if "rooms" in wanted:
        from benchmarks import rooms

        found = rooms.measure(opts.duration, opts.rounds)
        kept["rooms"] = found
        text += "\n\n" + rooms.table(found)
    head = (
        f"{datetime.date.today()}, {platform.machine()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores; `make bench` ({opts.rounds} rounds of {opts.duration:g} s, medians)\n\n"
    )
    print(head + text)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    page = PAGE.read_text()
    before, rest = page.split(BEGIN, 1)
    PAGE.write_text(f"{before}{BEGIN}\n\n{head}{text}\n\n{END}{rest.split(END, 1)[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
