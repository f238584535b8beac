"""Start a fresh imsnode for one round of a comparison and become it (exec).

    python benchmarks/contestant.py --port 7100 --agent 7890 --dir DIR --scenario relay [--pure] [--digest]

DIR gets a configuration, a database and the accounts that the load generator uses
(``u000000``... with password ``secret``; the presentities ``p000000``... in presence runs). In relay, offline and presence
runs the generator's address is a trusted peer, so that both contestants do the same work; with ``--digest`` it is not, and
every MESSAGE is challenged. In presence runs every watcher is let in, as Kamailio's ``force_active`` does, and told of every
change at once. ``--pure`` runs the interpreted sources even where the compiled modules exist.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PURE = (
    "import sys; sys.path.insert(0, {root!r}); from benchmarks.pure import prefer_sources; "
    "prefer_sources(); from imsnode.__main__ import main; sys.argv[0] = 'imsnode'; main()"
)
CONFIG = """\
domains = ["ims.test"]
listen = ["udp:127.0.0.1:{port}"]

[storage]
url = "sqlite:///imsnode.db"

[http]
listen = "127.0.0.1:0"

# The generator is one address that plays a thousand users.
[limits]
source_rate = 100000
source_burst = 1000000
message_rate = 100000
message_burst = 1000000
register_rate = 100000
register_burst = 1000000

[pager]
mailbox_messages = 1000000

[presence]
strangers = "allow"
notify_interval = 0
{peer}
"""
PEER = """
[[peer]]
name = "generator"
address = "127.0.0.1"
trust = "asserted"
"""


def command(pure: bool) -> list[str]:
    """The imsnode command line, on the compiled or on the interpreted modules."""
    if pure:
        return [sys.executable, "-c", PURE.format(root=str(ROOT))]
    return [sys.executable, "-m", "imsnode"]


def accounts(scenario: str, users: int) -> list[str]:
    """Return the names of the users that the generator plays."""
    if scenario == "presence":
        return [f"p{n:06d}" for n in range(users)]
    return [f"u{n:06d}" for base in (0, 500000) for n in range(base, base + users)]


def prepare(
    directory: Path, port: int, trusted: bool, names: list[str], imsnode: list[str]
) -> Path:
    """Write configuration and accounts; returns the configuration file."""
    config = directory / "imsnode.toml"
    config.write_text(CONFIG.format(port=port, peer=PEER if trusted else ""))
    rows = [f"sip:{name}@ims.test,secret,,true" for name in names]
    csv = directory / "users.csv"
    csv.write_text("\n".join(["aor,password,display_name,enabled", *rows]) + "\n")
    subprocess.run(
        [*imsnode, "user", "import", str(csv), "--config", str(config)],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--agent", type=int, help="the generator's receiving port (not needed)")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument(
        "--scenario", choices=("relay", "register", "offline", "presence"), required=True
    )
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--pure", action="store_true")
    parser.add_argument("--digest", action="store_true")
    opts = parser.parse_args()
    imsnode = command(opts.pure)
    trusted = opts.scenario != "register" and not opts.digest
    config = prepare(opts.dir, opts.port, trusted, accounts(opts.scenario, opts.users), imsnode)
    os.chdir(ROOT)
    os.execv(imsnode[0], [*imsnode, "serve", "--config", str(config)])


if __name__ == "__main__":
    main()
