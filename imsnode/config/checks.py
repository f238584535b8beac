# SPDX-License-Identifier: Apache-2.0
"""Rules that concern more than one setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Problem
from .peers import unfinished

if TYPE_CHECKING:
    from .loader import Config
    from .model import Settings
    from .types import HostPort

__all__ = ["cross_check", "missing_files"]


def cross_check(settings: Settings) -> list[Problem]:
    """Find settings that are fine alone and wrong together."""
    return [
        *_listeners(settings),
        *_msrp(settings),
        *_names(settings),
        *_orders(settings),
        *_files(settings),
        *_indirect(settings),
        *_peers(settings),
        *_smsc(settings),
        *_push(settings),
        *_edge(settings),
    ]


def missing_files(config: Config) -> list[Problem]:
    """Find files that the configuration names and that are not there.

    The node needs them when it starts; commands work without, so that loading does not ask.
    """
    wanted: list[tuple[str, Path]] = []
    if config.certificate is not None:
        wanted += zip(("tls.certificate", "tls.key"), config.certificate, strict=True)
    if config.tls_authorities is not None:
        wanted.append(("tls.authorities", config.tls_authorities))
    for name, files in config.domain_certificates.items():
        wanted += zip((f'domain "{name}".certificate', f'domain "{name}".key'), files, strict=True)
    return [
        Problem(key, f'"{path}"', "is not there", "correct the path or remove the setting")
        for key, path in wanted
        if not path.is_file()
    ]


def _listeners(settings: Settings) -> Iterator[Problem]:
    for text, count in Counter(str(entry) for entry in settings.listen).items():
        if count > 1 and not text.endswith(":0"):
            yield Problem("listen", f'"{text}"', "is there twice", "remove one of them")
    taken = {(e.host, e.port): str(e) for e in settings.listen if e.transport != "UDP" and e.port}
    if len(taken) != sum(1 for e in settings.listen if e.transport != "UDP" and e.port):
        yield Problem("listen", "", "gives one port to TCP and to TLS", "use another port for TLS")
    for key, http in _http(settings):
        other = taken.get((http.host, http.port))
        if other is not None:
            yield Problem(key, f'"{http}"', f"is also used by {other}", "use another port")
        elif http.port:
            taken[http.host, http.port] = key


def _http(settings: Settings) -> Iterator[tuple[str, HostPort]]:
    """List the addresses of the HTTP listener, by key."""
    yield "http.listen", settings.http.listen
    if settings.http.tls_listen is not None:
        yield "http.tls_listen", settings.http.tls_listen


def _msrp(settings: Settings) -> Iterator[Problem]:
    table = settings.msrp
    for entry in table.listen:
        if entry.transport == "UDP":
            yield Problem("msrp.listen", f'"{entry}"', "is not for MSRP", "write tcp: or tls:")
    if table.relay_min_expires > table.relay_max_expires:
        yield Problem(
            "msrp.relay_min_expires", str(table.relay_min_expires), "is above relay_max_expires",
            "lower it",
        )  # fmt: skip
    if table.relay and not (table.relay_plain or any(e.transport == "TLS" for e in table.listen)):
        yield Problem("msrp.relay", "true", "has no TLS listener", "add tls: to msrp.listen")
    if table.anchor == "never" and not table.relay:
        return
    if not table.listen:
        yield Problem("msrp.listen", "[]", "leaves sessions no way", "name one")
    streams = [each for each in (*table.listen, *settings.listen) if each.transport != "UDP"]
    http = [(each.host, each.port) for _, each in _http(settings)]
    taken = Counter([*http, *((each.host, each.port) for each in streams)])
    for entry in table.listen:
        if entry.port and taken[entry.host, entry.port] > 1:
            yield Problem("msrp.listen", f'"{entry}"', "is used twice", "use another port")


def _names(settings: Settings) -> Iterator[Problem]:
    served = set(settings.domains)
    for number, entry in enumerate(settings.domain):
        if entry.name not in served:
            remedy = "add it to domains or remove the table"
            yield Problem(f"domain[{number}].name", f'"{entry.name}"', "is not served", remedy)
    for number, listener in enumerate(settings.listener):
        if listener.address not in settings.listen:
            key, value = f"listener[{number}].address", f'"{listener.address}"'
            yield Problem(key, value, "is not a listener", "add it to listen or remove the table")
    for number, route in enumerate(settings.route):
        if route.domain in served:
            remedy = "remove the route or the domain"
            yield Problem(f"route[{number}].domain", f'"{route.domain}"', "is served here", remedy)
    rules = {rule.name for rule in settings.rule}
    wanted = [("policy.rules", settings.policy.rules)]
    wanted += [(f"domain[{n}].rules", d.rules or ()) for n, d in enumerate(settings.domain)]
    for key, names_of_rules in wanted:
        for name in names_of_rules:
            if name not in rules:
                yield Problem(key, f'"{name}"', "is no [[rule]] table", "add the table")
    lists = (
        ("domains", list(settings.domains)),
        ("domain", [entry.name for entry in settings.domain]),
        ("listener", [str(entry.address) for entry in settings.listener]),
        ("peer", [entry.name for entry in settings.peer]),
        ("smsc", [entry.name for entry in settings.smsc]),
        ("route", [entry.domain for entry in settings.route]),
        ("rule", [entry.name for entry in settings.rule]),
        ("auth.algorithms", list(settings.auth.algorithms)),
    )
    for key, names in lists:
        for name, count in Counter(names).items():
            if count > 1:
                yield Problem(key, f'"{name}"', "is there twice", "remove one of them")


def _orders(settings: Settings) -> Iterator[Problem]:
    """Pairs of which the first must not be the greater."""
    registrar, limits = settings.registrar, settings.limits
    presence = settings.presence
    pairs = (
        ("registrar.min_expires", registrar.min_expires,
         "registrar.default_expires", registrar.default_expires),
        ("registrar.default_expires", registrar.default_expires,
         "registrar.max_expires", registrar.max_expires),
        ("auth.failure_delay", settings.auth.failure_delay,
         "auth.failure_delay_max", settings.auth.failure_delay_max),
        ("pager.retry_min", settings.pager.retry_min,
         "pager.retry_max", settings.pager.retry_max),
        ("limits.retry_after_min", limits.retry_after_min,
         "limits.retry_after_max", limits.retry_after_max),
        ("limits.head_size", limits.head_size, "limits.message_size", limits.message_size),
        ("limits.header_size", limits.header_size, "limits.head_size", limits.head_size),
        ("limits.start_line_size", limits.start_line_size, "limits.head_size", limits.head_size),
        ("limits.message_body_size", limits.message_body_size,
         "limits.body_size", limits.body_size),
        ("limits.body_size", limits.body_size, "limits.message_size", limits.message_size),
        ("timers.t1", settings.timers.t1, "timers.t2", settings.timers.t2),
        ("presence.subscribe_min", presence.subscribe_min,
         "presence.subscribe_max", presence.subscribe_max),
        ("presence.publish_min", presence.publish_min,
         "presence.publish_max", presence.publish_max),
    )  # fmt: skip
    for low_key, low, high_key, high in pairs:
        if low > high:
            reason = f"is more than {high_key} = {high:g}"
            yield Problem(low_key, f"{low:g}", reason, f"lower it or raise {high_key}")
    if settings.pager.defer_after > 32 * settings.timers.t1:
        reason = "is not well inside the sender's Timer F (64 times timers.t1)"
        remedy = f"use at most {32 * settings.timers.t1:g}"
        yield Problem("pager.defer_after", f"{settings.pager.defer_after:g}", reason, remedy)


def _indirect(settings: Settings) -> Iterator[Problem]:
    """Content can become a file only where files are kept."""
    own = {entry.name: (number, entry.large) for number, entry in enumerate(settings.domain)}
    for name in settings.domains:
        number, large = own.get(name, (0, None))
        if (large or settings.pager.large) == "indirect" and name not in settings.content.domains:
            key = "pager.large" if large is None else f"domain[{number}].large"
            remedy = f'add "{name}" to content.domains'
            yield Problem(key, '"indirect"', f"needs files of users in {name}", remedy)


def _peers(settings: Settings) -> Iterator[Problem]:
    for number, peer in enumerate(settings.peer):
        for problem in unfinished(peer):
            yield replace(problem, key=f"peer[{number}].{problem.key}")
        for domain in set(peer.domains) & set(settings.domains):
            key, value = f"peer[{number}].domains", f'"{domain}"'
            yield Problem(key, value, "is served here", "remove it here or from domains")


def _smsc(settings: Settings) -> Iterator[Problem]:
    if settings.smsc and settings.pager.store == "off":
        reason = "has messages for message centres lost where one is away"
        yield Problem("pager.store", '"off"', reason, 'write "proxy" or "first"')


def _files(settings: Settings) -> Iterator[Problem]:
    pairs = [("tls", settings.tls.certificate, settings.tls.key)]
    pairs += [(f"domain[{n}]", d.certificate, d.key) for n, d in enumerate(settings.domain)]
    for table, certificate, key in pairs:
        if (certificate is None) != (key is None):
            missing = f"{table}.key" if key is None else f"{table}.certificate"
            yield Problem(missing, "", "is not set, but its counterpart is", "set both or neither")
    url = settings.storage.url
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        remedy = "use sqlite:///FILE or postgresql://USER@HOST/NAME"
        yield Problem("storage.url", f'"{url.partition(":")[0]}:..."', "is not known", remedy)
    elif url == "sqlite:///":
        yield Problem("storage.url", f'"{url}"', "names no file", "use sqlite:///imsnode.db")


def _push(settings: Settings) -> Iterator[Problem]:
    push = settings.push
    if not push.providers:
        return
    if push.sender == "webhook" and not push.url:
        yield Problem("push.url", '""', "is missing", "write where notifications are posted to")
    longest = settings.registrar.max_expires
    if push.refresh + 30 > longest:
        yield Problem(
            "push.refresh",
            f'"{push.refresh:g}s"',
            f"leaves no time within registrar.max_expires ({longest:g}s)",
            "lower it, or raise registrar.max_expires",
        )


def _edge(settings: Settings) -> Iterator[Problem]:
    for name in settings.edge.domains:
        if name in settings.domains:
            yield Problem(
                "edge.domains", f'"{name}"', "is served here", "remove it from one of them"
            )
