"""Policies on a running node: commands take effect at once, and tell why."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode, eventually

WORDS = """
[policy]
rules = ["words"]

[[rule]]
name = "words"
uses = "words"
file = "words.txt"
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "words.txt").write_text("casino\n")
    with RunningNode(folder, extra=WORDS) as running:
        yield running


def phone(node: RunningNode, user: str, **more: str) -> Phone:
    return Phone(("127.0.0.1", node.ports["udp"]), user, **more)


def rows(node: RunningNode, *words: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(node.command(*words, "--format", "csv").stdout)))


def test_a_block_takes_effect_at_once_and_only_the_operator_sees_it(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        assert bob.register().status == 200
        node.command("policy", "block", "bob", "alice")
        blocked = alice.message("bob", "blocked", call_id="blocked-1")
        absent = alice.message("carol", "nobody there")
        node.command("policy", "unblock", "bob", "alice")
        assert blocked.status == absent.status == 202
        assert blocked.start == absent.start
        assert {name for name, _ in blocked.headers} == {name for name, _ in absent.headers}
        assert bob.receive(0.2) is None
    why = node.command("why", "blocked-1").stdout
    assert "the recipient has blocked the sender (sender-blocked)" in why
    assert "from sip:alice@ims.test" in why
    assert "outcome: dropped" in why
    assert node.metric('imsnode_screened_total{rule="sender-blocked"}') == 1.0


def test_a_mute_keeps_messages_over_a_restart_until_it_ends(node: RunningNode) -> None:
    with phone(node, "alice") as alice, phone(node, "bob", instance="b") as bob:
        assert bob.register().status == 200
        node.command("policy", "mute", "bob", "--for", "1h")
        assert alice.message("bob", "quiet").status == 202
        node.kill()
        node.start()
        assert alice.message("bob", "still quiet").status == 202
        assert bob.receive(0.2) is None
        node.command("policy", "unmute", "bob")
        assert bob.collect(2) == [b"quiet", b"still quiet"]


def test_a_content_rule_from_the_configuration(node: RunningNode) -> None:
    with phone(node, "alice") as alice:
        refused = alice.message("bob", "the casino is open", call_id="casino-1")
        assert refused.status == 403
        assert "casino" not in refused.start
        assert alice.message("bob", "hello").status == 202
        (node.directory / "words.txt").write_text("hello\n")
        node.extra += '\n[[domain]]\nname = "ims.test"\nblock_answer = "forbidden"\n'
        node.write_config()
        node.command("reload")
        assert alice.message("bob", "hello").status == 403
    assert "(content-rule:words: word on the list)" in node.command("why", "casino-1").stdout


def test_a_rule_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    node = RunningNode(
        tmp_path / "node", extra='[[rule]]\nname = "x"\nuses = "nothing"\n', users=()
    )
    result = node.command("serve", check=False)
    assert result.returncode == 2
    assert "imsnode.content_rules" in result.stderr


def test_users_report_spam_by_message_and_by_api(node: RunningNode) -> None:
    """RCC.07's report goes to the operator with evidence, and never to the accused."""
    kind = ("Content-Type: application/vnd.gsma.rcsspam-report+xml",)

    def report(inner: str) -> bytes:
        name = "urn:gsma:params:xml:ns:rcs:rcs:spamreport"
        return f'<SR xmlns="{name}">{inner}</SR>'.encode()

    with phone(node, "alice") as alice, phone(node, "bob") as bob:
        waiting = alice.message("carol", "for carol", call_id="spam-3")
        assert waiting.status == 202
        assert alice.message("bob", "buy this", call_id="spam-4").status == 202
        assert bob.register().status == 200
        assert bob.collect(1) == [b"buy this"]
        assert alice.register().status == 200
        named = "<Message-ID>spam-4</Message-ID><free-text>again and again</free-text>"
        for to, inner, status in (
            ("sip:alice@ims.test", named, 200),
            ("sip:spam-report@ims.test", named, 200),  # the same again changes nothing
            ("sip:spam-report@ims.test", "<Message-ID>spam-3</Message-ID>", 404),  # not bob's
            ("sip:spam-report@ims.test", "", 400),
        ):
            request = bob.request("MESSAGE", to, None, kind, report(inner))
            assert bob.answer_to(request).status == status
        assert bob.message("sip:spam-report@ims.test", "spam!").status == 415
        assert alice.receive(0.2) is None
    (row,) = rows(node, "report", "list")
    assert (row["how"], row["reporter"], row["sender"]) == (
        "user", "sip:bob@ims.test", "sip:alice@ims.test",
    )  # fmt: skip
    shown = json.loads(node.command("report", "show", row["id"], "--format", "json").stdout)[0]
    assert (shown["body"], shown["reason"]) == ("buy this", "again and again")
    url = f"http://{node.http}/api/v1/users/sip:carol@ims.test/reports"
    auth = httpx.DigestAuth("carol", "pw-carol")
    made = httpx.post(url, json={"sender": "alice@ims.test"}, auth=auth, trust_env=False)
    assert (made.status_code, made.json()["evidence"]) == (201, True)
    unknown = httpx.post(url, json={"message": "spam-4"}, auth=auth, trust_env=False)
    assert unknown.status_code == 404


def test_spam_is_reported_by_a_device_and_by_a_command(node: RunningNode) -> None:
    with phone(node, "alice") as alice:
        sent = alice.message("bob", "buy!", call_id="spam-1")
        assert sent.status == 202
        done = node.command("report", "add", "spam-1", "--by", "bob", "--reason", "advertising")
        identity = done.stdout.split()[1]
        again = node.command("report", "add", "spam-1", "--by", "bob", check=False)
        assert again.returncode == 1
    (report,) = json.loads(node.command("report", "show", identity, "--format", "json").stdout)
    assert (report["sender"], report["reporter"]) == ("sip:alice@ims.test", "sip:bob@ims.test")
    assert report["body"] == "buy!"
    assert "Content-Type: text/plain" in report["head"]
    with phone(node, "alice") as alice, phone(node, "carol") as carol:
        carol.auto_status = 607
        assert carol.register().status == 200
        data = alice.request(
            "MESSAGE", "sip:carol@ims.test", None, ("Content-Type: text/plain",), b"buy?"
        )
        challenge = alice._transact(data, 20)
        alice.send(alice.with_credentials(data, challenge))
        carol.collect(1)
        answer = alice.receive()
        assert answer is not None
        assert answer.status == 607
    eventually(lambda: len(rows(node, "report", "list")) == 2)
    newest = rows(node, "report", "list")[0]
    assert (newest["how"], newest["reporter"]) == ("607", "sip:carol@ims.test")


def test_limits_of_a_sender_hold_for_recipients_elsewhere(tmp_path: Path) -> None:
    far = Phone(("127.0.0.1", 9), "far")
    settings = WORDS.replace("[policy]", "[policy]\nfan_out = 2") + (
        f'[[route]]\ndomain = "far.test"\nnext_hop = "udp:127.0.0.1:{far.port}"\n'
    )
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "words.txt").write_text("casino\n")
    with far, RunningNode(folder, extra=settings) as node, phone(node, "alice") as alice:
        far.socket.connect(("127.0.0.1", node.ports["udp"]))

        def send(to: str, text: str) -> int:
            request = alice.request(
                "MESSAGE", f"sip:{to}@far.test", None, ("Content-Type: text/plain",), text.encode(),
                call_id=f"away-{to}-{text}",
            )  # fmt: skip
            alice.send(request)
            challenge = alice.receive()
            assert challenge is not None
            alice.send(alice.with_credentials(request, challenge))
            if text == "hello" and to != "z":
                got = far.receive()
                assert got is not None
                far.respond(got, 200)
            answer = alice.receive()
            assert answer is not None
            return answer.status

        assert send("x", "casino") == 403
        assert [send(to, "hello") for to in "xyz"] == [200, 200, 503]
        why = node.command("why", "away-z-hello").stdout
        assert "too-many-recipients" in why
        assert "to sip:z@far.test" in why
