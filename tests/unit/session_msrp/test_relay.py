"""The relay of RFC 4976 on octets: who may use it, what it passes on, and whom it tells what."""

from __future__ import annotations

import itertools

import pytest

from session_msrp.authorizing import RelayLimits, RelayLink, Verdict
from session_msrp.chunk import Body, Chunk
from session_msrp.framer import Framer
from session_msrp.limits import Limits
from session_msrp.printing import print_request, print_response
from session_msrp.relay import Relay
from session_msrp.uri import MsrpUri, parse_uri

RELAY = b"msrps://relay.ims.test;tcp"
A, B = b"msrps://a.invalid:7000/alice;tcp", b"msrps://b.invalid:8000/bob;tcp"
FAR = b"msrp://192.0.2.7:9000/far;tcp"
TEXT = (b"Message-ID: m1", b"Byte-Range: 1-5/5")


class Wire:
    """A connection that keeps what is written."""

    source = "192.0.2.9"

    def __init__(self, chunk_bytes: int = 64 * 1024, secure: bool = True) -> None:
        self.secure = secure
        self.closing = False
        self.names: frozenset[str] = frozenset()
        self.choked_since = 0.0
        self.out = b""
        self.held: set[object] = set()
        self.framer = Framer(Limits(chunk_bytes=chunk_bytes))

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.out += data

    def write_large(self, head: bytes, body: Body, end: bytes) -> None:
        self.write(b"".join((head, body, end)))

    def hold(self, whom: object) -> None:
        self.held.add(whom)

    def release(self, whom: object) -> None:
        self.held.discard(whom)

    def close(self, reason: str) -> None:
        self.closing = True

    def chunks(self) -> list[Chunk]:
        framer = Framer(Limits(chunk_bytes=1 << 22))
        framer.feed(self.out)
        self.out = b""
        return list(iter(framer.next, None))

    def only(self) -> Chunk:
        [chunk] = self.chunks()
        return chunk


class World:
    """A relay whose guard lets in who writes "good", and refuses everybody else."""

    def __init__(self, chunk_bytes: int = 64 * 1024, **limits: int | bool) -> None:
        numbers = itertools.count(1)
        self.now = 100.0
        self.opened: dict[bytes, Wire] = {}
        self.allowed = True
        self.relay = Relay(
            RelayLimits(**limits),  # type: ignore[arg-type]
            self,
            lambda _link, _asked: parse_uri(
                b"msrps://relay.ims.test:2855/uri%d;tcp" % next(numbers)
            ),
            lambda: b"relay%05d" % next(numbers),
            self.connect,
        )
        self.a, self.b, self.c = Wire(chunk_bytes), Wire(chunk_bytes), Wire(chunk_bytes)

    def check(self, authorization: bytes, uri: MsrpUri, source: str) -> Verdict:
        assert uri.raw.startswith(b"msrp")
        if authorization.startswith(b"good"):
            return Verdict(200, authorization.decode(), (b"Authentication-Info: proof",))
        return Verdict(401, "", (b"WWW-Authenticate: Digest",), bool(authorization))

    def connect(self, uri: MsrpUri) -> RelayLink | None:
        return self.opened.setdefault(uri.raw, Wire()) if self.allowed else None

    def feed(self, link: Wire, octets: bytes) -> list[bool]:
        link.framer.feed(octets)
        return [self.relay.receive(chunk, link, self.now) for chunk in iter(link.framer.next, None)]

    def auth(
        self, link: Wire, own: bytes = A, *lines: bytes, who: bytes = b"good", to: bytes = RELAY
    ) -> Chunk:
        head = (*lines, b"Authorization: " + who) if who else lines
        assert self.feed(link, print_request(b"auth1", b"AUTH", to, own, head)) == [True]
        return link.only()

    def grant(self, link: Wire, own: bytes = A) -> bytes:
        answer = self.auth(link, own)
        assert answer.status == 200
        return answer.fields[b"use-path"]

    def send(self, link: Wire, to: bytes, own: bytes, *lines: bytes, flag: bytes = b"$") -> None:
        head = (*TEXT, *lines, b"Content-Type: text/plain")
        octets = print_request(b"send1", b"SEND", to, own, head, b"hello", flag)
        assert self.feed(link, octets) == [True]


# ---------------------------------------------------------------- AUTH


def test_a_uri_is_for_who_proves_who_it_is() -> None:
    world = World()
    asked = world.auth(world.a, who=b"")
    assert (asked.status, asked.fields[b"www-authenticate"]) == (401, b"Digest")
    assert (asked.to_path, asked.from_path) == (A, RELAY)
    given = world.auth(world.a)
    assert given.status == 200
    assert given.fields[b"expires"] == b"3600"
    assert given.fields[b"authentication-info"] == b"proof"
    assert parse_uri(given.fields[b"use-path"]).port == 2855


@pytest.mark.parametrize(
    ("wanted", "status", "name", "value"),
    [
        (b"60", 200, b"expires", b"60"),
        (b"3600", 200, b"expires", b"3600"),
        (b"59", 423, b"min-expires", b"60"),
        (b"3601", 423, b"max-expires", b"3600"),
        (b"9999999999", 423, b"max-expires", b"3600"),
        (b"0", 423, b"min-expires", b"60"),
        (b"-1", 400, b"", b""),
        (b"99999999999999", 400, b"", b""),
    ],
)
def test_how_long_a_uri_is_good(wanted: bytes, status: int, name: bytes, value: bytes) -> None:
    world = World()
    answer = world.auth(world.a, A, b"Expires: " + wanted)
    assert answer.status == status
    assert answer.fields.get(name, b"") == value
    assert len(world.relay.grants) == (status == 200)


def test_a_uri_is_void_after_its_time_without_its_connection_and_when_revoked() -> None:
    world = World()
    for end in ("time", "connection", "user"):
        uri = world.grant(world.a)
        if end == "time":
            world.now += 3600
            octets = print_request(b"send1", b"SEND", uri + b" " + FAR, A, TEXT)
            assert world.feed(world.a, octets) == [False]
            world.relay.grants.expire(world.now)
        elif end == "connection":
            world.relay.lost(world.a)
        else:
            world.relay.grants.revoke("good")
        assert len(world.relay.grants) == 0
        assert not world.relay.grants.used_by(world.a)
        octets = print_request(b"send1", b"SEND", uri + b" " + FAR, A, TEXT)
        assert world.feed(world.a, octets) == [False]


def test_auth_is_for_tls_and_has_its_limits() -> None:
    world = World(user_uris=2, auths=5)
    plain = Wire(secure=False)
    assert world.auth(plain).status == 403
    assert [world.auth(world.a).status for _ in range(3)] == [200, 200, 403]
    assert [world.auth(world.a, who=b"good2").status for _ in range(3)] == [200, 200, 403]
    world.now += 60
    assert World(plain=True).auth(Wire(secure=False)).status == 200


def test_who_guesses_is_cut_off() -> None:
    world = World()
    for _ in range(5):
        assert not world.a.closing
        assert world.auth(world.a, who=b"bad").status == 401
    assert world.a.closing


def test_auth_through_another_relay_names_the_way() -> None:
    """RFC 4976 5.1: the URIs from the relay next to the client to the last one."""
    world = World()
    inner = b"msrps://intra.example.com:9000/jui787s2f;tcp"
    answer = world.auth(world.a, inner + b" " + A)
    assert answer.fields[b"use-path"].split(b" ")[0] == inner
    assert len(answer.fields[b"use-path"].split(b" ")) == 2
    assert answer.to_path == inner + b" " + A


@pytest.mark.parametrize(
    ("names", "proven", "status"),
    [
        ({"intra.example.com"}, False, 200),
        ({"other.example.com"}, False, 403),
        (set(), False, 200),
        (set(), True, 403),
    ],
)
def test_a_relay_that_hands_in_an_auth_is_whom_its_certificate_names(
    names: set[str], proven: bool, status: int
) -> None:
    """RFC 4976 6.3, 9.2."""
    world = World(proven=proven)
    world.a.names = frozenset(names)
    inner = b"msrps://intra.example.com:9000/jui787s2f;tcp"
    assert world.auth(world.a, inner + b" " + A).status == status
    assert world.auth(world.a, A).status == 200  # a client's certificate is nobody's business


def test_auth_goes_on_to_the_next_relay_and_its_answer_comes_back() -> None:
    world = World()
    own, outer = world.grant(world.a), b"msrps://192.0.2.44:9000;tcp"
    for count in range(1, 6):
        octets = print_request(b"auth2", b"AUTH", own + b" " + outer, A, (b"Authorization: wrong",))
        assert world.feed(world.a, octets) == [True]
        sent = world.opened[outer].only()
        assert (sent.to_path, sent.from_path) == (outer, own + b" " + A)
        assert sent.tid != b"auth2"
        refusal = (b'WWW-Authenticate: Digest realm="x"',)
        answer = print_response(sent.tid, 401, sent.from_path, sent.to_path, refusal)
        assert world.feed(world.opened[outer], answer) == [True]
        back = world.a.only()
        assert (back.tid, back.status) == (b"auth2", 401)
        assert (back.to_path, back.from_path) == (A, own + b" " + outer)
        assert b"www-authenticate" in back.fields
        assert world.a.closing == (count == 5)


# ------------------------------------------------------------- forwarding


def test_from_the_client_to_its_peer_and_back() -> None:
    world = World()
    own = world.grant(world.a)
    world.send(world.a, own + b" " + FAR, A)
    answer = world.a.only()
    assert (answer.status, answer.tid) == (200, b"send1")
    assert (answer.to_path, answer.from_path) == (A, own)
    far = world.opened[FAR]
    sent = far.only()
    assert (sent.to_path, sent.from_path) == (FAR, own + b" " + A)
    assert (sent.body, sent.flag) == (b"hello", b"$")
    assert sent.fields[b"byte-range"] == b"1-5/5"
    assert world.feed(far, print_response(sent.tid, 200, own, FAR)) == [True]
    world.send(far, own + b" " + A, FAR, flag=b"+")
    assert far.only().status == 200
    back = world.a.only()
    assert (back.to_path, back.from_path) == (A, own + b" " + FAR)
    assert back.flag == b"+"
    assert world.relay.stats.chunks == 2


def test_a_peer_is_answered_over_the_connection_it_came_on() -> None:
    world = World()
    own = world.grant(world.a)
    world.send(world.c, own + b" " + A, FAR)
    world.a.chunks()
    world.send(world.a, own + b" " + FAR, A)
    assert [each.method for each in world.c.chunks()] == [b"", b"SEND"]
    assert world.opened == {}
    world.c.closing = True
    world.relay.lost(world.c)
    world.send(world.a, own + b" " + FAR, A)
    assert FAR in world.opened


def test_two_clients_of_one_relay() -> None:
    world = World()
    mine, theirs = world.grant(world.a, A), world.grant(world.b, B)
    world.send(world.a, b" ".join((mine, theirs, B)), A)
    assert world.a.only().status == 200
    sent = world.b.only()
    assert (sent.to_path, sent.from_path) == (B, b" ".join((theirs, mine, A)))
    report = print_request(b"rep1", b"REPORT", sent.from_path, B, (b"Status: 000 200 OK",))
    assert world.feed(world.b, report) == [True]
    assert world.b.out == b""
    got = world.a.only()
    assert (got.method, got.to_path) == (b"REPORT", A)
    assert got.from_path == b" ".join((mine, theirs, B))


def test_nobody_but_the_client_gets_out() -> None:
    """A stranger with a URI of ours reaches the client alone (9.4)."""
    world = World()
    own = world.grant(world.a)
    world.send(world.c, own + b" " + FAR, FAR)
    assert world.opened == {}
    assert world.a.only().to_path == FAR


@pytest.mark.parametrize("wanted", [b"yes", b"no", b"partial"])
def test_what_a_sender_hears(wanted: bytes) -> None:
    """200 at once, an error of the next hop as REPORT, 408 after 30 s without an answer (6.4.1)."""
    world = World()
    own = world.grant(world.a)
    for case in ("error", "silence", "lost"):
        world.send(world.a, own + b" " + FAR, A, b"Failure-Report: " + wanted)
        assert [each.status for each in world.a.chunks()] == ([200] if wanted == b"yes" else [])
        far = world.opened[FAR]
        sent = far.only()
        if case == "error":
            assert world.feed(far, print_response(sent.tid, 413, own, FAR)) == [True]
            statuses = [] if wanted == b"no" else [413]
        elif case == "silence":
            world.now += 29.9
            world.relay.tick(world.now)
            assert world.a.out == b""
            world.now += 0.1
            world.relay.tick(world.now)
            world.relay.tick(world.now)
            statuses = [408] if wanted == b"yes" else []
            # Too late: it has been said what happened. Of partial only bad news is ever heard.
            world.feed(far, print_response(sent.tid, 200, own, FAR))
        else:
            far.closing = True
            world.relay.lost(far)
            statuses = [] if wanted == b"no" else [408]
        reports = world.a.chunks()
        assert [each.report_status for each in reports] == statuses
        for report in reports:
            assert (report.method, report.to_path, report.from_path) == (b"REPORT", A, own)
            assert report.fields[b"message-id"] == b"m1"
            assert report.fields[b"byte-range"] == b"1-5/5"


def test_the_time_does_not_run_while_octets_wait() -> None:
    world = World()
    own = world.grant(world.a)
    world.send(world.a, own + b" " + FAR, A)
    far = world.opened[FAR]
    world.a.chunks()
    far.choked_since = world.now
    world.now += 31
    world.relay.tick(world.now)
    assert world.a.out == b""
    world.send(world.a, own + b" " + FAR, A)
    assert world.a.held == {far}


def test_all_who_send_to_one_that_takes_nothing_wait_for_it() -> None:
    world = World()
    mine, theirs = world.grant(world.a), world.grant(world.b, B)
    world.send(world.b, theirs + b" " + FAR, B)
    world.send(world.a, mine + b" " + FAR, A)
    far = world.opened[FAR]
    world.relay.choked(far)
    assert world.a.held == world.b.held == {far}
    world.relay.choked(world.c)


def test_next_hops_of_one_client_are_counted() -> None:
    world = World(user_uris=2)
    own = world.grant(world.a)
    hops = [b"msrp://192.0.2.7:%d/far;tcp" % port for port in (9000, 9001, 9002)]
    for hop, status in zip((*hops, hops[0]), (200, 200, 403, 200), strict=True):
        world.send(world.a, own + b" " + hop, A)
        assert world.a.only().status == status
    world.opened[hops[1]].closing = True
    world.send(world.a, own + b" " + hops[2], A)
    assert world.a.only().status == 200


def test_who_sends_faster_than_it_is_answered_waits() -> None:
    world = World(pending=2)
    own = world.grant(world.a)
    world.send(world.a, own + b" " + FAR, A)
    assert not world.a.held
    world.send(world.a, own + b" " + FAR, A)
    assert len(world.a.held) == 1
    far = world.opened[FAR]
    sent = far.chunks()[0]
    world.feed(far, print_response(sent.tid, 200, own, FAR))
    assert not world.a.held
    world.send(world.a, own + b" " + FAR, A)
    assert world.a.held
    far.closing = True
    world.relay.lost(far)
    assert not world.a.held


# ------------------------------------------------------------ large chunks


def large(world: World, own: bytes, size: int, declared: bytes = b"1-*/*") -> bytes:
    lines = (b"Message-ID: big", b"Byte-Range: " + declared, b"Content-Type: a/b")
    return print_request(b"large1", b"SEND", own + b" " + FAR, A, lines, b"x" * size)


def test_a_large_chunk_goes_on_in_pieces() -> None:
    world = World(chunk_bytes=4096)
    own = world.grant(world.a)
    octets = large(world, own, 20_000, b"11-20010/20010")
    for at in range(0, len(octets), 1000):
        world.feed(world.a, octets[at : at + 1000])
    assert world.a.only().status == 200
    sent = world.opened[FAR].chunks()
    assert len(sent) > 3
    following = 11
    for piece in sent:
        span = piece.byte_range()
        end = following + len(piece.body) - 1 if len(piece.body) <= 2048 else None
        assert (span.start, span.end) == (following, end)
        assert (span.total, piece.message_id) == (20010, b"big")
        following += len(piece.body)
    assert following == 20011
    assert [piece.flag for piece in sent] == [b"+"] * (len(sent) - 1) + [b"$"]
    assert len({piece.tid for piece in sent}) == len(sent)


def test_a_sender_lost_in_the_middle_of_a_chunk_aborts_it() -> None:
    world = World(chunk_bytes=4096)
    own = world.grant(world.a)
    world.feed(world.a, large(world, own, 20_000)[:9000])
    far = world.opened[FAR]
    had = sum(len(piece.body) for piece in far.chunks())
    world.relay.lost(world.a)
    end = far.only()
    assert (end.flag, end.body, end.byte_range().start) == (b"#", b"", had + 1)


def test_a_next_hop_lost_in_the_middle_of_a_chunk() -> None:
    """The sender hears of it once by REPORT, and the rest leads nowhere."""
    world = World(chunk_bytes=4096)
    own = world.grant(world.a)
    octets = large(world, own, 20_000)
    for at in range(0, 12_000, 1000):
        world.feed(world.a, octets[at : at + 1000])
    far = world.opened.pop(FAR)
    assert len(far.chunks()) > 1
    far.closing = True
    world.relay.lost(far)
    assert [each.report_status for each in world.a.chunks()] == [408]
    world.feed(world.a, octets[12_000:])
    assert world.a.only().status == 408
    assert world.opened == {}


# ---------------------------------------------------------------- hostile


def test_what_is_refused() -> None:
    world = World()
    own, other = world.grant(world.a), world.grant(world.b, B)
    for to, status in (
        (own, 481),  # nobody behind
        (b" ".join((own, own, FAR)), 481),
        (b" ".join((own, other)), 481),
        (b" ".join((own, other, own, FAR)), 403),  # through this relay again
        (b" ".join((own, FAR, own)), 403),
    ):
        world.send(world.a, to, A)
        assert world.a.only().status == status, to
    world.allowed = False
    world.send(world.a, own + b" " + FAR, A)
    assert world.a.only().status == 408
    world.allowed = True
    bad = print_request(b"send1", b"SEND", own + b" " + FAR, A, (b"Byte-Range: 1-5/5",), b"hello")
    assert world.feed(world.a, bad) == [True]
    assert world.a.only().status == 400
    for line in (b"no header", b"Message-ID: again"):
        bad = print_request(b"send1", b"SEND", own + b" " + FAR, A, (*TEXT, line))
        assert world.feed(world.a, bad) == [True]
        assert world.a.out == b""
    assert (world.opened, world.b.out) == ({}, b"")
    assert world.relay.stats.refused == 9


def test_what_is_for_nobody_here() -> None:
    world = World()
    own = world.grant(world.a)
    long = b" ".join((own, *[FAR] * 8))
    for to, came in (
        (b"msrps://relay.ims.test:2855/guess;tcp " + FAR, A),
        (long, A),
        (own + b"  " + FAR, A),
        (own + b" " + FAR, b"nonsense"),
        (RELAY + b" " + FAR, A),
    ):
        octets = print_request(b"send1", b"SEND", to, came, TEXT)
        assert world.feed(world.a, octets) == [False]
    for octets in (
        print_response(b"never-asked", 200, own, FAR),
        print_response(b"never-asked", 413, own + b" " + A, FAR),
    ):
        world.feed(world.c, octets)
        world.feed(world.a, octets)
    assert world.a.out == world.c.out == b""
    assert world.opened == {}


def test_a_report_without_an_answer_and_an_unknown_method_with_one() -> None:
    world = World()
    own = world.grant(world.a)
    strange = (b"Byte-Range: 9-1/0", b"Status: 000 200 OK")
    report = print_request(b"rep1", b"REPORT", own + b" " + FAR, A, strange)
    assert world.feed(world.a, report) == [True]
    far = world.opened[FAR]
    assert far.only().method == b"REPORT"
    assert world.a.out == b""
    world.feed(world.a, print_request(b"unk1", b"DANCE", own + b" " + FAR, A, ()))
    sent = far.only()
    world.feed(far, print_response(sent.tid, 501, sent.from_path, FAR))
    back = world.a.only()
    assert (back.tid, back.status, back.to_path) == (b"unk1", 501, A)


def test_an_end_line_in_a_body_is_no_end() -> None:
    """The relay's own transaction id must not end the chunk early, whoever guesses it."""
    world = World()
    own = world.grant(world.a)
    body = b"\r\n".join(b"-------relay%05d$" % number for number in range(20))
    head = (b"Message-ID: m1", b"Content-Type: text/plain")
    world.feed(world.a, print_request(b"send1", b"SEND", own + b" " + FAR, A, head, body))
    assert world.opened[FAR].only().body == body
