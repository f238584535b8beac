"""A real node for tests: `imsnode serve` in a process of its own, on ports the system picks.

Nodes and commands are forks of a process that has loaded the program (`forking`); what is about
starting asks for a fresh interpreter.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.support import forking
from tests.support.forking import ROOT

READY_S = 60.0
ENDED_S = 60.0

# Databases as `imsnode user import` made them, by domain and users: a copy is a second faster.
_imported: dict[tuple[str, ...], bytes] = {}


class RunningNode:
    """One node with accounts ``alice``, ``bob``, ``carol`` (password ``pw-NAME``) unless told otherwise.

    Args:
        directory: where configuration and database live; survives `restart`.
        listen: SIP listeners; port 0 takes a free one and keeps it over restarts.
        extra: TOML text added to the configuration.
        users: names of the accounts in the first domain.
        environment: what is added to the node's.
        fresh: start it with an interpreter of its own, as its users do.
    """

    def __init__(
        self,
        directory: Path,
        *,
        listen: Sequence[str] = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0"),
        domains: Sequence[str] = ("ims.test",),
        extra: str = "",
        users: Sequence[str] = ("alice", "bob", "carol"),
        environment: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        self.directory = directory
        self.listen = list(listen)
        self.domains = list(domains)
        self.extra = extra
        self.environment = dict(environment or {})
        self.fresh = fresh
        self.process: subprocess.Popen[str] | forking.Forked | None = None
        self.ports: dict[str, int] = {}
        self.http = self.https = ""
        self.msrp: dict[str, int] = {}
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "imsnode.toml"
        self.write_config()
        if users:
            self._provide(users)

    def _provide(self, users: Sequence[str]) -> None:
        """Give the node its accounts."""
        key = (self.domains[0], *users)
        database = self.directory / "imsnode.db"
        own = "[storage]" in self.extra or database.exists()
        if not own and key in _imported:
            database.write_bytes(_imported[key])
            return
        rows = [f"sip:{user}@{self.domains[0]},pw-{user},,true" for user in users]
        csv = self.directory / "users.csv"
        csv.write_text("\n".join(["aor,password,display_name,enabled", *rows]) + "\n")
        self.command("user", "import", str(csv))
        if not own:
            _imported[key] = database.read_bytes()

    def write_config(self) -> None:
        """Write the configuration file from what the object holds."""
        quoted = ", ".join(f'"{item}"' for item in self.listen)
        domains = ", ".join(f'"{item}"' for item in self.domains)
        self.config.write_text(
            f'domains = [{domains}]\nlisten = [{quoted}]\n\n[http]\nlisten = "127.0.0.1:0"\n\n'
            f"{self.extra}\n"
        )

    def command(
        self, *words: str, check: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line tool on this node's configuration."""
        done = forking.run(["imsnode", *words, "--config", str(self.config)], text or "", ENDED_S)
        if check:
            done.check_returncode()
        return done

    def start(self) -> RunningNode:
        """Start the process and wait for its ready line."""
        self.process = self._serving()
        line = self._read_line()
        if not line.startswith("imsnode ready"):
            self.kill()
            raise AssertionError(f"not ready: {line!r}\n{self.log()}")
        listeners = line.split()[2:]
        self.http = next(word[5:] for word in listeners if word.startswith("http:"))
        self.https = next((word[6:] for word in listeners if word.startswith("https:")), "")
        sip = [word for word in listeners if not word.startswith(("http", "msrp"))]
        self.msrp = {
            word.partition(":")[0]: int(word.rsplit(":", 1)[1])
            for word in listeners
            if word.startswith("msrp")
        }
        self.ports = {word.split(":")[0]: int(word.rsplit(":", 1)[1]) for word in sip}
        if sip != self.listen:
            self.listen = sip
            self.write_config()
        return self

    def _serving(self) -> subprocess.Popen[str] | forking.Forked:
        words = ["imsnode", "serve", "--config", str(self.config)]
        with (self.directory / "node.log").open("a") as log:
            if not self.fresh:
                return forking.spawn(words, log.fileno(), self.environment)
            return subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self.environment},
            )

    def _read_line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], READY_S)[0]:
            return ""
        return self.process.stdout.readline().strip()

    @property
    def address(self) -> str:
        """host:port of the UDP listener."""
        return f"127.0.0.1:{self.ports['udp']}"

    def get(self, path: str) -> httpx.Response:
        """Ask the HTTP listener."""
        return httpx.get(f"http://{self.http}{path}", timeout=20, verify=False)

    def metric(self, name: str) -> float:
        """Read one counter or gauge from /metrics."""
        for line in self.get("/metrics").text.splitlines():
            if line.split(" ")[0] == name:
                return float(line.rsplit(" ", 1)[1])
        raise KeyError(name)

    def log(self) -> str:
        """What the node wrote to standard error."""
        return (self.directory / "node.log").read_text()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def kill(self) -> int:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        return self._wait()

    def _wait(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait(ENDED_S)
        self.process.stdout.close()
        self.process = None
        return code

    def __enter__(self) -> RunningNode:
        return self if self.process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()


def eventually(condition: object, seconds: float = 30.0, what: str = "") -> None:
    """Wait for a condition of another process, polling; fails after `seconds`."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"did not happen in {seconds} s: {what or condition}")
        select.select([], [], [], 0.05)
