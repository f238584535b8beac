# SPDX-License-Identifier: Apache-2.0
"""The settings of a node: one model per TOML table, every field with its default and meaning.

Field names are the TOML keys. Durations are seconds (float) and sizes octets (int) in Python,
whatever way they were written. Values are frozen; a reload builds a new Config. Each field is
declared with `live` (a reload applies it) or `restart` (the running node keeps the old value).
"""

from __future__ import annotations

from .access import Auth, Control, Registrar
from .edge import Edge
from .events import Presence, Xcap
from .http import Api, Content, Http, Webhook
from .ims import Ims
from .interconnect import Interconnect
from .messages import Lists, Pager, Policy, Rule
from .network import Limits, NetworkPolicy, Timers, Tls
from .others import Domain, ListenerSettings
from .peers import Peer, Route
from .push import Push
from .records import Cdr, History, Ledger, Log, Storage
from .rooms import Rooms
from .sessions import Msrp
from .sms import Sms, Smsc
from .table import Table, restart
from .types import DomainName, ListenAddress, Listener
from .websocket import WebSocket

__all__ = ["Settings"]


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
    push: Push = Push()
    edge: Edge = Edge()
    presence: Presence = Presence()
    msrp: Msrp = Msrp()
    rooms: Rooms = Rooms()
    ims: Ims = Ims()
    sms: Sms = Sms()
    limits: Limits = Limits()
    timers: Timers = Timers()
    network: NetworkPolicy = NetworkPolicy()
    interconnect: Interconnect = Interconnect()
    ledger: Ledger = Ledger()
    history: History = History()
    cdr: Cdr = Cdr()
    log: Log = Log()
    domain: tuple[Domain, ...] = ()
    listener: tuple[ListenerSettings, ...] = ()
    peer: tuple[Peer, ...] = ()
    route: tuple[Route, ...] = ()
    smsc: tuple[Smsc, ...] = ()
    rule: tuple[Rule, ...] = ()
