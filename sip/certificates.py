# SPDX-License-Identifier: Apache-2.0
"""Whom a certificate names: the SIP domains in it, and whether it is that of a server.

Certificates come as `ssl.SSLSocket.getpeercert` returns them, after their chain was verified.

Spec: RFC 5922 7.1 and 7.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

__all__ = ["host_names", "names_server", "sip_domains"]

Certificate = Mapping[str, Any]  # as typeshed has it


def sip_domains(certificate: Certificate) -> frozenset[str]:
    """Return the domains a certificate speaks for, in lower case.

    URIs of scheme sip without a user part; without any the DNS names; the common name only where
    there is no alternative name at all.
    """
    names: tuple[tuple[str, str], ...] = certificate.get("subjectAltName", ())
    uris = frozenset(filter(None, (_domain_of(value) for kind, value in names if kind == "URI")))
    if uris:
        return uris
    if names:
        return host_names(certificate)
    return frozenset(_common_names(certificate))


def host_names(certificate: Certificate) -> frozenset[str]:
    """Return the DNS names in a certificate, in lower case: what RFC 4976 9.2 goes by."""
    names = certificate.get("subjectAltName", ())
    return frozenset(value.lower() for kind, value in names if kind == "DNS")


def names_server(certificate: Certificate, name: str) -> bool:
    """Tell whether a certificate is that of a domain, or of a server known by its address.

    Names are compared whole: a wildcard stands for nothing but itself.
    """
    try:
        address = ip_address(name)
    except ValueError:
        return name.lower() in sip_domains(certificate)
    names = certificate.get("subjectAltName", ())
    return any(kind == "IP Address" and ip_address(value) == address for kind, value in names)


def _domain_of(uri: str) -> str:
    """Return the host of a SIP URI that names a domain, "" for any other URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "sip" or "@" in rest:
        return ""
    return rest.partition(";")[0].partition("?")[0].partition(":")[0].lower()


def _common_names(certificate: Certificate) -> Iterator[str]:
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                yield value.lower()
