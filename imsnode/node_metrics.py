# SPDX-License-Identifier: Apache-2.0
"""The node's counters under their public names; everything is read at scrape time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.reasons import REASONS

from .metrics import Metrics
from .peers.metrics import peer_metrics
from .rooms.metrics import room_metrics
from .sms.metrics import sms_metrics

if TYPE_CHECKING:
    from .app import App
    from .msrp import Sessions

ENDPOINT = {
    "requests": "Requests received.",
    "responses": "Responses received.",
    "retransmissions_in": "Retransmissions absorbed.",
    "malformed": "Messages refused by the parser.",
    "stray_responses": "Responses without a transaction, dropped.",
    "resent": "Requests and responses sent again by a timer.",
    "ignored": "Datagrams that are not SIP, dropped.",
    "stun": "STUN keep-alives answered.",
    "refused_source": "Datagrams from ports and addresses that are never answered, dropped.",
    "silent_replies": "Answers not sent: larger than the request allows, or forbidden.",
    "shed": "Requests refused because the transaction table was full.",
    "client_timeouts": "Client transactions that ended without an answer.",
    "transport_failures": "Client transactions that ended with their flow.",
}
AUTH = {
    "challenged": "Challenges sent.",
    "accepted": "Requests accepted with digest.",
    "asserted": "Requests accepted from trusted peers.",
    "certified": "Requests accepted from servers that proved their domain.",
    "failed": "Wrong credentials.",
    "stale": "Nonces that were too old or used twice.",
    "malformed": "Credentials that do not parse.",
    "forbidden": "Identities that were not the sender's.",
    "throttled": "Attempts refused after too many failures.",
    "dropped": "Requests dropped from sources above their rate.",
}
GATE = {
    "refused": "Requests refused at the gate.",
    "limited": "Requests of users above their rate.",
    "foreign": "Requests for domains not served.",
    "not_found": "Requests for unknown users.",
    "draining": "Requests refused while stopping.",
    "acks_dropped": "ACKs that no dialog of ours explains.",
}
MSRP = {
    "accepted": "MSRP connections accepted.",
    "refused_limit": "MSRP connections refused, of too many.",
    "connects": "MSRP connections opened.",
    "connect_failed": "MSRP connections that could not be opened.",
    "handshake_failed": "TLS handshakes that failed.",
    "framing_errors": "MSRP connections closed because they were out of step.",
    "closed_output": "MSRP connections closed with too much unread.",
    "stalled": "MSRP connections closed because nothing was read.",
}
MSRP_RELAY = {
    "chunks": "Chunks relayed.",
    "octets": "Octets of bodies relayed.",
    "refused": "Requests the relay answered with an error.",
    "reports": "Failures the relay reported to senders.",
    "timeouts": "SENDs that a next hop did not answer.",
}
STORAGE = {
    "groups": "Group commits.",
    "operations": "Operations committed.",
    "failed_groups": "Group commits that failed.",
    "refused": "Operations refused because too many waited.",
    "ledger_rows": "Ledger rows written.",
    "ledger_dropped": "Ledger entries dropped.",
    "archived": "Messages archived.",
    "archive_dropped": "Messages missing from the archive.",
    "cdr_lines": "Charging records written.",
    "reconnects": "Times the database connection was made again.",
    "cdr_lost": "Charging records that could not be written.",
}
PAGER = {
    "submitted": "Messages handed to the pager.",
    "relayed": "Messages whose recipient answered 2xx.",
    "passed_on": "Messages whose recipient's other final answer went back.",
    "stored": "Messages stored and answered 202.",
    "copies": "Copies stored for further devices.",
    "duplicates": "Repeats recognised.",
    "refused_size": "Messages refused by size.",
    "refused_content": "Messages refused by what they carry.",
    "refused_policy": "Messages refused by a policy.",
    "dropped": "Messages turned away without a word to their sender.",
    "held": "Messages stored for users who want nothing for the moment.",
    "refused_full": "Messages refused because the mailbox was full.",
    "refused_store": "Messages refused because the store could not commit.",
    "refused_unavailable": "Messages refused because nobody was there and nothing may be stored.",
    "attempts": "Deliveries tried from the store.",
    "delivered": "Deliveries from the store that a device accepted.",
    "refused_by_device": "Deliveries from the store that a device refused for good.",
    "retries": "Deliveries that will be tried again.",
    "expired": "Stored messages that expired.",
    "unsettled": "Copies that could not be stored after a 200.",
    "store_failures": "Commits, marks and reads of the pager that failed.",
}

EVENTS = {
    "subscribed": "Subscriptions begun, fetches included.",
    "refreshed": "Subscriptions refreshed or ended by their watchers.",
    "rejected": "SUBSCRIBEs refused.",
    "notifies": "NOTIFYs sent.",
    "suppressed": "Refreshes answered without a NOTIFY, because the state was known (204).",
    "failed": "NOTIFYs that failed for the moment.",
    "refused": "NOTIFYs whose answer, or lack of one, ended the subscription.",
    "unreachable": "NOTIFYs that found no way to their watcher.",
    "published": "PUBLISHes taken.",
    "conflicts": "PUBLISHes with a stale entity tag (412).",
}

API = {
    "admitted": "Requests with a good token.",
    "unauthorised": "Requests without one.",
    "forbidden": "Requests beyond the scopes of their token.",
    "limited": "Requests of tokens above their rate.",
    "throttled": "Requests refused after too many bad tokens.",
}
SERVICE = {
    "attempts": "Messages given to the handler of a service account.",
    "taken": "Messages that a handler took.",
    "retries": "Pauses after a failed attempt.",
    "given_up": "Messages that a handler refused for good.",
    "fetched": "Messages fetched for a service account.",
    "events_dropped": "Events about messages of service accounts that found no room.",
}


def node_metrics(metrics: Metrics, app: App) -> None:
    """Register the counters of every part of the node."""
    metrics.stats("sip", app.edge.endpoint.stats, ENDPOINT)
    metrics.labelled(
        "refusals", "Requests answered with an error of our own.", "reason", lambda: refusals(app)
    )
    metrics.labelled(
        "screened",
        "Messages turned away or kept back by a policy.",
        "rule",
        lambda: app.messaging.policies.refused,
    )
    metrics.counter(
        "content_rule_failures",
        "Messages a content rule could not judge.",
        lambda: app.messaging.policies.content.failed,
    )
    metrics.labelled(
        "tls_certificate_ends_seconds",
        'When a certificate ends, in Unix time; "" is the one for whoever names no other domain.',
        "domain",
        app.edge.certificate_ends,
        kind="gauge",
    )
    resolver, ways = app.edge.resolver, app.ways
    metrics.labelled(
        "dns_questions",
        "Questions to DNS: put to a server, answered by none, answered from memory.",
        "outcome",
        lambda: {
            "asked": resolver.asked, "silent": resolver.silent, "remembered": resolver.remembered
        },
    )  # fmt: skip
    metrics.gauge("dns_waiting", "Requests that wait for DNS.", lambda: len(app.node.onward.held))
    metrics.gauge(
        "servers_resting",
        "Servers of other domains that failed and are tried last.",
        lambda: len(ways.quarantine),
    )
    metrics.stats("auth", app.admission.authenticator.stats, AUTH)
    metrics.stats("gate", app.node.stats, GATE)
    metrics.stats("storage", app.storage.stats, STORAGE)
    metrics.stats("pager", app.messaging.pager.stats, PAGER)
    metrics.stats("api", app.web.bearer.stats, API)
    metrics.stats("service", app.messaging.mailroom.stats, SERVICE)
    if app.pushing is not None:
        app.pushing.report(metrics)
    presence = app.presence
    if presence is not None:
        server = presence.server
        metrics.stats("events", server.stats, EVENTS)
        metrics.gauge("subscriptions", "Live subscriptions.", lambda: len(server.notifier))
        metrics.gauge("publications", "Live publications.", lambda: len(server.compositor))
    sessions = app.sessions
    if sessions is not None:
        anchor = sessions.connections.anchor
        metrics.stats("msrp", sessions.connections.stats, MSRP)
        metrics.gauge("msrp_sessions", "Anchored sessions.", lambda: anchor.stats.streams)
        metrics.gauge(
            "msrp_connections", "MSRP connections.", lambda: len(sessions.connections.live)
        )
        metrics.counter("msrp_chunks", "Chunks passed on.", lambda: anchor.stats.chunks)
        metrics.counter("msrp_octets", "Octets passed on.", lambda: anchor.stats.octets)
        metrics.counter(
            "msrp_refused", "Chunks answered with an error.", lambda: anchor.stats.refused
        )
        relay = sessions.relay
        if relay is not None:
            metrics.stats("msrp_relay", relay.stats, MSRP_RELAY)
            metrics.gauge(
                "msrp_relay_uris", "URIs handed out by the relay.", lambda: len(relay.grants)
            )
            asked = relay.authorizing
            metrics.counter("msrp_relay_auth_granted", "AUTHs granted.", lambda: asked.granted)
            metrics.counter(
                "msrp_relay_auth_refused",
                "AUTHs challenged or refused.",
                lambda: asked.refused,
            )
        _own_sessions(metrics, sessions)
        metrics.labelled("msrp_ended", "Sessions that ended.", "rule", lambda: sessions.calls.ended)
    room_metrics(metrics, app)
    peer_metrics(metrics, app.peering.interconnect)
    sms_metrics(metrics, app.sms)
    layer = app.edge.endpoint.layer
    metrics.gauge("transactions_server", "Live server transactions.", lambda: layer.server_count)
    metrics.gauge("transactions_client", "Live client transactions.", lambda: layer.client_count)
    metrics.gauge(
        "transactions_completed", "Answers kept for retransmissions.", lambda: layer.completed_count
    )
    metrics.gauge("content_files", "Uploaded files kept.", lambda: app.web.content.files)
    metrics.gauge("content_bytes", "Octets of uploaded files.", lambda: app.web.content.octets)
    metrics.gauge("bindings", "Live bindings.", lambda: app.location.binding_count)
    metrics.gauge("accounts", "Accounts.", lambda: len(app.admission.directory))
    metrics.counter("registrations", "REGISTER accepted.", lambda: app.registrar.accepted)
    metrics.counter("registrations_refused", "REGISTER refused.", lambda: app.registrar.refused)
    metrics.counter("registrations_failed", "REGISTER not kept.", lambda: app.registrar.failed)
    metrics.counter("echoed", "Messages echoed.", lambda: app.messaging.echo.echoed)
    metrics.counter("faults", "Faults of the node's own code.", lambda: app.edge.faults)


def _own_sessions(metrics: Metrics, sessions: Sessions) -> None:
    """Register the counters of sessions in which the node itself is a party."""
    talks, deferring = sessions.talks, sessions.deferring
    metrics.gauge("msrp_own_sessions", "Sessions of the node's own.", lambda: len(talks.all))
    if deferring is not None:
        metrics.counter(
            "msrp_taken", "Sessions taken in the place of users.", lambda: deferring.taken
        )


def refusals(app: App) -> dict[str, float]:
    """Count the node's own error answers by "STATUS reason"."""
    counted: dict[str, float] = {}
    for (status, reason), number in app.edge.endpoint.stats.refusals.items():
        phrase = reason or REASONS.get(status, b"")
        line = f"{status} {phrase.decode('ascii', 'replace')}"
        counted[line] = counted.get(line, 0) + number
    return counted
