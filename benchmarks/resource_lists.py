# SPDX-License-Identifier: Apache-2.0
"""A list of 500 members on a running node: from the SUBSCRIBE to the NOTIFY that has all of them.

    python -m benchmarks.resource_lists [--members 500] [--rounds 5]

Every member has published a document and has rules of its own; the node was started anew before the
first round, so that it has composed and read none of them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.xcap import cpu_seconds
from tests.support.phone import Phone
from tests.support.running import RunningNode

MARK_MS = 500.0
SETTINGS = "[presence]\nnotify_interval = 0\n"
RULES = """<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:p="urn:ietf:params:xml:ns:pres-rules">
<rule id="family"><conditions><identity><one id="sip:alice@ims.test"/></identity></conditions>
<actions><p:sub-handling>allow</p:sub-handling></actions><transformations>
<p:provide-services><p:all-services/></p:provide-services>
<p:provide-persons><p:all-persons/></p:provide-persons>
<p:provide-activities>true</p:provide-activities></transformations></rule></ruleset>"""
DOCUMENT = """<presence xmlns="urn:ietf:params:xml:ns:pidf"
 xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"
 entity="sip:{0}@ims.test"><tuple id="t"><status><basic>open</basic></status>
<contact>sip:{0}@192.0.2.1</contact></tuple>
<dm:person id="p"><r:activities><r:busy/></r:activities></dm:person></presence>"""
SERVICE = (
    '<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" '
    'xmlns:l="urn:ietf:params:xml:ns:resource-lists"><service uri="sip:everybody@ims.test">'
    "<list>{}</list></service></rls-services>"
)
EVENT = ("Event: presence", "Expires: 600", "Supported: eventlist")


def put(node: RunningNode, user: str, auid: str, media_type: str, text: str) -> None:
    """Put a document of a user."""
    answer = httpx.put(
        f"http://{node.http}/xcap/{auid}/users/sip:{user}@ims.test/index",
        content=text.encode(),
        headers={"Content-Type": media_type},
        auth=httpx.DigestAuth(user, f"pw-{user}"),
    )
    assert answer.status_code in (200, 201), answer.text


def prepare(node: RunningNode, members: list[str]) -> None:
    """Give every member rules and a published document, and alice the list."""
    lines = ("Event: presence", "Expires: 3600", "Content-Type: application/pidf+xml")
    for user in members:
        put(node, user, "pres-rules", "application/auth-policy+xml", RULES)
        with Phone(("127.0.0.1", node.ports["tcp"]), user, transport="TCP") as phone:
            body = DOCUMENT.format(user).encode()
            reply = phone.answer_to(phone.request("PUBLISH", phone.aor, None, lines, body))
            assert reply.status == 200, reply.start
    entries = "".join(f'<l:entry uri="sip:{user}@ims.test"/>' for user in members)
    put(node, "alice", "rls-services", "application/rls-services+xml", SERVICE.format(entries))


def first_notifies(node: RunningNode, members: int) -> tuple[float, float, int]:
    """Subscribe; return milliseconds to the first NOTIFY, until all are known, and CPU milliseconds.

    A node that has to read and compose much tells the rest in further NOTIFYs at once.
    """
    assert node.process is not None
    with Phone(("127.0.0.1", node.ports["tcp"]), "alice", transport="TCP") as alice:
        lines = (*EVENT, f"Contact: <{alice.contact}>")
        request = alice.request("SUBSCRIBE", "sip:everybody@ims.test", None, lines)
        cpu, begin = cpu_seconds(node.process.pid), time.monotonic()
        assert alice.answer_to(request, 20.0).status == 200
        known, first = 0, 0.0
        while known < members:
            got = alice.inbox.pop(0) if alice.inbox else alice.receive(20.0)
            assert got is not None
            first = first or time.monotonic() - begin
            if got.method == "NOTIFY" and not alice.inbox:
                alice.respond(got, 200)
            known += got.body.count(b"<presence")
        took = time.monotonic() - begin
        spent = cpu_seconds(node.process.pid) - cpu
        return first * 1000, took * 1000, round(spent * 1000)


def measure(members: int = 500, rounds: int = 5) -> list[tuple[float, float, int]]:
    """Return what `first_notifies` does, the round with nothing in memory first."""
    names = [f"u{number}" for number in range(members)]
    with tempfile.TemporaryDirectory() as folder:
        node = RunningNode(Path(folder) / "node", extra=SETTINGS, users=("alice", *names))
        with node:
            prepare(node, names)
            node.stop()
            node.start()
            return [first_notifies(node, members) for _ in range(rounds)]


def table(results: list[tuple[float, float, int]], members: int = 500) -> str:
    """Return the figures as a table."""
    rows = {"nothing in memory": results[:1], "again, median": results[1:] or results}
    lines = [
        f"A list of {members} members, from SUBSCRIBE to the first NOTIFY, and until all are known:",
        "",
        "| | first, ms | all, ms | CPU ms | mark |",
        "|---|---|---|---|---|",
    ]
    for name, values in rows.items():
        first, took, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        lines.append(f"| {name} | {first:,.0f} | {took:,.0f} | {cpu:,.0f} | <= {MARK_MS:,.0f} ms |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="First NOTIFY of a list subscription")
    parser.add_argument("--members", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    opts = parser.parse_args()
    sys.stdout.write(table(measure(opts.members, opts.rounds), opts.members) + "\n")


if __name__ == "__main__":
    main()
