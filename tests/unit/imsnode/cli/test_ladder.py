from __future__ import annotations

from imsnode.cli.ladder import Ladder


def event(remote: str, direction: str, start: str, at: float = 0.0) -> dict[str, object]:
    return {
        "at": at,
        "dir": direction,
        "transport": "UDP",
        "remote": remote,
        "start": start,
        "call_id": "c1",
        "size": 300,
        "text": f"{start}\r\nX: \x1b[2J\r\n\r\nbody",
    }


def test_a_relayed_message_is_a_ladder() -> None:
    ladder = Ladder(3)
    lines = [
        *ladder.feed(event("alice:5060", "in", "MESSAGE sip:bob@ims.test SIP/2.0")),
        *ladder.feed(event("bob:5060", "out", "MESSAGE sip:b@bob SIP/2.0", 0.001)),
        *ladder.feed(event("bob:5060", "in", "SIP/2.0 200 OK", 0.012)),
        *ladder.feed(event("alice:5060", "out", "SIP/2.0 200 OK", 0.013)),
    ]
    assert lines == [
        "",
        "                        alice:5060                     imsnode",
        "                            |                             |",
        "00:00:00.000                |- MESSAGE sip:bob@ims.test ->|  UDP 300  c1",
        "",
        "                        alice:5060                     imsnode"
        "                       bob:5060",
        "                            |                             |                             |",
        "00:00:00.001                |                             |"
        "---- MESSAGE sip:b@bob ----->|  UDP 300  c1",
        "00:00:00.012                |                             |"
        "<---------- 200 OK ----------|  UDP 300  c1",
        "00:00:00.013                |<---------- 200 OK ----------|"
        "                             |  UDP 300  c1",
    ]


def test_the_party_that_was_silent_longest_gives_up_its_column() -> None:
    ladder = Ladder(3)
    for party in ("a:1", "b:1", "a:1", "c:1"):
        heads = ladder.feed(event(party, "in", "OPTIONS sip:x SIP/2.0"))
    assert heads[1].split() == ["a:1", "imsnode", "c:1"]


def test_a_long_label_is_cut_and_text_cannot_steer_the_terminal() -> None:
    ladder = Ladder(2, text=True)
    lines = ladder.feed(event("a:1", "in", f"MESSAGE sip:{'x' * 99}\x1b[2J SIP/2.0"))
    assert "\x1b" not in "".join(lines)
    arrow = next(line for line in lines if "MESSAGE" in line)
    assert len(arrow.partition("UDP")[0]) < 90
    assert any("X: \\x1b[2J" in line for line in lines)


def test_what_is_no_message() -> None:
    ladder = Ladder()
    assert ladder.feed({"trace": "started"}) == ["              (the trace has started)"]
    assert "7 events were lost" in ladder.feed({"lost": 7})[0]
