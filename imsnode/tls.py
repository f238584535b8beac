# SPDX-License-Identifier: Apache-2.0
"""TLS: contexts from certificate files, and a self-made certificate for a start without any."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "CertificateFiles",
    "TlsConfigError",
    "client_context",
    "fingerprint_of",
    "self_signed",
    "server_context",
    "trust",
]

_LIFETIME = dt.timedelta(days=365)
_RENEW_BEFORE = dt.timedelta(days=7)
# A clock that runs behind ours must not take the certificate for one of the future.
_BACKDATED = dt.timedelta(hours=1)


class TlsConfigError(Exception):
    """A certificate or key cannot be used. Fields: setting, path, reason."""

    def __init__(self, setting: str, path: Path, reason: str) -> None:
        super().__init__(f"{path} (setting {setting}): {reason}")
        self.setting = setting
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate and its key, both PEM; table: where the configuration names them."""

    cert: Path
    key: Path
    table: str = "tls"


def server_context(files: CertificateFiles) -> ssl.SSLContext:
    """Return the context of a listener: TLS 1.2 or later, no compression, no renegotiation.

    Raises: TlsConfigError when a file is missing, does not fit, or everybody may read the key.
    Spec: RFC 3261 26.3.1.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    _show(context, files)
    return context


def client_context(
    authorities: Path | None = None, files: CertificateFiles | None = None
) -> ssl.SSLContext:
    """Return the context for connections we open; the peer's certificate is always checked.

    Args:   authorities: as in `trust`. files: our own certificate, for servers that ask for one.
    Raises: TlsConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    trust(context, authorities)
    if files is not None:
        _show(context, files)
    return context


def trust(context: ssl.SSLContext, authorities: Path | None) -> None:
    """Believe these certificates, in a PEM file, or without one those that the system believes.

    Raises: TlsConfigError.
    """
    if authorities is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(authorities)
    except (ssl.SSLError, OSError) as error:
        raise TlsConfigError("tls.authorities", authorities, "no usable certificate") from error


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Of TLS 1.2 what keeps past traffic secret when the key is lost, and authenticates in one go.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _show(context: ssl.SSLContext, files: CertificateFiles) -> None:
    """Have a context show a certificate."""
    certificate, key = f"{files.table}.certificate", f"{files.table}.key"
    for setting, path in ((certificate, files.cert), (key, files.key)):
        if not path.is_file():
            raise TlsConfigError(setting, path, "no such file")
    if files.key.stat().st_mode & 0o007:
        raise TlsConfigError(key, files.key, "other users may read it; set its mode to 0600")
    try:
        context.load_cert_chain(files.cert, files.key)
    except PermissionError as error:
        raise TlsConfigError(key, files.key, "not readable") from error
    except (ssl.SSLError, OSError) as error:
        problem = "certificate and key do not fit"
        raise TlsConfigError(certificate, files.cert, problem) from error


def fingerprint_of(certificate: str) -> bytes:
    """Return the a=fingerprint of a PEM certificate, the first where there are several.

    Spec: RFC 8122 5.
    """
    end = "-----END CERTIFICATE-----"
    first = certificate[certificate.index("-----BEGIN CERTIFICATE-----") :].partition(end)[0] + end
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest().upper()
    return b"SHA-256 " + ":".join(digest[at : at + 2] for at in range(0, 64, 2)).encode()


def self_signed(
    directory: Path, names: Sequence[str], addresses: Sequence[str] = ("127.0.0.1", "::1")
) -> CertificateFiles:
    """Return a self-made certificate for names and IP addresses; an existing one is kept.

    It is made anew when it ends within a week or does not name everything asked for. The key
    never leaves the directory and is readable by its owner only.
    """
    files = CertificateFiles(directory / "self-signed.crt", directory / "self-signed.key")
    wanted = _subjects(names, addresses)
    now = dt.datetime.now(dt.UTC)
    if _usable(files, wanted, now):
        return files
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "imsnode")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(files.key, pem, 0o600)
    _write(files.cert, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return files


def _subjects(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    subjects: list[x509.GeneralName] = []
    for name in names:
        subjects.append(x509.DNSName(name))
        # RFC 5922 7.1: the domain of a SIP certificate stands in a sip URI.
        subjects.append(x509.UniformResourceIdentifier(f"sip:{name}"))
    subjects += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    return subjects


def _usable(files: CertificateFiles, wanted: Sequence[x509.GeneralName], now: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.cert.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), None)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return (
        certificate.not_valid_after_utc > now + _RENEW_BEFORE
        and certificate.public_key() == key.public_key()
        and set(wanted) <= set(named)
    )


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Replace a file in one step; it never has wider rights than `mode`."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(octets)
    temporary.replace(path)
