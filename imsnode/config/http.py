# SPDX-License-Identifier: Apache-2.0
"""Settings of the HTTP listener and of what is served there."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .table import DAY, HOUR, KIB, MINUTE, Table, live, restart
from .types import (
    DomainName,
    FileName,
    HostPort,
    HttpAddress,
    Network,
    Octets,
    OptionalAddress,
    Seconds,
)

__all__ = ["Api", "Content", "Http", "Webhook"]


class Http(Table):
    """The HTTP listener: health, readiness, metrics, and all that programs and browsers use."""

    listen: HttpAddress = restart(
        HostPort("127.0.0.1", 8080), "Address and port of the HTTP listener."
    )
    tls_listen: OptionalAddress = restart(
        None,
        "Address and port where the same is served over TLS (https, wss) with the certificate in "
        '[tls]; "" for none.',
    )


class Api(Table):
    """The HTTP API."""

    rate: float = live(
        50.0, "Requests a second with one token; more is answered 429.", gt=0, le=100_000
    )
    burst: int = live(200, "Requests a token may make at once.", ge=1, le=1_000_000)


class Webhook(Table):
    """Posting messages to the programs behind service accounts."""

    allow: tuple[Network, ...] = live(
        (),
        "Networks that webhooks may be in although their addresses are private, loopback or "
        "otherwise not of the public Internet.",
    )
    plain_http: bool = live(False, "Whether a webhook may begin with http:// too.")
    timeout: Seconds = live(10.0, "Time for one attempt.", ge=1, le=MINUTE)
    retry_min: Seconds = live(
        5.0, "First wait before a message is posted again; doubles each time.", ge=0.1, le=HOUR
    )
    retry_max: Seconds = live(5 * MINUTE, "Longest wait between two attempts.", ge=1, le=DAY)
    connections: int = restart(64, "Connections to webhooks at a time.", ge=1, le=10_000)


class Content(Table):
    """Files that messages refer to, uploaded and fetched over HTTP."""

    domains: tuple[DomainName, ...] = restart(
        (), "Domains whose users may upload files; none of them switches it off."
    )
    directory: FileName = restart(
        Path("content"), "Where files are kept, relative to the configuration file."
    )
    base_url: str = live(
        "",
        "What links begin with, when clients reach the HTTP listener by another name: "
        '"https://files.example.com". "" takes its own address.',
        pattern=r"^(https?://[^\s/?#]+)?$",
    )
    file_size: Octets = restart(
        10 * 1024 * KIB, "Largest file; a larger one is answered 413.", ge=KIB, le=1024**3
    )
    user_size: Octets = live(
        100 * 1024 * KIB, "What all files of a user may take together.", ge=KIB, le=1024**4
    )
    total_size: Octets = live(
        10 * 1024**3, "What all files may take together; beyond it: 503.", ge=KIB, le=1024**5
    )
    files: int = live(100_000, "Files that may be kept.", ge=1, le=10_000_000)
    lifetime: Seconds = live(7 * DAY, "How long a link works.", ge=MINUTE, le=366 * DAY)
    access: Literal["credentials", "link"] = live(
        "credentials",
        "Who may fetch a file: its owner and those it was sent to, who show who they are "
        '("credentials"), or whoever has the link ("link", for clients that do not '
        "authenticate downloads).",
    )
    readers: int = live(1000, "Whom one file may be shared with.", ge=1, le=100_000)
    types: tuple[str, ...] = live(
        ("image/*", "audio/*", "video/*", "text/plain", "text/vcard", "application/pdf"),
        'Media types that are taken; "image/*" stands for all images, "*/*" for everything.',
    )
    inline_size: Octets = live(
        0,
        "With pager.large = indirect: a body above it becomes a file even where it could be "
        "carried; 0 for none.",
        ge=0,
        le=1024 * KIB,
    )
    scan: tuple[str, ...] = live(
        (),
        "Command that examines each file, which it gets as its last argument: 0 means clean, 1 "
        "not to be passed on, anything else that it failed. Such as clamdscan.",
    )
    scan_timeout: Seconds = live(30.0, "How long it may take.", ge=1, le=HOUR)
