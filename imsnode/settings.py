# SPDX-License-Identifier: Apache-2.0
"""From the configuration to the small settings value that each part takes.

Packages below know nothing of the configuration file; this module is the only translation.
"""

from __future__ import annotations

from typing import TypeVar

from pager import PagerSettings, StoreMode
from pager.screening import BlockAnswer, DomainPolicy, Strangers
from pager.tally import TallySettings
from presence.event.package import Standing
from presence.event.settings import NotifierSettings
from presence.lists.members import ListLimits
from presence.publication.compositor import CompositorSettings
from presence.xcap import Bounds
from presence.xcap import Limits as XcapLimits
from session_msrp.authorizing import RelayLimits
from session_msrp.files import FilePolicy
from session_msrp.limits import Limits as MsrpLimits
from session_msrp.rooms.values import Access
from sip.aio.driver import StreamLimits
from sip.gruu import Gruus
from sip.limits import Limits
from sip.proxy import ProxyConfig
from sip.registrar import RegistrarLimits

from .certificates import TlsSettings
from .config import Config, ConfigError, Problem
from .config.messages import Policy as PolicyTable
from .config.others import Domain
from .config.types import parse_duration
from .content import ContentSettings
from .history import HistorySettings, Keep, parse_keep
from .http.api import TokenLimits
from .http.limits import HttpLimits
from .http.origins import Origins
from .identity import AuthSettings, Rate, RateSettings, ThrottleSettings
from .identity.agreement import Agreement
from .identity.numbering import NumberPlan
from .ims.roles import ImsSettings
from .mailroom import Retry
from .msrp.calls import CallSettings
from .msrp.connections import ConnectionLimits
from .msrp.deferring import DeferringSettings
from .oversize import Large, OversizeSettings
from .presence.lists import ListSettings
from .presence.service import EventSettings
from .push.push import PushSettings
from .push.sender import Sender, SenderError, load_sender
from .registration import Words
from .rooms.bounds import FactorySettings, RoomLimits
from .screening import ContentRules, RuleError, RuleSettings, load_rules
from .screening.policies import PolicySettings
from .tls import CertificateFiles, self_signed
from .ways import WaySettings
from .webhook import Policy

_T = TypeVar("_T")
_FORM_BYTES = 256 * 1024  # a file comes with a small picture of it and the words of a form


def tls_settings(config: Config) -> TlsSettings:
    """Which certificates are shown and asked for; a self-made one is made where there is none."""
    own = None if config.certificate is None else CertificateFiles(*config.certificate)
    return TlsSettings(
        files=own or self_signed(config.tls_directory, config.domains),
        # Nobody vouches for one that is self-made, and a server may mind that more than none.
        shown=own,
        domains={
            name: CertificateFiles(*files, f'domain "{name}"')
            for name, files in config.domain_certificates.items()
        },
        authorities=config.tls_authorities,
        ask=config.tls.client_certificates,
        asks={
            str(listener.address): listener.client_certificates
            for listener in config.listener
            if listener.client_certificates is not None
        },
    )


def sip_limits(config: Config) -> Limits:
    """Bounds of the codec."""
    limits = config.limits
    return Limits(
        message_bytes=limits.message_size,
        head_bytes=limits.head_size,
        start_line_bytes=limits.start_line_size,
        header_bytes=limits.header_size,
        headers=limits.headers,
        vias=limits.vias,
        body_bytes=limits.body_size,
        message_body_bytes=limits.message_body_size,
    )


def stream_limits(config: Config) -> StreamLimits:
    """Bounds of connections."""
    limits = config.limits
    return StreamLimits(
        connections=limits.connections,
        per_source=limits.connections_per_source,
        partial_s=limits.partial_message,
        first_message_s=limits.first_message,
        idle_s=limits.idle,
        output_bytes=limits.output_queue,
        handshake_s=limits.tls_handshake,
        handshakes=limits.tls_pending,
    )


def msrp_limits(config: Config) -> ConnectionLimits:
    """Bounds of MSRP connections."""
    limits = config.limits
    return ConnectionLimits(
        connections=limits.connections,
        per_source=limits.connections_per_source,
        unused_s=limits.first_message,
        stall_s=config.msrp.stall,
        output_bytes=limits.output_queue,
        handshake_s=limits.tls_handshake,
        handshakes=limits.tls_pending,
        msrp=MsrpLimits(chunk_bytes=config.msrp.chunk_size),
    )


def call_settings(config: Config) -> CallSettings:
    """Which sessions are anchored."""
    msrp = config.msrp
    return CallSettings(
        msrp.anchor, msrp.sessions, msrp.user_sessions, msrp.idle, int(msrp.session_timer)
    )


def deferring_settings(config: Config) -> DeferringSettings:
    """Which sessions the node takes itself, and how messages reach devices with sessions."""
    msrp = config.msrp
    return DeferringSettings(
        msrp.deferred,
        msrp.interwork,
        msrp.deferred_size,
        msrp.deliver,
        msrp.user_sessions,
        msrp.idle,
        config.pager.defer_after,
    )


def room_limits(config: Config) -> RoomLimits:
    """Bounds of rooms."""
    rooms = config.rooms
    msrp = MsrpLimits(
        chunk_bytes=config.msrp.chunk_size,
        message_bytes=rooms.message_size,
        partial_s=rooms.reception_timer,
    )
    return RoomLimits(msrp, rooms.participants, rooms.user_sessions, rooms.user_rooms)


def factory_settings(config: Config) -> FactorySettings:
    """What rooms are like that users make."""
    rooms = config.rooms
    return FactorySettings(
        Access(rooms.factory_access),
        rooms.factory_rooms,
        rooms.factory_idle,
        rooms.factory_history,
        rooms.invited,
    )


def file_policy(config: Config) -> FilePolicy:
    """Which files may be transferred in sessions."""
    return FilePolicy(config.msrp.file_size, config.msrp.file_types)


def relay_limits(config: Config) -> RelayLimits:
    """Bounds of the MSRP relay."""
    msrp = config.msrp
    return RelayLimits(
        uris=msrp.relay_uris,
        user_uris=msrp.relay_user_uris,
        auths=msrp.relay_auths,
        pending=msrp.relay_pending,
        min_expires_s=int(msrp.relay_min_expires),
        max_expires_s=int(msrp.relay_max_expires),
        plain=msrp.relay_plain,
        proven=config.tls.client_certificates == "require",
    )


def http_limits(config: Config) -> HttpLimits:
    """Bounds of HTTP requests."""
    limits = config.limits
    return HttpLimits(
        target_bytes=limits.http_target_size,
        head_bytes=limits.http_head_size,
        body_bytes=limits.http_body_size,
        upload_bytes=config.content.file_size + _FORM_BYTES if config.content.domains else 0,
        connections=limits.connections,
        per_source=limits.connections_per_source,
        head_s=limits.first_message,
    )


def origins(config: Config) -> Origins:
    """Which web pages may connect."""
    table = config.websocket
    advertised = config.network.advertise
    names = (*config.domains, *table.hosts, *((advertised,) if advertised else ()))
    return Origins(names, table.origins, table.require_origin)


def xcap_limits(config: Config) -> XcapLimits:
    """What documents of users may be."""
    xcap = config.xcap
    return XcapLimits(xcap.document_size, xcap.documents, Bounds(depth=xcap.depth))


def xcap_rate(config: Config) -> Rate:
    """How often a user may ask for documents."""
    return Rate(config.xcap.rate, config.xcap.burst)


def content(config: Config) -> ContentSettings:
    """What files may be uploaded and for how long they are kept."""
    table = config.content
    return ContentSettings(
        domains=table.domains,
        file_bytes=table.file_size,
        user_bytes=table.user_size,
        total_bytes=table.total_size,
        files=table.files,
        lifetime_s=table.lifetime,
        types=table.types,
        scan=table.scan,
        scan_s=table.scan_timeout,
        open=table.access == "link",
        readers=table.readers,
    )


def oversize_settings(config: Config) -> OversizeSettings:
    """What becomes of messages that are large, by the domain of the sender."""
    own = {domain.name: domain.large for domain in config.domain}
    return OversizeSettings(
        octets=config.limits.udp_size,
        inline=config.content.inline_size,
        domains={
            name: Large(_chosen(own.get(name), config.pager.large)) for name in config.domains
        },
    )


def proxy_config(config: Config) -> ProxyConfig:
    """Bounds and times of forking."""
    return ProxyConfig(
        max_branches=config.limits.branches,
        udp_octets=config.limits.udp_size,
    )


def registrar_limits(config: Config) -> RegistrarLimits:
    """What a REGISTER may ask for."""
    registrar = config.registrar
    return RegistrarLimits(
        min_s=int(registrar.min_expires),
        max_s=int(registrar.max_expires),
        default_s=int(registrar.default_expires),
        max_bindings=registrar.max_bindings,
    )


def way_settings(config: Config) -> WaySettings:
    """Which domains are found by DNS, and how their servers are tried."""
    table = config.interconnect
    return WaySettings(frozenset(table.find), table.patience, table.rest)


def registrar_words(config: Config, gruus: Gruus) -> Words:
    """What the answer to a REGISTER says besides the bindings."""
    registrar = config.registrar
    return Words(
        [b"<%b>" % uri.encode() for uri in registrar.service_route],
        int(registrar.flow_timer),
        gruus if registrar.gruu else None,
    )


def ims_settings(config: Config) -> ImsSettings:
    """What the node tells and expects between the servers of an IMS."""
    ims = config.ims
    ioi = ims.ioi or config.domains[0]
    return ImsSettings(ioi.encode(), ims.deliver == "originating", ims.answer_within)


def push_settings(config: Config) -> PushSettings:
    """Which devices are woken, and when."""
    table = config.push
    providers = frozenset(name.lower() for name in table.providers)
    return PushSettings(providers, table.awake, table.interval, table.refresh)


def push_sender(config: Config) -> Sender:
    """Load the sender of push notifications.

    Raises: ConfigError when it cannot be loaded.
    """
    table = config.push
    options = dict(option.split("=", 1) for option in table.options)
    try:
        return load_sender(table.sender, options)
    except SenderError as error:
        problem = Problem("push.sender", f'"{table.sender}"', str(error), "correct [push]")
        raise ConfigError([problem], str(config.path or "")) from error


def rates(config: Config) -> RateSettings:
    """Token buckets of sources and users."""
    limits = config.limits
    return RateSettings(
        unauthenticated=Rate(limits.source_rate, limits.source_burst),
        ban_s=limits.source_ban,
        message=Rate(limits.message_rate, limits.message_burst),
        register=Rate(limits.register_rate, limits.register_burst),
        subscribe=Rate(limits.subscribe_rate, limits.subscribe_burst),
        invite=Rate(limits.invite_rate, limits.invite_burst),
        refer=Rate(limits.refer_rate, limits.refer_burst),
        nickname=Rate(limits.nickname_rate, limits.nickname_burst),
        exempt=tuple(str(network) for network in limits.exempt),
    )


def throttle(config: Config) -> ThrottleSettings:
    """Delays after failed answers."""
    auth = config.auth
    return ThrottleSettings(
        failures=auth.failures,
        window_s=auth.failure_window,
        first_delay_s=auth.failure_delay,
        max_delay_s=auth.failure_delay_max,
    )


def token_limits(config: Config) -> TokenLimits:
    """What programs may ask of the HTTP API."""
    return TokenLimits(Rate(config.api.rate, config.api.burst), throttle(config))


def webhook_policy(config: Config) -> Policy:
    """Where webhooks may be."""
    webhook = config.webhook
    return Policy(webhook.allow, webhook.plain_http, webhook.timeout, webhook.connections)


def webhook_retry(config: Config) -> Retry:
    """Pauses between attempts."""
    return Retry(config.webhook.retry_min, config.webhook.retry_max)


def number_plans(config: Config) -> dict[str, NumberPlan]:
    """How users write numbers, by domain."""
    return {
        domain.name: NumberPlan(
            domain.country_code,
            domain.national_prefix,
            domain.international_prefix,
            domain.area_code,
        )
        for domain in config.domain
        if domain.country_code
    }


def auth_settings(config: Config) -> AuthSettings:
    """Algorithms and nonces."""
    return AuthSettings(
        algorithms=config.auth.algorithms,
        domain_algorithms={
            domain.name: domain.algorithms for domain in config.domain if domain.algorithms
        },
        listener_algorithms={
            (listener.transport, listener.host, listener.port): algorithms
            for listener, algorithms in config.listener_algorithms().items()
        },
        nonce_lifetime_s=config.auth.nonce_lifetime,
    )


def agreement(config: Config) -> Agreement | None:
    """What terminals that insist on sec-agree are offered; None refuses them."""
    mode = config.auth.agreement
    if mode == "refuse" or config.edge.domains:
        return None
    if mode == "ignore":
        return Agreement(())
    tls = any(entry.transport == "TLS" for entry in config.listen)
    return Agreement(("tls", "digest") if tls else ("digest",))


def pager_settings(config: Config) -> PagerSettings:
    """Times and bounds of the pager."""
    pager = config.pager
    return PagerSettings(
        mode=StoreMode(pager.store),
        domain_modes={d.name: StoreMode(d.store) for d in config.domain if d.store is not None},
        defer_after_s=pager.defer_after,
        message_lifetime_s=pager.message_lifetime,
        message_body_bytes=config.limits.message_body_size,
        mailbox_messages=pager.mailbox_messages,
        retry_min_s=pager.retry_min,
        retry_max_s=pager.retry_max,
    )


def tally_settings(config: Config) -> TallySettings:
    """How receipts about messages to many are gathered."""
    lists = config.lists
    return TallySettings(
        lists.receipts_wait, lists.receipts_keep, lists.receipts_max, config.pager.message_lifetime
    )


def keep_of(retention: str) -> Keep:
    """How long a retention as it is written keeps a message."""
    return parse_keep(parse_duration(retention) if retention[0].isdigit() else retention)


def history_settings(config: Config) -> HistorySettings:
    """Who keeps messages for how long, and who gets copies of what was sent."""
    return HistorySettings(
        domains=config.domains,
        keep=keep_of(config.history.retention),
        domain_keep={d.name: keep_of(d.history) for d in config.domain if d.history is not None},
        carbons=config.history.carbons,
        domain_carbons={d.name: d.carbons for d in config.domain if d.carbons is not None},
    )


def policy_settings(config: Config) -> PolicySettings:
    """What each domain allows."""
    own = {domain.name: domain for domain in config.domain}
    return PolicySettings(
        domains={
            name: _domain_policy(config.policy, own.get(name) or Domain(name=name))
            for name in config.domains
        },
        contacts=config.policy.contacts,
    )


def _domain_policy(general: PolicyTable, own: Domain) -> DomainPolicy:
    return DomainPolicy(
        types=_chosen(own.types, general.types),
        size=_chosen(own.message_size, general.message_size),
        strangers=Strangers(_chosen(own.strangers, general.strangers)),
        block_answer=BlockAnswer(_chosen(own.block_answer, general.block_answer)),
        rate=_chosen(own.message_rate, general.message_rate),
        burst=_chosen(own.message_burst, general.message_burst),
        fan_out=_chosen(own.fan_out, general.fan_out),
        new_recipients=_chosen(own.new_recipients, general.new_recipients),
        rules=_chosen(own.rules, general.rules),
    )


def event_settings(config: Config) -> EventSettings:
    """Bounds and habits of the presence server."""
    table = config.presence
    longest, longest_published = int(table.subscribe_max), int(table.publish_max)
    return EventSettings(
        notifier=NotifierSettings(
            per_watcher=table.per_watcher,
            per_resource=table.per_target,
            total=table.subscriptions,
            per_pair=table.per_pair,
            nameless=table.nameless,
            suspend=table.unanswered == "suspend",
            waiting_s=table.waiting,
        ),
        compositor=CompositorSettings(
            expires_default=min(3_600, longest_published),
            expires_min=int(table.publish_min),
            expires_max=longest_published,
            per_resource=table.publications,
            body_octets=table.publish_size,
        ),
        subscription=(min(3_600, longest), int(table.subscribe_min), longest),
        interval_s=table.notify_interval,
        lists=ListSettings(
            ListLimits(table.list_members, table.list_references, table.list_followed),
            table.list_remotes,
            table.list_remotes_per_user,
        ),
        passed_on=frozenset(table.forward),
    )


def watcher_standing(config: Config) -> dict[str, Standing]:
    """How strangers stand with the users of each domain."""
    own = {domain.name: domain.watchers for domain in config.domain}
    general = config.presence.strangers
    return {name: Standing[_chosen(own.get(name), general).upper()] for name in config.domains}


def _chosen(own: _T | None, general: _T) -> _T:
    return general if own is None else own


def content_rules(config: Config) -> ContentRules:
    """Load the content rules.

    Raises: ConfigError for a rule that cannot be loaded.
    """
    wanted = []
    for rule in config.rule:
        options = dict(option.split("=", 1) for option in rule.options)
        if rule.file is not None:
            options["file"] = str(config.directory / rule.file)
        wanted.append(RuleSettings(rule.name, rule.uses, options))
    try:
        made = load_rules(wanted)
    except RuleError as error:
        names = [rule.name for rule in config.rule]
        key = f"rule[{names.index(error.rule)}]"
        problem = Problem(key, f'"{error.rule}"', error.problem, "correct or remove the table")
        raise ConfigError([problem], str(config.path or "")) from error
    return ContentRules(made, config.policy.rule_budget, config.policy.rule_failure == "refuse")
