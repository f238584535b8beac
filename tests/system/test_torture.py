"""RFC 4475's and RFC 5118's torture messages against a running node, over UDP and TCP.

What each message must come to is said by the index beside the recordings (`tests/wire/data`). The
node is asked twice: as the server of every domain that the messages are for, by a peer it trusts,
so that each message goes as far as it can; and as it stands after `imsnode init`, by a stranger.
After each message the node must still answer an OPTIONS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.phone import Phone
from tests.support.running import RunningNode
from tests.wire.vectors import DATA, Vector, torture_vectors

SETTINGS = '[limits]\npartial_message = "1s"\nregister_burst = 1000\n'
TRUSTED = '[[peer]]\nname = "tester"\naddress = "127.0.0.1"\ntrust = "asserted"\n'
#: Every host in a Request-URI; all served here, so nothing is refused for being foreign.
DOMAINS = (
    "ims.test", "example.com", "example.net", "example.org", "chair-dnrc.example.com",
    "registrar.example.com", "company.com", "host.example.net", "jasomi.com",
    "2001:db8::10", "2001:db8::10:5070", "2001:db8::192.0.2.1",
)  # fmt: skip
#: Whom the REGISTERs are for.
USERS = ("user", "watson", "j.user", "null-%00-null")
#: How long nothing must come before a message counts as dropped, where it may be.
SILENCE_S = 1.0
#: How long an answer may take on a busy machine, commit included, where there must be one.
ANSWER_S = 15.0
VECTORS = torture_vectors()
#: What a registrar may answer; RFC 5118's index does not tell the roles apart.
REGISTRAR = {
    case["name"]: case["expected"]["registrar"]
    if isinstance(case["expected"], dict)
    else case["expected"]
    for folder in ("rfc4475", "rfc5118")
    for case in json.loads((DATA / folder / "index.json").read_text())["cases"]
}
#: Recordings that end too early: a datagram shows its end, a stream waits for more and is closed.
CUT = {"baddn", "clerr"}
#: The one whose datagram goes on after the request; a stream takes what follows for messages.
DOUBLE = "dblreq"


@pytest.fixture(scope="module", params=["UDP", "TCP"])
def trusting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningNode, str]]:
    """The node that serves every domain and trusts the tester; one for each transport."""
    directory = tmp_path_factory.mktemp("torture") / "node"
    node = RunningNode(directory, domains=DOMAINS, extra=SETTINGS + TRUSTED, users=())
    rows = "".join(f"sip:{user}@example.com,pw,,true\n" for user in USERS)
    csv = directory / "users.csv"
    csv.write_text("aor,password,display_name,enabled\n" + rows)
    node.command("user", "import", str(csv))
    with node:
        yield node, request.param


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """The node with its default domain, to which the tester is a stranger."""
    directory = tmp_path_factory.mktemp("torture") / "node"
    with RunningNode(directory, extra=SETTINGS) as node:
        yield node


def connect(node: RunningNode, transport: str) -> Phone:
    port = node.ports[transport.lower()]
    return Phone(("127.0.0.1", port), "user", "example.com", "", transport)


def outcome(phone: Phone, data: bytes, seconds: float) -> str:
    """Send the octets; the status of their final answer, "drop" when there is none."""
    phone.send(data)
    call_id = re.search(rb"(?im)^(?:call-id|i)\s*:\s*(\S+)", data)
    while (reply := phone.receive(seconds)) is not None:
        same = call_id is None or reply.get("call-id").encode() == call_id[1]
        if reply.status >= 200 and same:
            return str(reply.status)
    return "drop"


def closes(phone: Phone) -> bool:
    """Tell whether the node closes the connection in bounded time."""
    phone.socket.settimeout(10)
    try:
        while phone.socket.recv(4096):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def alive(node: RunningNode, transport: str) -> bool:
    with connect(node, transport) as phone:
        request = phone.request("OPTIONS", f"sip:{node.address}")
        return phone.answer_to(request, 10).status == 200


def forget(node: RunningNode) -> None:
    """Remove what a torture REGISTER bound, so that nothing is forked to it later."""
    with connect(node, "UDP") as phone:
        for phone.user in USERS:
            lines = ("Contact: *", "Expires: 0")
            clear = phone.request("REGISTER", "sip:example.com", phone.aor, lines)
            assert phone.answer_to(clear).status == 200


_first: dict[tuple[int, bytes], str] = {}


def on_its_own(node: RunningNode, vector: Vector) -> bytes:
    """Return the octets, with another branch when an earlier message had this transaction."""
    found = re.search(rb"(?im)^v(?:ia)?\s*:[^\r]*;branch=(z9hG4bK[^;\s]+)", vector.data)
    if found is None:
        return vector.data
    key = (id(node), found[0] + vector.data.split(b" ", 1)[0])
    if _first.setdefault(key, vector.name) == vector.name:
        return vector.data
    return vector.data.replace(found[1], found[1] + b"-" + vector.name.encode(), 1)


def expected(vector: Vector, transport: str) -> set[str]:
    """Return what the index allows this node, as status codes."""
    if transport == "TCP" and vector.name in CUT:
        return {"drop"}
    register = vector.data.startswith(b"REGISTER ")
    answers = set(REGISTRAR[vector.name] if register else vector.outcomes)
    if answers & {"forward", "process"}:
        # The node serves the domain: to go on is to look for the user and the user's devices.
        answers |= {"404", "480"}
    if vector.kind == "response" or (transport == "TCP" and vector.name == DOUBLE):
        answers.add("drop")
    return answers


def patience(wanted: set[str]) -> float:
    return SILENCE_S if "drop" in wanted else ANSWER_S


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_from_a_trusted_peer(trusting: tuple[RunningNode, str], vector: Vector) -> None:
    node, transport = trusting
    wanted = expected(vector, transport)
    with connect(node, transport) as phone:
        got = outcome(phone, on_its_own(node, vector), patience(wanted))
        assert got in wanted
        if transport == "TCP" and vector.name in CUT:
            assert closes(phone)
    assert alive(node, transport)
    if got == "200":
        forget(node)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_from_a_stranger(guarded: RunningNode, vector: Vector, transport: str) -> None:
    """Whoever is not known is asked who it is, or told that the domain is not served here."""
    wanted = expected(vector, transport)
    if wanted != {"drop"} and vector.verdict != "reject":
        wanted |= {"401", "403", "407"}
        if vector.data.startswith(b"REGISTER "):
            wanted.discard("200")
    with connect(guarded, transport) as phone:
        assert outcome(phone, vector.data, patience(wanted)) in wanted
    assert alive(guarded, transport)


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "with the octets behind"])
def test_the_second_request_behind_a_register(
    trusting: tuple[RunningNode, str], broken: bool
) -> None:
    """dblreq: what follows in a datagram is no request (18.3); a stream has two, and then noise."""
    node, transport = trusting
    data = next(vector.data for vector in VECTORS if vector.name == DOUBLE)
    data = data.replace(b"branch=z9hG4bK", b"branch=z9hG4bK%d" % broken)
    body = data.rindex(b"\r\n\r\n", 0, -4) + 4
    if not broken:
        data = data[: body + 150]
    wanted = {"REGISTER"} if transport == "UDP" else {"INVITE", "REGISTER"}
    seen = set()
    with connect(node, transport) as phone:
        phone.send(data)
        if broken and transport == "TCP":
            # The noise closes the connection, perhaps before the binding is on disk.
            assert closes(phone)
            return
        while seen != wanted:
            reply = phone.receive(ANSWER_S)
            assert reply is not None
            if reply.status >= 200:
                seen.add(reply.get("cseq").split()[1])
        assert phone.receive(SILENCE_S) is None
    forget(node)
