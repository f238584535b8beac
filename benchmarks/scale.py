"""Sizes instead of speeds: memory per binding, restart with a full store, a long absence, latency.

    python -m benchmarks.scale [--bindings 100000] [--stored 1000000] [--waiting 500]

Linux only (reads /proc). Everything runs on 127.0.0.1 in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .contestant import CONFIG, PEER, command

ROOT = Path(__file__).resolve().parent.parent
MESSAGE_BODY = b"lorem ipsum dolor sit amet, " * 6


def free_port() -> int:
    """A UDP port that is free now; four digits, as the generator prints ports."""
    for port in range(7100, 7790, 7):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit("no free port between 7100 and 7790")


class Running:
    """A node in a folder of its own, started with `imsnode serve`."""

    def __init__(self, directory: Path, users: list[str]) -> None:
        self.port = free_port()
        self.config = directory / "imsnode.toml"
        self.config.write_text(CONFIG.format(port=self.port, peer=PEER))
        self.imsnode = command(pure=False)
        if users:
            csv = directory / "users.csv"
            rows = [f"{aor},secret,,true" for aor in users]
            csv.write_text("\n".join(["aor,password,display_name,enabled", *rows]) + "\n")
            self.run("user", "import", str(csv))
        self.seconds_to_ready = 0.0

    def run(self, *words: str) -> None:
        subprocess.run(
            [*self.imsnode, *words, "--config", str(self.config)],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )

    def __enter__(self) -> Running:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*self.imsnode, "serve", "--config", str(self.config)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("imsnode ready"):
            raise SystemExit(f"the node did not start: {line!r}")
        self.seconds_to_ready = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)

    def resident_mib(self) -> float:
        """Resident memory of the node, MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise SystemExit("the node is gone")


def generator(directory: Path) -> str:
    """Compile the load generator; returns its path."""
    program = str(directory / "sipload")
    source = ROOT / "benchmarks" / "peer" / "sipload.c"
    subprocess.run(["cc", "-O2", "-o", program, str(source)], check=True)
    return program


def load(program: str, node: Running, *words: str) -> dict[str, float]:
    done = subprocess.run(
        [
            program,
            "--target",
            f"127.0.0.1:{node.port}",
            "--port",
            str(node.port + 700),
            "--pid",
            str(node.process.pid),
            *words,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def memory(program: str, directory: Path, bindings: int) -> dict[str, float]:
    """Resident memory of an empty node, and of one with that many users registered."""
    directory.mkdir()
    empty = directory / "empty"
    empty.mkdir()
    with Running(empty, []) as node:
        before = node.resident_mib()
    full = directory / "full"
    full.mkdir()
    with Running(full, [f"sip:u{n:06d}@ims.test" for n in range(bindings)]) as node:
        load(
            program,
            node,
            "--scenario",
            "relay",
            "--users",
            str(bindings),
            "--window",
            "64",
            "--warmup",
            "0",
            "--duration",
            "0.2",
        )
        # Finished transactions are kept 32 s and are not part of a binding; what they took is given
        # back in the next quiet minute.
        time.sleep(75)
        after = node.resident_mib()
    return {
        "bindings": bindings,
        "empty_mib": before,
        "full_mib": after,
        "over_mib": after - before,
    }


def fill(config: Path, stored: int, recipients: int) -> None:
    """Put stored messages into the database the way the node does, without the network."""
    from imsnode.config import load as load_config
    from imsnode.storage import StorageSettings, open_storage
    from pager.values import StoredMessage

    failures = []
    storage = open_storage(
        StorageSettings(load_config(config).storage_url, queue_limit=50_000),
        lambda f: f(),
        time.time,
    )
    wall = time.time()
    left = stored

    def done(result: object) -> None:
        nonlocal left
        left -= 1
        if getattr(result, "kind", None) is None:
            failures.append(result)

    for n in range(stored):
        recipient = f"sip:u{n % recipients:06d}@ims.test"
        storage.messages.store(
            StoredMessage(
                id=f"m{n:018d}",
                key=n.to_bytes(16, "big"),
                sender="sip:u000001@ims.test",
                recipient=recipient,
                call_id=b"fill-%d@127.0.0.1" % n,
                cseq=1,
                received_at=wall,
                expires_at=wall + 604800,
                head=b"From: <sip:u000001@ims.test>;tag=f\r\nTo: <"
                + recipient.encode()
                + b">\r\nContent-Type: text/plain",
                body=MESSAGE_BODY,
                devices=(),
                offered=(),
            ),
            done,
        )
        while n - (stored - left) > 20_000:
            time.sleep(0.001)
    storage.close(60)
    if failures or left:
        raise SystemExit(f"{left} messages were not stored")


def restart(directory: Path, stored: int) -> dict[str, float]:
    """Seconds from exec to `imsnode ready` with that many messages waiting."""
    directory.mkdir()
    node = Running(directory, [f"sip:u{n:06d}@ims.test" for n in range(2000)])
    fill(node.config, stored, 2000)
    with node:
        return {"stored": stored, "ready_s": node.seconds_to_ready, "mib": node.resident_mib()}


def returning(directory: Path, waiting: int) -> dict[str, float]:
    """Seconds from REGISTER to the last of the waiting messages; they must come in order."""
    directory.mkdir()
    node = Running(directory, [f"sip:u{n:06d}@ims.test" for n in range(2)])
    fill(node.config, waiting, 1)
    with node, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.connect(("127.0.0.1", node.port))
        port = phone.getsockname()[1]
        began = time.monotonic()
        phone.send(
            (
                f"REGISTER sip:ims.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKreturn\r\n"
                "Max-Forwards: 70\r\nFrom: <sip:u000000@ims.test>;tag=1\r\nTo: <sip:u000000@ims.test>\r\n"
                f"Call-ID: return\r\nCSeq: 1 REGISTER\r\nContact: <sip:u000000@127.0.0.1:{port}>;expires=600\r\n"
                "Content-Length: 0\r\n\r\n"
            ).encode()
        )
        got: list[bytes] = []
        while len(got) < waiting and time.monotonic() - began < 30:
            if not select.select([phone], [], [], 1)[0]:
                continue
            data = phone.recv(65535)
            if not data.startswith(b"MESSAGE"):
                continue
            head, _, _body = data.partition(b"\r\n\r\n")
            call_id = next(
                line for line in head.split(b"\r\n") if line.lower().startswith(b"call-id")
            )
            if call_id not in got:
                got.append(call_id)
            keep = [
                line
                for line in head.split(b"\r\n")
                if line.split(b":")[0].lower() in (b"via", b"from", b"to", b"call-id", b"cseq")
            ]
            phone.send(b"\r\n".join([b"SIP/2.0 200 OK", *keep, b"Content-Length: 0", b"", b""]))
        seconds = time.monotonic() - began
    return {"waiting": waiting, "received": len(got), "seconds": seconds}


def latency(program: str, directory: Path) -> dict[str, float]:
    """p99 of the relay at half of what the node managed flat out in the same minute."""
    directory.mkdir()
    users = [f"sip:u{n:06d}@ims.test" for n in range(1000)]
    with Running(directory, users) as node:
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(node.process.pid, {0})
        flat = load(
            program,
            node,
            "--scenario",
            "relay",
            "--window",
            "48",
            "--warmup",
            "2",
            "--duration",
            "4",
        )
        half = flat["per_second"] / 2
        paced = load(
            program,
            node,
            "--scenario",
            "relay",
            "--window",
            "512",
            "--rate",
            f"{half:.0f}",
            "--warmup",
            "2",
            "--duration",
            "6",
        )
    return {
        "capacity_per_s": flat["per_second"],
        "rate_per_s": paced["per_second"],
        "p50_ms": paced["p50_us"] / 1000,
        "p99_ms": paced["p99_us"] / 1000,
        "failed": paced["failed"],
    }


def measure(
    bindings: int = 100_000, stored: int = 1_000_000, waiting: int = 500
) -> dict[str, dict[str, float]]:
    """Run all four; returns the figures by name."""
    with tempfile.TemporaryDirectory(prefix="scale-") as work:
        directory = Path(work)
        program = generator(directory)
        return {
            "memory": memory(program, directory / "memory", bindings),
            "restart": restart(directory / "restart", stored),
            "returning": returning(directory / "returning", waiting),
            "latency": latency(program, directory / "latency"),
        }


def table(figures: dict[str, dict[str, float]]) -> str:
    m, r, b, p = (figures[name] for name in ("memory", "restart", "returning", "latency"))
    return "\n".join(
        [
            "| size | measured | mark |",
            "|---|---|---|",
            (
                f"| memory for {m['bindings']:,} bindings over the empty node | {m['over_mib']:.0f} MiB "
                f"(empty {m['empty_mib']:.0f} MiB) | <= 250 MiB |"
            ),
            f"| restart to ready with {r['stored']:,} stored messages | {r['ready_s']:.1f} s | <= 10 s |",
            f"| {b['waiting']} waiting messages to a returning user | {b['received']} in {b['seconds']:.2f} s | <= 10 s |",
            (
                f"| p99 of the relay at half capacity ({p['rate_per_s']:,.0f}/s of {p['capacity_per_s']:,.0f}/s) "
                f"| {p['p99_ms']:.2f} ms (p50 {p['p50_ms']:.2f} ms) | < 10 ms |"
            ),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bindings", type=int, default=100_000)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--waiting", type=int, default=500)
    opts = parser.parse_args()
    print(table(measure(opts.bindings, opts.stored, opts.waiting)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
