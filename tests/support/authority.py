# SPDX-License-Identifier: Apache-2.0
"""An authority for tests: it vouches for whomever it is asked to."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from imsnode.tls import CertificateFiles

_PEM = serialization.Encoding.PEM


class Authority:
    """Issues certificates into a directory. file: its own certificate, for who shall trust it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {directory.name}")])
        self._issued = 0
        self.file = directory / "ca.pem"
        own = self._builder(self._name, self._key.public_key(), 100.0).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def issue(
        self, *names: str, uris: tuple[str, ...] = (), addresses: tuple[str, ...] = (),
        days: float = 50.0,
    ) -> CertificateFiles:  # fmt: skip
        """Return a certificate for DNS names, URIs and addresses, and its key."""
        self._issued += 1
        key = ec.generate_private_key(ec.SECP256R1())
        subjects: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        subjects += [x509.UniformResourceIdentifier(uri) for uri in uris]
        subjects += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"server {self._issued}")])
        certificate = (
            self._builder(subject, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = CertificateFiles(
            self._directory / f"{self._issued}.crt", self._directory / f"{self._issued}.key"
        )
        files.cert.write_bytes(certificate.public_bytes(_PEM))
        files.key.write_bytes(
            key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        files.key.chmod(0o600)
        return files

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=days))
        )
