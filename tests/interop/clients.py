"""Clients that nobody in this project wrote, each run as a child of the test.

The recipes in `peers` are copied before use, ports come from the system, and every program is ended
by its own process id. What a program says goes to a file that the tests poll.
"""

from __future__ import annotations

import json
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.running import RunningNode, eventually

PEERS = Path(__file__).parent / "peers"
DOMAIN = "ims.test"
#: How long anything here may take on a busy machine.
WAIT_S = 30.0


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, host: str = "127.0.0.1") -> int:
    """Ask the system for a port that nobody uses, for a program that wants to be told one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Program:
    """A running program: its output in a file, lines to its standard input."""

    def __init__(self, argv: Sequence[str], directory: Path, name: str) -> None:
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / f"{name}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                argv, cwd=directory, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, part: str, count: int = 1) -> None:
        """Wait until the program has printed `part`, `count` times."""
        try:
            eventually(lambda: self.text().count(part) >= count, WAIT_S)
        except AssertionError:
            raise AssertionError(
                f"{self.name} never said {part!r}:\n{self.text()[-4000:]}"
            ) from None

    def result(self) -> int:
        """Wait for the end; the exit status."""
        assert self.process.stdin is not None
        code = self.process.wait(WAIT_S)
        self.process.stdin.close()
        return code

    def end(self) -> None:
        """End the program, whatever it does."""
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.process.stdin.closed:
            self.process.stdin.close()


class Bench:
    """Everything one test needs: the node, a directory, users of its own, programs ended after."""

    def __init__(self, node: RunningNode, ports: dict[str, int], directory: Path) -> None:
        self.node, self.ports, self.directory = node, ports, directory
        self.programs: list[Program] = []
        self.sockets: list[socket.socket] = []
        self._count = 0
        directory.mkdir(exist_ok=True)

    def run(self, argv: Sequence[str], name: str) -> Program:
        self._count += 1
        program = Program(argv, self.directory, f"{self._count}-{name}")
        self.programs.append(program)
        return program

    def close(self) -> None:
        for console in self.sockets:
            console.close()
        for program in self.programs:
            program.end()

    def server(self, transport: str) -> str:
        """host:port of a listener: udp, tcp, tls, udp6 or tcp6."""
        host = "[::1]" if transport.endswith("6") else "127.0.0.1"
        return f"{host}:{self.ports[transport]}"


# ------------------------------------------------------------------------ SIPp


class Sipp:
    """SIPp for one user over one transport. Each action is a run of its own."""

    def __init__(
        self, bench: Bench, user: str, transport: str = "udp", credentials: str = ""
    ) -> None:
        """credentials: parameters of SIPp's own for them, instead of the password."""
        self.bench, self.user, self.transport = bench, user, transport
        self.credentials = credentials or f"password=pw-{user}"
        self.host = "[::1]" if transport.endswith("6") else "127.0.0.1"
        self.waiting: Program | None = None

    def _start(self, scenario: str, fields: Sequence[str], *more: str, port: int = 0) -> Program:
        for recipe in (PEERS / "sipp").iterdir():
            shutil.copy(recipe, self.bench.directory)
        rows = self.bench.directory / f"{scenario}-{self.user}.csv"
        credentials = f"[authentication username={self.user} {self.credentials}]"
        line = ";".join((self.user, DOMAIN, credentials, *fields))
        rows.write_text(f"SEQUENTIAL\n{line};\n")
        stream = self.transport.startswith("tcp")
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        port = port or free_port(kind, self.host.strip("[]"))
        argv = [
            "sipp", "-sf", f"{scenario}.xml", "-inf", rows.name, "-m", "1", "-nostdin",
            "-t", "t1" if stream else "u1", "-i", self.host, "-p", str(port),
            "-timeout", "30", "-timeout_error", "-trace_err", "-error_file", f"{rows.stem}.err",
            *more, self.bench.server(self.transport),
        ]  # fmt: skip
        return self.bench.run(argv, f"sipp-{scenario}-{self.user}")

    def _run(self, scenario: str, fields: Sequence[str], *more: str, port: int = 0) -> None:
        program = self._start(scenario, fields, *more, port=port)
        if program.result():
            errors = self.bench.directory / f"{scenario}-{self.user}.err"
            said = errors.read_text() if errors.exists() else ""
            raise AssertionError(f"{program.name}: {said}\n{program.text()[-3000:]}")

    def register(self, port: int, expires: int = 300) -> None:
        """Bind a contact on another port than the one the REGISTER is sent from."""
        self._run("register", (str(expires), str(port)))

    def stay(self, scenario: str) -> None:
        """Register and serve on the same flow what comes, by `scenario`, until the test ends."""
        log = self.bench.directory / f"{scenario}-{self.user}.txt"
        self.waiting = self._start(
            "register_wait", ("300",), "-oocsf", f"{scenario}.xml",
            "-trace_logs", "-log_file", log.name,
        )  # fmt: skip
        self.await_log(scenario, "REGISTERED")

    def got(self, scenario: str) -> str:
        """Return what a `stay` has logged."""
        log = self.bench.directory / f"{scenario}-{self.user}.txt"
        return log.read_text(errors="replace") if log.exists() else ""

    def await_log(self, scenario: str, part: str) -> None:
        eventually(lambda: part in self.got(scenario), WAIT_S, f"{part!r} at SIPp")

    def message(self, to: str, text: str) -> None:
        self._run("message_uac", (to, text))

    def call(self, to: str) -> None:
        self._run("call_uac", (to,))

    def follow_watchers(self) -> Program:
        """Subscribe to one's own watchers; ends with 0 when one has come."""
        log = self.bench.directory / f"winfo_uac-{self.user}.txt"
        program = self._start("winfo_uac", (), "-trace_logs", "-log_file", log.name)
        self.await_log("winfo_uac", "NOTIFIED")
        return program

    def follow_list(self, member: str) -> None:
        """Subscribe to a list that comes with the request, and see its members."""
        self._run("list_uac", (member,))


# --------------------------------------------------------------------- pjsua2


class Pjsua:
    """One PJSIP account in a process of its own (peers/pjsua2_peer.py)."""

    def __init__(
        self, bench: Bench, user: str, transport: str = "udp", *more: str, wait: bool = True
    ) -> None:
        self.user = user
        argv = [
            sys.executable, str(PEERS / "pjsua2_peer.py"), "--user", user,
            "--password", f"pw-{user}", "--domain", DOMAIN,
            "--server", bench.server(transport), "--transport", transport.rstrip("6"),
            "--rtp-port", str(free_port()), *more,
        ]  # fmt: skip
        if transport.endswith("6"):
            argv.append("--ipv6")
        if transport == "tls":
            argv += ["--ca", str(bench.node.directory / "tls" / "self-signed.crt")]
        self.program = bench.run(argv, f"pjsua2-{user}")
        if wait:
            assert self.event("reg")["code"] == 200

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [line for line in self.program.text().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["ev"] == name]

    def event(self, name: str, **fields: object) -> dict[str, object]:
        """Wait for the first event of this name with these fields."""

        def found() -> list[dict[str, object]]:
            return [e for e in self.events(name) if fields.items() <= e.items()]

        try:
            eventually(found, WAIT_S)
        except AssertionError:
            text = self.program.text()
            raise AssertionError(f"no {name} {fields} at pjsua2 {self.user}:\n{text}") from None
        return found()[0]

    def send(self, to: str, text: str) -> object:
        """Send a MESSAGE; the status it got."""
        before = len(self.events("msg_status"))
        self.program.say(f"send sip:{to}@{DOMAIN} {text}")
        eventually(lambda: len(self.events("msg_status")) > before, WAIT_S, "msg_status")
        return self.events("msg_status")[-1]["code"]

    def leave(self) -> None:
        """Unregister and end."""
        self.program.say("quit")
        assert self.program.result() == 0
        assert self.events("bye")


# -------------------------------------------------------------------- baresip


class Baresip:
    """baresip without a screen, commanded over its console port."""

    def __init__(
        self,
        bench: Bench,
        user: str,
        transport: str = "udp",
        contact: str = "",
        *,
        presence: bool = False,
    ) -> None:
        """presence: publish, and follow the contact."""
        self.user = user
        self.port = free_port(socket.SOCK_STREAM)
        directory = bench.directory / f"baresip-{user}"
        directory.mkdir()
        values = {
            "USER": user, "DOMAIN": DOMAIN, "SERVER": bench.server(transport),
            "TRANSPORT": transport, "CONSOLE": str(self.port), "CONTACT": contact or "nobody",
            "PUBLISH": ";pubint=60" if presence else "",
            "PRESENCE": "module_app presence.so" if presence else "",
            "FOLLOW": ";presence=p2p" if presence and contact else "",
            "CA": str(bench.node.directory / "tls" / "self-signed.crt"),
        }  # fmt: skip
        for recipe in (PEERS / "baresip").iterdir():
            text = recipe.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name}@", value)
            (directory / recipe.name).write_text(text)
        argv = ["baresip", "-f", str(directory), "-s", "-t", "60"]
        self.program = bench.run(argv, f"baresip-{user}")
        self.program.until("[1 binding]")
        self.console = socket.create_connection(("127.0.0.1", self.port), 5)
        bench.sockets.append(self.console)
        self.heard = b""

    def command(self, line: str) -> None:
        self.console.sendall(line.encode() + b"\n")

    def hears(self, text: str) -> None:
        """Wait until the console shows `text`."""

        def shown() -> bool:
            while select.select([self.console], [], [], 0)[0]:
                data = self.console.recv(4096)
                if not data:
                    break
                self.heard += data
            return text.encode() in self.heard

        try:
            eventually(shown, WAIT_S)
        except AssertionError:
            said = self.heard.decode(errors="replace") + self.program.text()[-4000:]
            raise AssertionError(f"baresip never heard {text!r}:\n{said}") from None

    def leave(self) -> None:
        """Unregister and end."""
        self.command("/quit")
        self.program.result()
