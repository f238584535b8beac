# SPDX-License-Identifier: Apache-2.0
"""The node's certificates: which one it shows to whom, whom it asks for theirs, when they end.

A listener's context lives as long as the listener. It hands every handshake on to the contexts
that are in force at that moment, so new certificates need no listener, and no connection, to end.
"""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography import x509

from .tls import (
    CertificateFiles,
    TlsConfigError,
    client_context,
    fingerprint_of,
    server_context,
    trust,
)

__all__ = ["Asks", "Certificates", "Contexts", "TlsSettings"]

_log = logging.getLogger(__name__)

#: Whether a client is asked for its certificate, and may go without.
Asks = Literal["none", "ask", "require"]

_VERIFY: Mapping[Asks, ssl.VerifyMode] = {
    "none": ssl.CERT_NONE,
    "ask": ssl.CERT_OPTIONAL,
    "require": ssl.CERT_REQUIRED,
}
_WARN_BEFORE = dt.timedelta(days=14)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Which files are used for what.

    files: the general certificate. shown: the one for servers that ask for ours. domains:
    certificates for clients that name a domain (SNI, RFC 6066 3). authorities: who vouches for
    others; None: whom the system trusts. asks: per listener, by its text; `ask` for the rest.
    """

    files: CertificateFiles
    shown: CertificateFiles | None = None
    domains: Mapping[str, CertificateFiles] = field(default_factory=dict)
    authorities: Path | None = None
    ask: Asks = "none"
    asks: Mapping[str, Asks] = field(default_factory=dict)

    @property
    def asks_anybody(self) -> bool:
        """True when some listener wants certificates of clients."""
        return any(each != "none" for each in (self.ask, *self.asks.values()))


class Contexts:
    """Everything that is in force at a time. Blocks while it is made.

    sip, msrp: for connections we open; a SIP peer's certificate is held against RFC 5922 once the
    handshake is over. fingerprint: of the certificate for whom names no domain, as in SDP
    (RFC 8122 5). ends: by domain ("" for the general one) when a certificate ends.

    Raises: TlsConfigError.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self.settings = settings
        self.general = self._server(settings.files)
        self.named = {name: self._server(files) for name, files in settings.domains.items()}
        self.sip = client_context(settings.authorities, settings.shown)
        # An address, or a domain in a URI: neither is what OpenSSL would look for.
        self.sip.check_hostname = False
        self.msrp = client_context(settings.authorities, settings.shown)
        shown = {"": settings.files, **settings.domains}
        self.ends = {
            name: _certificate(files.cert).not_valid_after_utc for name, files in shown.items()
        }
        self.fingerprint = fingerprint_of(settings.files.cert.read_text())

    def _server(self, files: CertificateFiles) -> ssl.SSLContext:
        context = server_context(files)
        if self.settings.asks_anybody:
            trust(context, self.settings.authorities)
            # What a handshake asks for is its listener's to say; this lets us read the answer.
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class Certificates:
    """The contexts in force, and the listeners that show them."""

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts
        self._listeners: dict[str, ssl.SSLContext] = {}

    def use(self, contexts: Contexts) -> None:
        """Show these to whoever comes from now on."""
        self.contexts = contexts
        for name, context in self._listeners.items():
            context.verify_mode = self._verify(name)

    def listener(self, name: str) -> ssl.SSLContext:
        """Return the context of a SIP listener, which may ask clients for a certificate."""
        context = self._front(by_name=True)
        context.verify_mode = self._verify(name)
        # A session that is resumed would outlive the trust in who began it.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        self._listeners[name] = context
        return context

    def open_listener(self) -> ssl.SSLContext:
        """Return the context of a listener that asks nobody for a certificate."""
        return self._front(by_name=True)

    def relay_listener(self) -> ssl.SSLContext:
        """Return the context of an MSRP listener, whose certificate was announced in SDP before.

        Other relays may show theirs, clients need not have any (RFC 4976 6.1).
        """
        context = self._front(by_name=False)
        if self.contexts.settings.asks_anybody:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def _front(self, by_name: bool) -> ssl.SSLContext:
        context = server_context(self.contexts.settings.files)

        def choose(shown: ssl.SSLObject, name: str | None, _front: ssl.SSLContext) -> None:
            now = self.contexts
            named = now.named.get(name.lower()) if name and by_name else None
            shown.context = named or now.general

        # Called whether or not the client names anybody.
        context.sni_callback = choose
        return context

    def _verify(self, name: str) -> ssl.VerifyMode:
        settings = self.contexts.settings
        return _VERIFY[settings.asks.get(name, settings.ask)]

    def warn(self, now: dt.datetime) -> None:
        """Say it while a certificate is about to end, or has ended."""
        for name, end in self.contexts.ends.items():
            if end - now < _WARN_BEFORE:
                _log.warning(
                    "a certificate ends soon: put a new one in its place and reload",
                    extra={"domain": name or "(general)", "ends": end.isoformat()},
                )

    def ends(self) -> dict[str, float]:
        """Return when the certificates end, in seconds of Unix time, by domain."""
        return {name: end.timestamp() for name, end in self.contexts.ends.items()}


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsConfigError("tls.certificate", path, "no usable certificate") from error
