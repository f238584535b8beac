"""The operator's side of a running node: probes, signals, reload, commands, many users."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.phone import Phone
from tests.support.running import ROOT, RunningNode, eventually
from tests.support.traffic import TRUST, Traffic

SETTINGS = "[limits]\nregister_burst = 1000\n"
STOP_S = 5.0
USERS = 100_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all tests that leave it as it was."""
    users = ("alice", "bob", "carol", "dave")
    folder = tmp_path_factory.mktemp("operation") / "node"
    with RunningNode(folder, extra=SETTINGS, users=users) as running:
        yield running


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node", extra=SETTINGS, fresh=True) as running:
        yield running


def phone(node: RunningNode, user: str, transport: str = "UDP") -> Phone:
    return Phone(("127.0.0.1", node.ports[transport.lower()]), user, transport=transport)


def rows(node: RunningNode, *words: str) -> list[dict[str, str]]:
    """Run a command that lists something."""
    return list(csv.DictReader(io.StringIO(node.command(*words, "--format", "csv").stdout)))


# ----------------------------------------------------------------------- probes


def test_probes_say_how_the_node_is(shared: RunningNode) -> None:
    assert shared.get("/healthz").text == "ok\n"
    ready = shared.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": {}})
    families = {
        family.name for family in text_string_to_metric_families(shared.get("/metrics").text)
    }
    assert {"imsnode_sip_requests", "imsnode_pager_stored", "imsnode_bindings"} <= families
    assert shared.get("/other").status_code == 404
    assert httpx.post(f"http://{shared.http}/healthz").status_code == 405


def test_refusals_are_counted_by_reason(shared: RunningNode) -> None:
    with phone(shared, "alice") as alice:
        assert alice.message("sip:nobody@ims.test", "hello").status == 404
        assert alice.message("sip:bob@elsewhere.test", "hello").status == 403
    for reason in (
        "404 Not Found", "403 Domain is not served here", "407 Proxy Authentication Required",
    ):  # fmt: skip
        assert _refusals(shared)[reason] >= 1


def _refusals(node: RunningNode) -> dict[str, float]:
    families = text_string_to_metric_families(node.get("/metrics").text)
    [found] = [family for family in families if family.name == "imsnode_refusals"]
    return {sample.labels["reason"]: sample.value for sample in found.samples}


# ------------------------------------------------------------------------- ends


def test_sigterm_under_load_loses_nothing(tmp_path: Path) -> None:
    senders, recipients = ("sue", "sam"), {"home": False, "hermit": True}
    node = RunningNode(
        tmp_path / "node", extra=TRUST, users=(*senders, *recipients), fresh=True
    ).start()
    server = ("127.0.0.1", node.ports["udp"])
    with node, Traffic(server, senders, recipients) as traffic:
        traffic.devices["home"].wanted = 3600
        eventually(lambda: traffic.acknowledged > 50)
        started = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - started < STOP_S
        node.start()
        before = traffic.acknowledged
        eventually(lambda: traffic.acknowledged > before)
        traffic.sending.clear()
        traffic.devices["hermit"].wanted = 3600
        eventually(lambda: traffic.settled() and not traffic.missing(), 30)
        assert traffic.failure is None
        assert traffic.doubled() == []
        assert traffic.disordered() == []
        # While it was going down it said so; nothing else was refused.
        assert {status for _, status in traffic.refused()} <= {503}


def test_sigterm_with_a_call_that_rings_and_a_client_that_does_not_read(node: RunningNode) -> None:
    with (
        phone(node, "alice", "TCP") as alice,
        phone(node, "bob", "TCP") as bob,
        phone(node, "carol", "TCP") as silent,
    ):
        assert bob.register().status == 200
        invite = alice.request("INVITE", "sip:bob@ims.test", None, (f"Contact: <{alice.contact}>",))
        challenge = alice._transact(invite, 20)
        assert challenge.status == 407
        alice.send(alice.with_credentials(invite, challenge))
        ringing = bob.receive()
        assert ringing is not None
        assert ringing.method == "INVITE"
        silent.send(b"OPTIONS sip:ims.test SIP/2.0\r\n")
        started = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - started < STOP_S


def _catches(pid: int, number: int) -> bool:
    """Tell whether a process handles a signal; before that it is a command like any other."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_sigterm_while_it_starts_ends_it(tmp_path: Path) -> None:
    made = RunningNode(tmp_path / "node")
    said = (tmp_path / "said").open("w+")
    for milliseconds in range(0, 1000, 200):
        process = subprocess.Popen(
            [sys.executable, "-m", "imsnode", "serve", "--config", str(made.config)],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said, text=True,
        )  # fmt: skip
        eventually(partial(_catches, process.pid, signal.SIGTERM), what="the command has begun")
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGHUP)
        process.terminate()
        assert process.wait(STOP_S) == 0, milliseconds
    said.seek(0)
    assert "Traceback" not in said.read()
    said.close()
    # It left nothing behind that keeps the next from starting.
    with made:
        assert made.get("/readyz").status_code == 200


def test_sigint_ends_it_too(node: RunningNode) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGINT)
    assert node._wait() == 0


@pytest.mark.parametrize("transport", ["udp", "tcp", "http"])
def test_a_taken_port_is_one_line(tmp_path: Path, transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    node = RunningNode(tmp_path / "node", users=())
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        if transport == "http":
            text = node.config.read_text().replace('127.0.0.1:0"\n', f'127.0.0.1:{port}"\n')
            node.config.write_text(text)
        else:
            node.listen = [f"{transport}:127.0.0.1:{port}"]
            node.write_config()
        done = node.command("serve", check=False)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert f"127.0.0.1:{port}" in line
    assert ("http.listen" if transport == "http" else "setting listen") in line
    assert "in use" in line.lower()
    assert done.stdout == ""


# ----------------------------------------------------------------------- reload


def test_reload_applies_what_is_live_and_names_the_rest(node: RunningNode) -> None:
    assert "applied" not in node.command("reload").stdout
    node.extra = "[limits]\nmessage_rate = 0.01\nmessage_burst = 1\nconnections = 50\n"
    node.write_config()
    said = node.command("reload").stdout.splitlines()
    assert "applied limits.message_burst" in said
    assert "needs a restart: limits.connections" in said
    with phone(node, "alice") as alice:
        assert alice.message("bob", "1").status == 202
        assert alice.message("bob", "2").status == 503


def test_a_bad_file_changes_nothing(node: RunningNode) -> None:
    node.extra = "[limits]\nmessage_burst = 0\nmessage_brst = 1\n"
    node.write_config()
    done = node.command("reload", check=False)
    assert done.returncode in (1, 2)
    assert "message_brst" in done.stderr
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: "reload refused" in node.log())
    with phone(node, "alice") as alice:
        assert [alice.message("bob", "x").status for _ in range(3)] == [202] * 3


def test_a_reload_without_the_store_changes_nothing(node: RunningNode) -> None:
    node.extra = '[pager]\nstore = "off"\necho = false\n'
    node.write_config()
    store, away = node.directory / "imsnode.db", node.directory / "away.db"
    store.rename(away)
    done = node.command("reload", check=False)
    assert done.returncode == 1
    assert "the accounts cannot be read" in done.stderr
    with phone(node, "alice") as alice:
        assert alice.message("echo", "still there").status == 200
        away.rename(store)
        assert "applied pager.echo" in node.command("reload").stdout
        assert alice.message("echo", "gone").status == 404


def test_sighup_reloads(node: RunningNode) -> None:
    node.extra = '[pager]\nstore = "off"\n'
    node.write_config()
    with phone(node, "alice") as alice:
        assert alice.message("bob", "kept").status == 202
        assert node.process is not None
        node.process.send_signal(signal.SIGHUP)
        eventually(lambda: alice.message("bob", "not kept").status == 480)


# --------------------------------------------------------------------- commands


def test_status(shared: RunningNode) -> None:
    answer = json.loads(shared.command("status", "--format", "json").stdout)
    assert answer["ready"] is True
    assert answer["listeners"] == shared.listen
    assert (answer["accounts"], answer["storage"], answer["faults"]) == (4, "ok", 0)
    assert "ready" in shared.command("status").stdout


def test_bindings_are_listed_and_removed(shared: RunningNode) -> None:
    with phone(shared, "carol") as carol, phone(shared, "alice") as alice:
        assert carol.register().status == 200
        (row,) = rows(shared, "binding", "list", carol.aor)
        assert row["contact"] == carol.contact
        assert 500 < int(row["expires_in"]) <= 600
        assert (
            shared.command("binding", "remove", carol.aor, "sip:x@y", check=False).returncode == 1
        )
        assert shared.command("binding", "remove", carol.aor, carol.contact).stdout == "removed 1\n"
        assert rows(shared, "binding", "list", carol.aor) == []
        assert alice.message("carol", "for later").status == 202


def test_messages_are_listed_shown_and_explained(shared: RunningNode) -> None:
    with phone(shared, "alice") as alice, phone(shared, "dave") as dave:
        assert alice.message("dave", "look at me", call_id="to-be-shown").status == 202
        (row,) = rows(shared, "message", "list", "--recipient", dave.aor)
        assert (row["sender"], row["call_id"]) == (alice.aor, "to-be-shown")
        assert "look at me" not in shared.command("message", "show", row["id"]).stdout
        assert "look at me" in shared.command("message", "show", row["id"], "--body").stdout
        for identity in (row["id"], "to-be-shown"):
            story = shared.command("why", identity).stdout
            assert alice.aor in story
            assert "because" in story
        assert dave.register().status == 200
        assert dave.collect(1) == [b"look at me"]
        eventually(lambda: "outcome: delivered" in shared.command("why", "to-be-shown").stdout)
        assert rows(shared, "message", "list", "--recipient", dave.aor) == []
        assert dave.register(expires=0).status == 200
    assert shared.command("why", "never-heard-of", check=False).returncode == 1


def test_a_message_can_be_sent(shared: RunningNode) -> None:
    with phone(shared, "dave") as dave:
        assert dave.register().status == 200
        words = ("message", "send", "--from", "sip:alice@ims.test", "--to", dave.aor)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(dave.collect, 1, 20)
            assert "delivered 200" in shared.command(*words, "from the operator").stdout
            assert waiting.result() == [b"from the operator"]
        assert dave.register(expires=0).status == 200
        assert "stored 202" in shared.command(*words, "for later").stdout
        (row,) = rows(shared, "message", "list", "--recipient", dave.aor)
        assert row["sender"] == "sip:alice@ims.test"


@pytest.mark.parametrize("form", ["ladder", "json"])
def test_trace_follows_live_traffic(shared: RunningNode, form: str) -> None:
    # Request, challenge, request, answer: whichever of them is seen first, four hold all.
    words = ["trace", "--format", form, "--bodies", "--count", "4", "--contains", "traced"]
    process = subprocess.Popen(
        [sys.executable, "-m", "imsnode", *words, "--config", str(shared.config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with phone(shared, "alice") as alice:

        def ended() -> bool:
            alice.message("sip:echo@ims.test", "a secret", call_id=f"traced-{time.monotonic_ns()}")
            return process.poll() is not None

        eventually(ended, 20)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "MESSAGE" in out
    assert "407" in out
    assert "traced-" in out
    if form == "json":
        seen = [json.loads(line)["dir"] for line in out.splitlines() if "dir" in line]
        assert sorted(seen) == ["in", "in", "out", "out"]


def test_a_disabled_user_is_out_at_once(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        assert node.command("user", "disable", bob.aor).stdout == f"disabled {bob.aor}\n"
        assert rows(node, "binding", "list") == []
        assert alice.message("bob", "x").status == 404
        assert bob.register().status in (401, 403)
        assert bob.message("alice", "x").status in (403, 407)
        node.command("user", "enable", bob.aor)
        assert alice.message("bob", "welcome back").status == 202
        assert bob.register().status == 200
        assert bob.collect(1) == [b"welcome back"]


def test_a_user_added_or_given_another_password_is_known_at_once(node: RunningNode) -> None:
    with phone(node, "erin") as erin:
        assert erin.register().status == 401
        node.command("user", "add", erin.aor, "--password-stdin", text="pw-erin\n")
        assert erin.register().status == 200
        node.command("user", "passwd", erin.aor, "--password-stdin", text="another\n")
        assert erin.register().status == 401
        erin.password = "another"
        assert erin.register().status == 200
        node.command("user", "remove", erin.aor)
        assert erin.register().status == 401
        assert rows(node, "binding", "list") == []


# ------------------------------------------------------------------- many users


def write_users(file: Path, bad: dict[int, str]) -> None:
    """Write 100,000 users; ``bad`` puts other text on some lines (numbered as an editor does)."""
    lines = ["aor,password,display_name,enabled"]
    lines += [f"sip:u{number}@ims.test,pw-u{number},User {number},true" for number in range(USERS)]
    for number, text in bad.items():
        lines[number - 1] = text
    file.write_text("\n".join(lines) + "\n")


def _locked(node: RunningNode) -> bool:
    """Tell whether somebody is in the middle of a longer transaction on the store."""
    with closing(sqlite3.connect(node.directory / "imsnode.db", timeout=0.02)) as store:
        try:
            store.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def import_users(node: RunningNode, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "imsnode",
            "user",
            "import",
            str(file),
            "--config",
            str(node.config),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_import_takes_all_users_or_none(node: RunningNode, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    bad = {
        5: "sip:u3@elsewhere.test,pw,,true",
        70_000: "sip:u69998@ims.test,,,true",
        70_001: "no address,pw,,true",
        100_001: "sip:u1@ims.test,pw,,true",
    }
    write_users(file, bad)
    process = import_users(node, file)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 1
    for number in bad:
        assert f"{file}: line {number}: " in said
    assert "nothing was imported: 4 bad lines" in said
    assert node.metric("imsnode_accounts") == 3

    # Killed while it writes: nothing either.
    write_users(file, {})
    process = import_users(node, file)
    eventually(lambda: _locked(node), 120, "the import writes")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(rows(node, "user", "list")) == 3

    started = time.monotonic()
    process = import_users(node, file)
    # The node keeps what it is given meanwhile.
    with phone(node, "alice") as alice:
        while process.poll() is None:
            assert alice.register().status == 200
            assert alice.message("bob", "while others arrive").status == 202
            time.sleep(0.1)
    out, _ = process.communicate(timeout=180)
    took = time.monotonic() - started
    print(f"{USERS} users in {took:.1f} s on {os.cpu_count()} processors")  # noqa: T201
    assert process.returncode == 0
    assert out.strip().endswith(f"imported {USERS} users")
    assert node.metric("imsnode_accounts") == USERS + 3
    with phone(node, "u99999") as last:
        assert last.register().status == 200
    assert node.metric("imsnode_faults_total") == 0
