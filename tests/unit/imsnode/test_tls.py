# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from imsnode.tls import (
    CertificateFiles,
    TlsConfigError,
    client_context,
    self_signed,
    server_context,
)


def test_self_made_certificate_names_everything(tmp_path: Path) -> None:
    files = self_signed(tmp_path / "tls", ["ims.test", "other.test"], ["127.0.0.1", "::1"])
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(files.cert.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ims.test", "other.test"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "sip:ims.test",
        "sip:other.test",
    ]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_it_is_kept_while_it_fits(tmp_path: Path) -> None:
    first = self_signed(tmp_path, ["ims.test"])
    octets = first.cert.read_bytes()
    assert self_signed(tmp_path, ["ims.test"]).cert.read_bytes() == octets
    assert self_signed(tmp_path, ["ims.test", "new.test"]).cert.read_bytes() != octets


def test_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    files = self_signed(tmp_path, ["ims.test"])
    files.key.write_bytes(b"broken")
    files = self_signed(tmp_path, ["ims.test"])
    server_context(files)


def test_contexts_are_strict(tmp_path: Path) -> None:
    files = self_signed(tmp_path, ["ims.test"])
    server = server_context(files)
    client = client_context(files.cert)
    for context in (server, client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION
    assert client.verify_mode == ssl.CERT_REQUIRED
    assert client.check_hostname


def test_unusable_files_are_named(tmp_path: Path) -> None:
    files = self_signed(tmp_path, ["ims.test"])
    other = self_signed(tmp_path / "other", ["ims.test"])
    missing = tmp_path / "missing.pem"
    with pytest.raises(TlsConfigError, match="no such file") as caught:
        server_context(CertificateFiles(missing, files.key))
    assert caught.value.setting == "tls.certificate"
    with pytest.raises(TlsConfigError, match="do not fit"):
        server_context(CertificateFiles(files.cert, other.key))
    with pytest.raises(TlsConfigError, match="no usable certificate"):
        client_context(missing)


def test_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    files = self_signed(tmp_path, ["ims.test"])
    files.key.chmod(0o644)
    with pytest.raises(TlsConfigError, match="other users may read it") as caught:
        server_context(files)
    assert caught.value.setting == "tls.key"
