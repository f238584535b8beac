# SPDX-License-Identifier: Apache-2.0
"""The settings of a node: one model per TOML table, every field with its default and meaning.

Field names are the TOML keys. Durations are seconds (float) and sizes octets (int) in Python,
whatever way they were written. Values are frozen; a reload builds a new Config. Each field is
declared with `live` (a reload applies it) or `restart` (the running node keeps the old value).
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from .events import Presence, Standing, Xcap
from .rooms import Rooms
from .sessions import Msrp
from .table import DAY, HOUR, KIB, MINUTE, Table, live, restart
from .types import (
    Algorithm,
    DomainName,
    FileName,
    HostName,
    HostPort,
    HttpAddress,
    ListenAddress,
    Listener,
    MediaType,
    Network,
    NextHop,
    Octets,
    OptionalAddress,
    OptionalPath,
    PeerAddress,
    PeerName,
    Retention,
    RuleName,
    RuleOption,
    Seconds,
)
from .websocket import WebSocket

__all__ = [
    "Algorithm",
    "Api",
    "Auth",
    "BlockAnswer",
    "Cdr",
    "Content",
    "Control",
    "Domain",
    "History",
    "Http",
    "Ledger",
    "Limits",
    "ListenerSettings",
    "Lists",
    "Log",
    "Msrp",
    "NetworkPolicy",
    "Pager",
    "Peer",
    "Policy",
    "Presence",
    "Registrar",
    "Rooms",
    "Route",
    "Rule",
    "Settings",
    "Standing",
    "Storage",
    "StoreMode",
    "Strangers",
    "Table",
    "Timers",
    "Tls",
    "WebSocket",
    "Webhook",
    "Xcap",
]

StoreMode = Literal["proxy", "first", "off"]
BlockAnswer = Literal["unavailable", "forbidden", "decline"]
Large = Literal["carry", "refuse", "indirect"]
Strangers = Literal["anything", "text", "one", "nothing"]


class Http(Table):
    """The HTTP listener: health, readiness, metrics, and all that programs and browsers use."""

    listen: HttpAddress = restart(
        HostPort("127.0.0.1", 8080), "Address and port of the HTTP listener."
    )
    tls_listen: OptionalAddress = restart(
        None,
        "Address and port where the same is served over TLS (https, wss) with the certificate in "
        '[tls]; "" for none.',
    )


class Api(Table):
    """The HTTP API."""

    rate: float = live(
        50.0, "Requests a second with one token; more is answered 429.", gt=0, le=100_000
    )
    burst: int = live(200, "Requests a token may make at once.", ge=1, le=1_000_000)


class Webhook(Table):
    """Posting messages to the programs behind service accounts."""

    allow: tuple[Network, ...] = live(
        (),
        "Networks that webhooks may be in although their addresses are private, loopback or "
        "otherwise not of the public Internet.",
    )
    plain_http: bool = live(False, "Whether a webhook may begin with http:// too.")
    timeout: Seconds = live(10.0, "Time for one attempt.", ge=1, le=MINUTE)
    retry_min: Seconds = live(
        5.0, "First wait before a message is posted again; doubles each time.", ge=0.1, le=HOUR
    )
    retry_max: Seconds = live(5 * MINUTE, "Longest wait between two attempts.", ge=1, le=DAY)
    connections: int = restart(64, "Connections to webhooks at a time.", ge=1, le=10_000)


class Content(Table):
    """Files that messages refer to, uploaded and fetched over HTTP."""

    domains: tuple[DomainName, ...] = restart(
        (), "Domains whose users may upload files; none of them switches it off."
    )
    directory: FileName = restart(
        Path("content"), "Where files are kept, relative to the configuration file."
    )
    base_url: str = live(
        "",
        "What links begin with, when clients reach the HTTP listener by another name: "
        '"https://files.example.com". "" takes its own address.',
        pattern=r"^(https?://[^\s/?#]+)?$",
    )
    file_size: Octets = restart(
        10 * 1024 * KIB, "Largest file; a larger one is answered 413.", ge=KIB, le=1024**3
    )
    user_size: Octets = live(
        100 * 1024 * KIB, "What all files of a user may take together.", ge=KIB, le=1024**4
    )
    total_size: Octets = live(
        10 * 1024**3, "What all files may take together; beyond it: 503.", ge=KIB, le=1024**5
    )
    files: int = live(100_000, "Files that may be kept.", ge=1, le=10_000_000)
    lifetime: Seconds = live(7 * DAY, "How long a link works.", ge=MINUTE, le=366 * DAY)
    access: Literal["credentials", "link"] = live(
        "credentials",
        "Who may fetch a file: its owner and those it was sent to, who show who they are "
        '("credentials"), or whoever has the link ("link", for clients that do not '
        "authenticate downloads).",
    )
    readers: int = live(1000, "Whom one file may be shared with.", ge=1, le=100_000)
    types: tuple[str, ...] = live(
        ("image/*", "audio/*", "video/*", "text/plain", "text/vcard", "application/pdf"),
        'Media types that are taken; "image/*" stands for all images, "*/*" for everything.',
    )
    inline_size: Octets = live(
        0,
        "With pager.large = indirect: a body above it becomes a file even where it could be "
        "carried; 0 for none.",
        ge=0,
        le=1024 * KIB,
    )
    scan: tuple[str, ...] = live(
        (),
        "Command that examines each file, which it gets as its last argument: 0 means clean, 1 "
        "not to be passed on, anything else that it failed. Such as clamdscan.",
    )
    scan_timeout: Seconds = live(30.0, "How long it may take.", ge=1, le=HOUR)


class Storage(Table):
    """Where accounts, bindings, messages and the ledger are kept."""

    url: str = restart(
        "sqlite:///imsnode.db",
        "Database: sqlite:///FILE, relative to the configuration file, or "
        "postgresql://USER:PASSWORD@HOST/NAME.",
    )


class Tls(Table):
    """The certificate of the TLS listeners, HTTP's and MSRP's among them."""

    certificate: OptionalPath = restart(
        None,
        "PEM file with the certificate and its chain, relative to the configuration file. Without "
        "one, TLS listeners use a self-made certificate kept in the folder tls beside that file.",
    )
    key: OptionalPath = restart(
        None,
        "PEM file with the private key of the certificate, relative to the configuration file.",
    )


class Control(Table):
    """The socket over which the commands reach the running node."""

    socket: FileName = restart(
        Path("imsnode.sock"),
        "Unix socket, relative to the configuration file; only the node's own user may use it.",
    )


class Auth(Table):
    """Digest authentication and what happens to those who guess."""

    algorithms: tuple[Algorithm, ...] = live(
        ("MD5",),
        "Digest algorithms offered, strongest first, one challenge each: MD5, SHA-256, "
        "SHA-512-256. Many softphones accept nothing but a lone MD5 challenge.",
        min_length=1,
    )
    nonce_lifetime: Seconds = live(
        300.0, "How long a nonce may be used before the client gets a new one.", ge=10, le=DAY
    )
    failures: int = live(
        10, "Failed answers from one source or for one user before it has to wait.", ge=1, le=1000
    )
    failure_window: Seconds = live(
        5 * MINUTE, "Time within which the failures are counted.", ge=1, le=DAY
    )
    failure_delay: Seconds = live(
        60.0, "First wait after too many failures; doubles each time.", ge=1, le=DAY
    )
    failure_delay_max: Seconds = live(15 * MINUTE, "Longest wait after failures.", ge=1, le=DAY)


class Registrar(Table):
    """What a REGISTER may ask for."""

    min_expires: Seconds = live(
        60.0, "Shortest lifetime of a binding; less is answered 423.", ge=1, le=HOUR
    )
    max_expires: Seconds = live(
        HOUR, "Longest lifetime of a binding; more is cut to this.", ge=60, le=30 * DAY
    )
    default_expires: Seconds = live(
        HOUR, "Lifetime of a binding when the client names none.", ge=60, le=30 * DAY
    )
    max_bindings: int = live(
        10, "Bindings one address of record may have; more is answered 403.", ge=1, le=100
    )
    max_devices: int = live(
        16,
        "Absent devices one address of record is remembered to have; those seen longest ago are "
        "forgotten first.",
        ge=1,
        le=100,
    )
    device_memory: Seconds = live(
        30 * DAY,
        "How long a device that registered with an instance id is remembered, so that messages "
        "stored meanwhile wait for it too.",
        ge=0,
        le=366 * DAY,
    )


class Pager(Table):
    """Messages: relay first, keep what cannot be delivered now."""

    store: StoreMode = live(
        "proxy",
        "When a MESSAGE is stored: proxy (when no device took it in time), first (before delivery "
        "is tried), off (never).",
    )
    large: Large = live(
        "carry",
        "What becomes of a MESSAGE of more than limits.udp_size octets unless every device of the "
        "recipient is connected by TCP or TLS: carry (sent all the same), refuse (513), indirect "
        "(its content becomes a file, see content).",
    )
    defer_after: Seconds = live(
        4.0,
        "How long the sender waits for the recipient's final response before the message is "
        "stored and answered 202.",
        ge=0.1,
        le=20,
    )
    message_lifetime: Seconds = live(
        7 * DAY, "How long a stored message waits when it carries no Expires.", ge=60, le=366 * DAY
    )
    mailbox_messages: int = live(
        500, "Messages that may wait for one recipient; more is refused.", ge=1, le=1_000_000
    )
    retry_min: Seconds = live(
        5.0, "First wait before a failed delivery is tried again; doubles each time.", ge=1, le=HOUR
    )
    retry_max: Seconds = live(5 * MINUTE, "Longest wait between two tries.", ge=1, le=DAY)
    duplicate_memory: Seconds = live(
        DAY, "How long a message is remembered to recognise a resend.", ge=MINUTE, le=30 * DAY
    )
    imdn_record_route: bool = live(
        False,
        "Whether notifications (IMDN) are asked to come back through sip:imdn@DOMAIN. Those of "
        "this node's own users do anyway; it changes the body of messages that ask for one.",
    )
    echo: bool = live(True, "Whether sip:echo@DOMAIN sends every message back to its sender.")


class Lists(Table):
    """One message to many: lists of recipients, groups, broadcasts."""

    service: bool = live(
        True, "Whether sip:list@DOMAIN takes messages with a list of recipients (RFC 5365)."
    )
    list_max: int = live(
        50, "Recipients one such list may have; more is answered 403.", ge=1, le=256
    )
    consent: tuple[str, ...] = live(
        (),
        "Users (sip:NAME@DOMAIN) and domains elsewhere that agreed to get messages through lists "
        "of this node (RFC 5360); others elsewhere are answered 470.",
    )

    group_max: int = live(
        10_000,
        "Recipients a message to a group may have; more is answered 403.",
        ge=1,
        le=1_000_000,
    )
    receipts_wait: Seconds = live(
        30.0,
        "How long receipts (IMDN) about a message to a list or group are gathered before its "
        "sender gets them in one message; 0 sends each on its own.",
        ge=0,
        le=DAY,
    )
    receipts_keep: Seconds = live(
        DAY,
        "How long receipts about one such message are gathered; later ones are sent on their own.",
        ge=MINUTE,
        le=30 * DAY,
    )
    receipts_max: int = live(
        2000,
        "Messages whose receipts are gathered at a time; those about more are sent on their own.",
        ge=1,
        le=1_000_000,
    )
    to_sender: bool = live(
        False, "Whether a sender who is a member of the group gets a copy of the message too."
    )
    broadcast_rate: float = live(
        200.0,
        "Copies of a broadcast a second when none is asked for; 0 for as many as can be.",
        ge=0,
        le=1_000_000,
    )


class Policy(Table):
    """Who may send what to whom, beside what users wish for themselves (`imsnode policy`)."""

    block_answer: BlockAnswer = live(
        "unavailable",
        "What a sender hears whom the recipient does not want to hear from: unavailable (the same "
        "as when no device is registered, which is mostly 202), forbidden (403), decline (603).",
    )
    strangers: Strangers = live(
        "anything",
        "What somebody may send to a user who never wrote to them and does not allow them, unless "
        "that user chose otherwise: anything, text, one (a text, then nothing until it is "
        "answered), nothing.",
    )
    types: tuple[MediaType, ...] = live(
        (), "Types of content users may get, such as text/plain or image/*; none named: all."
    )
    message_size: Octets = live(
        0, "Longest body users may get; 0: limits.message_body_size alone.", ge=0, le=1024 * KIB
    )
    message_rate: float = live(
        0.0, "MESSAGE requests a second from one user; 0: limits alone.", ge=0, le=100_000
    )
    message_burst: int = live(
        50, "MESSAGE requests a user may send at once under that rate.", ge=1, le=1_000_000
    )
    fan_out: int = live(
        0, "People one user may write to in an hour; 0: any number.", ge=0, le=1_000_000
    )
    new_recipients: int = live(
        0,
        "People one user may write to in a day for the first time; 0: any number.",
        ge=0,
        le=1_000_000,
    )
    rules: tuple[RuleName, ...] = live(
        (), "Content rules, by the names of [[rule]] tables, for all that users send and get."
    )
    contacts: int = live(
        1000,
        "People remembered for one user, to know who is a stranger; those met longest ago are "
        "forgotten first.",
        ge=1,
        le=1_000_000,
    )
    rule_budget: Seconds = live(
        0.005, "Time a content rule may take for one message.", ge=0.0001, le=0.05
    )
    rule_failure: Literal["pass", "refuse"] = live(
        "pass",
        "What becomes of a message that a content rule could not judge: pass, or refuse (503).",
    )
    report_retention: Seconds = live(
        90 * DAY, "How long reports of spam and their evidence are kept.", ge=HOUR, le=3660 * DAY
    )


class Rule(Table):
    """A content rule: code that judges what messages say."""

    name: RuleName = live(..., "Name in `rules`, metrics and the ledger.")
    uses: str = live(
        ...,
        "words (refuses texts with the words and links of a file), the name of an entry point of "
        "the group imsnode.content_rules, or MODULE:ATTRIBUTE.",
        min_length=1,
    )
    file: OptionalPath = live(
        None, "File for the rule, relative to the configuration file; its option file."
    )
    options: tuple[RuleOption, ...] = live((), "Options for the rule, each as NAME=VALUE.")


class Limits(Table):
    """Bounds on what comes from the network. Reaching one refuses the new item."""

    message_size: Octets = restart(80 * KIB, "Longest SIP message.", ge=KIB, le=1024 * KIB)
    head_size: Octets = restart(16 * KIB, "Longest start line and headers.", ge=KIB, le=256 * KIB)
    header_size: Octets = restart(8 * KIB, "Longest single header.", ge=256, le=64 * KIB)
    start_line_size: Octets = restart(8 * KIB, "Longest start line.", ge=256, le=64 * KIB)
    headers: int = restart(128, "Headers in one message.", ge=16, le=1000)
    vias: int = restart(70, "Via values in one message.", ge=1, le=255)
    body_size: Octets = restart(64 * KIB, "Longest body of a request.", ge=0, le=1024 * KIB)
    message_body_size: Octets = restart(32 * KIB, "Longest body of a MESSAGE.", ge=0, le=1024 * KIB)
    udp_size: Octets = restart(
        1300, "Longest request sent over UDP before TCP is tried.", ge=576, le=65507
    )
    branches: int = live(10, "Targets one request is forked to.", ge=1, le=100)
    transactions: int = restart(
        1_000_000, "Transactions at a time; beyond it new requests get 503.", ge=100, le=10_000_000
    )
    source_rate: float = live(
        20.0, "Requests a second from one source without credentials.", gt=0, le=100_000
    )
    source_burst: int = live(
        40, "Requests without credentials one source may send at once.", ge=1, le=1_000_000
    )
    exempt: tuple[Network, ...] = live(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        "Networks whose requests without credentials are not counted.",
    )
    source_ban: Seconds = live(
        60.0, "How long a source above its rate is not listened to.", ge=0, le=DAY
    )
    message_rate: float = live(10.0, "MESSAGE requests a second from one user.", gt=0, le=100_000)
    message_burst: int = live(50, "MESSAGE requests a user may send at once.", ge=1, le=1_000_000)
    register_rate: float = live(1.0, "REGISTER requests a second from one user.", gt=0, le=100_000)
    register_burst: int = live(5, "REGISTER requests a user may send at once.", ge=1, le=1_000_000)
    subscribe_rate: float = live(
        1.0, "SUBSCRIBE requests a second from one user.", gt=0, le=100_000
    )
    subscribe_burst: int = live(
        20, "SUBSCRIBE requests a user may send at once.", ge=1, le=1_000_000
    )
    retry_after_min: Seconds = live(5.0, "Shortest Retry-After in a 503.", ge=1, le=HOUR)
    retry_after_max: Seconds = live(30.0, "Longest Retry-After in a 503.", ge=1, le=HOUR)
    connections: int = restart(10_000, "Connections at a time.", ge=1, le=1_000_000)
    connections_per_source: int = restart(
        100, "Connections at a time from one source.", ge=1, le=1_000_000
    )
    first_message: Seconds = restart(
        20.0, "How long a new connection may be silent.", ge=1, le=HOUR
    )
    partial_message: Seconds = restart(
        20.0, "Time to complete a message on a connection.", ge=1, le=HOUR
    )
    idle: Seconds = restart(
        2 * HOUR, "How long a connection in use may be silent.", ge=MINUTE, le=7 * DAY
    )
    output_queue: Octets = restart(
        1024 * KIB,
        "Output that may wait on one connection before it is closed.",
        ge=64 * KIB,
        le=1024 * 1024 * KIB,
    )
    tls_handshake: Seconds = restart(10.0, "Time to complete a TLS handshake.", ge=1, le=MINUTE)
    tls_pending: int = restart(200, "TLS handshakes at a time.", ge=1, le=100_000)
    http_target_size: Octets = restart(
        8 * KIB, "Longest target of an HTTP request.", ge=256, le=64 * KIB
    )
    http_head_size: Octets = restart(
        16 * KIB, "Longest head of an HTTP request.", ge=KIB, le=256 * KIB
    )
    http_body_size: Octets = restart(
        512 * KIB, "Longest body of an HTTP request.", ge=0, le=64 * 1024 * KIB
    )
    log_lines: int = live(10, "Log lines a second that one source may cause.", ge=1, le=10_000)


class Timers(Table):
    """Timers of RFC 3261; the others follow from these."""

    t1: Seconds = restart(0.5, "T1: estimated round trip.", ge=0.05, le=10)
    t2: Seconds = restart(4.0, "T2: longest interval between retransmissions.", ge=0.1, le=60)
    t4: Seconds = restart(5.0, "T4: how long a message may stay in the network.", ge=0.1, le=60)
    c: Seconds = restart(
        181.0, "Timer C: how long a ringing INVITE branch is kept.", gt=180, le=HOUR
    )


class NetworkPolicy(Table):
    """Which addresses a client may name in Contact, Route and Path."""

    advertise: HostName | None = restart(
        None,
        "Host name or address that goes into Via and Record-Route instead of the listener's own, "
        "needed behind address translation.",
    )
    allow: tuple[Network, ...] = live(
        (),
        "Networks that may be named although they are loopback, link-local or otherwise special. "
        "A client that itself comes from a loopback address may always name loopback.",
    )


class Ledger(Table):
    """The record of every step a message took."""

    retention: Seconds = live(
        30 * DAY, "How long the steps of a message can be asked for.", ge=HOUR, le=3660 * DAY
    )


class History(Table):
    """What users sent and received, for their own devices and commands."""

    retention: Retention = live(
        "30d",
        "How long a message stays in the history of its sender and its recipient: a time, none, or "
        "until-displayed (until its reader says that it was displayed, 30d at most).",
    )
    carbons: bool = live(
        False,
        "Whether what one device of a user sends goes to the user's other devices too; a device "
        "can ask for it, or against it, when it registers.",
    )


class Cdr(Table):
    """Charging records: one JSON line per message."""

    file: OptionalPath = restart(
        Path("cdr.jsonl"),
        'File for the records, relative to the configuration file; "" writes none.',
    )
    rotate_size: Octets = restart(
        64 * 1024 * KIB, "Size at which a new file is begun.", ge=64 * KIB, le=1024**4
    )
    keep: int = restart(10, "Older files that are kept.", ge=0, le=100_000)


class Log(Table):
    """What goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = live(
        "info", "Least important events that are written."
    )
    format: Literal["console", "json"] = restart(
        "console", "One line for people, or one JSON object, per event."
    )


class Domain(Table):
    """What one domain does differently from the rest."""

    name: DomainName = live(..., "The domain; one of `domains`.")
    store: StoreMode | None = live(None, "As pager.store, for recipients in this domain.")
    algorithms: tuple[Algorithm, ...] | None = live(
        None, "As auth.algorithms, for users of this domain.", min_length=1
    )
    history: Retention | None = live(None, "As history.retention, for users of this domain.")
    carbons: bool | None = live(None, "As history.carbons, for users of this domain.")
    large: Large | None = live(None, "As pager.large, for senders of this domain.")
    block_answer: BlockAnswer | None = live(None, "As policy.block_answer, for users here.")
    strangers: Strangers | None = live(None, "As policy.strangers, for users here.")
    watchers: Standing | None = live(None, "As presence.strangers, for users here.")
    types: tuple[MediaType, ...] | None = live(None, "As policy.types, for users here.")
    message_size: Octets | None = live(
        None, "As policy.message_size, for users here.", ge=0, le=1024 * KIB
    )
    message_rate: float | None = live(
        None, "As policy.message_rate, for users here.", ge=0, le=100_000
    )
    message_burst: int | None = live(
        None, "As policy.message_burst, for users here.", ge=1, le=1_000_000
    )
    fan_out: int | None = live(None, "As policy.fan_out, for users here.", ge=0, le=1_000_000)
    new_recipients: int | None = live(
        None, "As policy.new_recipients, for users here.", ge=0, le=1_000_000
    )
    rules: tuple[RuleName, ...] | None = live(None, "As policy.rules, for users here.")


class ListenerSettings(Table):
    """What one listener does differently from the rest."""

    address: ListenAddress = live(..., "The listener as written in `listen`.")
    algorithms: tuple[Algorithm, ...] = live(
        ..., "As auth.algorithms, for requests that arrive here.", min_length=1
    )


class Peer(Table):
    """Another server that hands requests in."""

    name: PeerName = live(..., "Name in logs, metrics and the ledger.")
    address: PeerAddress = live(
        ..., "Address, address and port, or network that the requests come from."
    )
    transport: Literal["any", "udp", "tcp", "tls"] = live(
        "any", "Transport its requests must come over."
    )
    trust: Literal["asserted", "none"] = live(
        "none",
        "asserted: its requests need no digest, and the sender is who P-Asserted-Identity or else "
        "From says; none: it is treated like any client, except that its rate is not limited.",
    )
    relay: bool = live(
        False, "Whether it may address domains that are not served here but have a route."
    )


class Route(Table):
    """Where requests for another domain go."""

    domain: DomainName = live(..., "The other domain.")
    next_hop: NextHop = live(..., "Transport, host and port of the server that takes them.")


class Settings(Table):
    """All settings of a node."""

    domains: tuple[DomainName, ...] = restart(
        ("ims.test",),
        "Domains served. Requests to one of the listen addresses count as sent to the first.",
        min_length=1,
    )
    listen: tuple[ListenAddress, ...] = restart(
        (
            Listener("UDP", "127.0.0.1", 5060),
            Listener("TCP", "127.0.0.1", 5060),
            Listener("TLS", "127.0.0.1", 5061),
        ),
        "SIP listeners, each as transport:host:port.",
        min_length=1,
    )
    http: Http = Http()
    websocket: WebSocket = WebSocket()
    api: Api = Api()
    xcap: Xcap = Xcap()
    webhook: Webhook = Webhook()
    content: Content = Content()
    storage: Storage = Storage()
    tls: Tls = Tls()
    control: Control = Control()
    auth: Auth = Auth()
    registrar: Registrar = Registrar()
    pager: Pager = Pager()
    lists: Lists = Lists()
    policy: Policy = Policy()
    presence: Presence = Presence()
    msrp: Msrp = Msrp()
    rooms: Rooms = Rooms()
    limits: Limits = Limits()
    timers: Timers = Timers()
    network: NetworkPolicy = NetworkPolicy()
    ledger: Ledger = Ledger()
    history: History = History()
    cdr: Cdr = Cdr()
    log: Log = Log()
    domain: tuple[Domain, ...] = ()
    listener: tuple[ListenerSettings, ...] = ()
    peer: tuple[Peer, ...] = ()
    route: tuple[Route, ...] = ()
    rule: tuple[Rule, ...] = ()
