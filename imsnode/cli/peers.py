# SPDX-License-Identifier: Apache-2.0
"""`imsnode peer`: other servers that hand requests in, take them, or both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import CommandError, UsageError
from .options import ConfigOption, Format, FormatOption
from .output import say, show_rows
from .peerdesk import PeerChanges, changed, checked
from .session import database, load_config, tell_node

if TYPE_CHECKING:
    from imsnode.config import Config
    from imsnode.config.peers import Peer
    from imsnode.storage import StoredPeers

app = typer.Typer(no_args_is_help=True, help="Peers: other servers this node works with.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the peer.")]
AddressOption = Annotated[
    list[str] | None,
    typer.Option("--address", metavar="ADDR", help="Where its requests come from; repeatable."),
]
TransportOption = Annotated[
    str | None,
    typer.Option(metavar="any|udp|tcp|tls", help="Transport its requests must come over."),
]
TrustOption = Annotated[
    str | None, typer.Option(metavar="asserted|none", help="Whether it says who a sender is.")
]
RelayOption = Annotated[
    bool | None, typer.Option("--relay/--no-relay", help="Whether it may reach other peers.")
]
TargetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target", metavar="T:HOST:PORT", help="Where requests go; repeatable, in order."
    ),
]
TlsNameOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name its certificate must have.")
]
DomainOption = Annotated[
    list[str] | None,
    typer.Option("--domain", metavar="DOMAIN", help="Domain it takes, or *.DOMAIN; repeatable."),
]
NumberOption = Annotated[
    list[str] | None,
    typer.Option("--number", metavar="+49", help="First digits of its numbers; repeatable."),
]
PriorityOption = Annotated[int | None, typer.Option(metavar="N", help="The lowest goes first.")]
WeightOption = Annotated[int | None, typer.Option(metavar="N", help="Share among equals.")]
RateOption = Annotated[
    float | None, typer.Option(metavar="N", help="Requests a second at most; 0: no limit.")
]
ConcurrentOption = Annotated[
    int | None, typer.Option(metavar="N", help="Requests at a time at most; 0: no limit.")
]
HideOption = Annotated[
    bool | None, typer.Option("--hide/--no-hide", help="Keep it from what is behind this node.")
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="CHANGE", help='As "out remove NAME"; repeatable, in order.'),
]
PingOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Pause between OPTIONS, such as 30s; 0: none.")
]


@contextmanager
def _peers(config: Config) -> Iterator[StoredPeers]:
    from imsnode.storage import StorageError, StoredPeers

    with database(config) as opened:
        try:
            yield StoredPeers(opened)
        except StorageError as error:
            raise CommandError(str(error)) from error


@app.command("add")
def add(
    name: NameArgument,
    address: AddressOption = None,
    transport: TransportOption = None,
    trust: TrustOption = None,
    relay: RelayOption = None,
    target: TargetOption = None,
    tls_name: TlsNameOption = None,
    domain: DomainOption = None,
    number: NumberOption = None,
    priority: PriorityOption = None,
    weight: WeightOption = None,
    rate: RateOption = None,
    concurrent: ConcurrentOption = None,
    hide: HideOption = None,
    header: HeaderOption = None,
    ping: PingOption = None,
    config: ConfigOption = None,
) -> None:
    """Make another server known; in force at once."""
    settings = load_config(config)
    _refuse_configured(settings, name)
    wanted = changed(
        {},
        PeerChanges(
            address, transport, trust, relay, target, tls_name, domain, number, priority, weight,
            rate, concurrent, hide, header, ping,
        ),
    )  # fmt: skip
    checked(settings, name, wanted)
    with _peers(settings) as peers:
        if not peers.add(name, wanted):
            raise CommandError(f"peer {name} exists already; change it with `imsnode peer set`")
    tell_node(settings, lambda client: client.peers_changed())
    say(f"added {name}")


@app.command("set")
def set_peer(
    name: NameArgument,
    address: AddressOption = None,
    transport: TransportOption = None,
    trust: TrustOption = None,
    relay: RelayOption = None,
    target: TargetOption = None,
    tls_name: TlsNameOption = None,
    domain: DomainOption = None,
    number: NumberOption = None,
    priority: PriorityOption = None,
    weight: WeightOption = None,
    rate: RateOption = None,
    concurrent: ConcurrentOption = None,
    hide: HideOption = None,
    header: HeaderOption = None,
    ping: PingOption = None,
    config: ConfigOption = None,
) -> None:
    """Change what is named, leave the rest; a list replaces the one before, "" empties it."""
    settings = load_config(config)
    _refuse_configured(settings, name)
    changes = PeerChanges(
        address, transport, trust, relay, target, tls_name, domain, number, priority, weight,
        rate, concurrent, hide, header, ping,
    )  # fmt: skip
    with _peers(settings) as peers:
        before = peers.load_all().get(name)
        if before is None:
            raise CommandError(f"there is no stored peer {name}")
        wanted = changed(before, changes)
        checked(settings, name, wanted)
        peers.change(name, wanted)
    tell_node(settings, lambda client: client.peers_changed())
    say(f"changed {name}")


@app.command("remove")
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Forget a peer; nothing is sent there any more."""
    settings = load_config(config)
    _refuse_configured(settings, name)
    with _peers(settings) as peers:
        if not peers.remove(name):
            raise CommandError(f"there is no stored peer {name}")
    tell_node(settings, lambda client: client.peers_changed())
    say(f"removed {name}")


@app.command("list")
def list_peers(form: FormatOption = Format.TABLE, config: ConfigOption = None) -> None:
    """List peers, and how those that take requests do where the node runs."""
    settings = load_config(config)
    states = _states(settings)
    columns = ("name", "source", "takes", "target", "state", "rtt_ms", "requests", "failed")
    show_rows(columns, _rows(settings, states), form)


def _rows(settings: Config, states: dict[str, list[dict[str, Any]]]) -> Iterator[list[Any]]:
    configured = {peer.name for peer in settings.peer}
    for peer in _every(settings):
        source = "file" if peer.name in configured else "database"
        takes = " ".join((*peer.domains, *peer.numbers))
        known = {state["target"]: state for state in states.get(peer.name, ())}
        for target in map(str, peer.targets) if peer.targets else ("",):
            state = known.get(target, {})
            figures = [state.get(key) for key in ("state", "rtt_ms", "requests", "failed")]
            yield [peer.name, source, takes, target, *figures]


@app.command("show")
def show(
    name: NameArgument, form: FormatOption = Format.TABLE, config: ConfigOption = None
) -> None:
    """Show all settings of a peer."""
    from imsnode.config.problems import toml_value

    settings = load_config(config)
    peer = _named(settings, name)
    values = peer.model_dump(mode="json")
    rows = [(key, toml_value(value)) for key, value in values.items()]
    for state in _states(settings).get(name, ()):
        reason = f" ({state['reason']})" if state["reason"] else ""
        rows.append((state["target"], f"{state['state']}{reason}"))
    show_rows(("setting", "value"), rows, form)


@app.command("test")
def ask(
    name: NameArgument,
    wait: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait.")] = 5.0,
    config: ConfigOption = None,
) -> None:
    """Send OPTIONS to each target of a peer and say what comes back and what is wrong.

    The question is asked by the command itself, from this machine and a port of its own.
    """
    import asyncio

    from imsnode.peers.probe import probe

    from .ladder import Ladder

    settings = load_config(config)
    peer = _named(settings, name)
    if not peer.targets:
        raise UsageError(f"peer {name} has no targets: it only hands requests in")
    failed = 0
    for target in peer.targets:
        say(f"{target}:")
        verdict = asyncio.run(probe(settings, peer, target, wait))
        ladder = Ladder(2)
        for event in verdict.events:
            for line in ladder.feed(event):
                say(line)
        say(verdict.words)
        failed += not verdict.good
    if failed:
        raise typer.Exit(1)


def _refuse_configured(settings: Config, name: str) -> None:
    if any(peer.name == name for peer in settings.peer):
        raise UsageError(f"peer {name} stands in {settings.path}: change it there and reload")


def _every(settings: Config) -> list[Peer]:
    from imsnode.peers.peering import all_peers

    with _peers(settings) as peers:
        return all_peers(settings, peers.load_all())


def _named(settings: Config, name: str) -> Peer:
    for peer in _every(settings):
        if peer.name == name:
            return peer
    raise CommandError(f"there is no peer {name}")


def _states(settings: Config) -> dict[str, list[dict[str, Any]]]:
    """Ask the running node how its peers do; nothing is known without one."""
    found: list[dict[str, Any]] = []
    tell_node(settings, lambda client: found.extend(client.peers()))
    states: dict[str, list[dict[str, Any]]] = {}
    for state in found:
        states.setdefault(str(state["name"]), []).append(state)
    return states
