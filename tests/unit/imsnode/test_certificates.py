# SPDX-License-Identifier: Apache-2.0
"""Which certificate is shown to whom, and what a reload changes: handshakes in memory."""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from pathlib import Path

import pytest

from imsnode.certificates import Asks, Certificates, Contexts, TlsSettings
from imsnode.tls import CertificateFiles, TlsConfigError
from sip.certificates import sip_domains
from tests.support.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Ends:
    """A handshake between two contexts, without a socket."""

    def __init__(
        self, server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = "a.test"
    ) -> None:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(up, down, server_side=True)
        self.client = client.wrap_bio(down, up, server_hostname=name)
        for _ in range(4):
            for end in (self.client, self.server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue

    @property
    def shown(self) -> frozenset[str]:
        """Whom the server says it is."""
        return sip_domains(self.client.getpeercert() or {})

    @property
    def proven(self) -> frozenset[str]:
        """Whom the client has proven to be."""
        return sip_domains(self.server.getpeercert() or {})


def settings(
    authority: Authority, *domains: str, ask: Asks = "none", ending: float = 100.0
) -> TlsSettings:
    files = authority.issue("a.test", days=ending)
    return TlsSettings(
        files=files,
        shown=files,
        domains={name: authority.issue(name) for name in domains},
        authorities=authority.file,
        ask=ask,
    )


def test_who_names_a_domain_sees_its_certificate(authority: Authority) -> None:
    made = Certificates(Contexts(settings(authority, "b.test")))
    front, client = made.listener("tls:1"), made.contexts.sip
    assert Ends(front, client, "b.test").shown == {"b.test"}
    assert Ends(front, client, "B.test").shown == {"b.test"}
    assert Ends(front, client, "c.test").shown == {"a.test"}
    assert Ends(front, client, None).shown == {"a.test"}
    # MSRP's was announced in SDP before anybody could name a domain.
    assert Ends(made.relay_listener(), client, "b.test").shown == {"a.test"}


@pytest.mark.parametrize(
    ("ask", "proven"), [("none", set()), ("ask", {"a.test"}), ("require", {"a.test"})]
)
def test_clients_prove_who_they_are(authority: Authority, ask: Asks, proven: set[str]) -> None:
    made = Certificates(Contexts(settings(authority, "b.test", ask=ask)))
    for name in ("a.test", "b.test"):
        assert Ends(made.listener("tls:1"), made.contexts.sip, name).proven == proven
    assert Ends(made.open_listener(), made.contexts.sip).proven == frozenset()


def test_who_has_no_certificate_may_come_unless_one_is_required(authority: Authority) -> None:
    nobody = Contexts(TlsSettings(authority.issue("n.test"), authorities=authority.file)).sip
    asking = Certificates(Contexts(settings(authority, ask="ask")))
    assert Ends(asking.listener("tls:1"), nobody).proven == frozenset()
    strict = Certificates(Contexts(settings(authority, ask="require")))
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        Ends(strict.listener("tls:1"), nobody)


def test_a_strangers_certificate_is_worse_than_none(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path).issue("a.test")
    client = Contexts(TlsSettings(stranger, stranger, authorities=authority.file)).sip
    asking = Certificates(Contexts(settings(authority, ask="ask")))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        Ends(asking.listener("tls:1"), client)


def test_a_reload_changes_what_comes_and_nothing_that_stands(authority: Authority) -> None:
    made = Certificates(Contexts(settings(authority)))
    front, client = made.listener("tls:1"), made.contexts.sip
    before = Ends(front, client, "b.test")
    made.use(Contexts(settings(authority, "b.test", ask="require")))
    after = Ends(front, made.contexts.sip, "b.test")
    assert (before.shown, after.shown) == ({"a.test"}, {"b.test"})
    assert (before.proven, after.proven) == (frozenset(), {"a.test"})
    before.client.write(b"still here")
    assert before.server.read() == b"still here"


def test_old_versions_and_weak_ciphers_are_refused(authority: Authority) -> None:
    made = Certificates(Contexts(settings(authority)))
    assert made.contexts.general.minimum_version == ssl.TLSVersion.TLSv1_2
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("ECDHE-ECDSA-AES128-SHA:AES128-SHA")
    with pytest.raises(ssl.SSLError):
        Ends(made.listener("tls:1"), old)


def test_bad_files_are_named_and_change_nothing(authority: Authority, tmp_path: Path) -> None:
    good = authority.issue("a.test")
    mixed = CertificateFiles(good.cert, authority.issue("b.test").key, 'domain "a.test"')
    with pytest.raises(TlsConfigError, match='domain "a.test".certificate.*do not fit'):
        Contexts(TlsSettings(good, domains={"a.test": mixed}))
    with pytest.raises(TlsConfigError, match="tls.authorities"):
        Contexts(TlsSettings(good, authorities=tmp_path / "none.pem"))


def test_the_end_is_told_in_time(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    made = Certificates(Contexts(settings(authority, "b.test", ending=10.0)))
    now = dt.datetime.now(dt.UTC)
    assert 9.9 < (made.ends()[""] - now.timestamp()) / 86400 < 10.1
    with caplog.at_level(logging.WARNING):
        made.warn(now)
    assert [getattr(record, "domain", None) for record in caplog.records] == ["(general)"]
