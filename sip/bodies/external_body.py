# SPDX-License-Identifier: Apache-2.0
"""Content that lies elsewhere: message/external-body with a URL (RFC 4483, RFC 2017)."""

from __future__ import annotations

from typing import Final

from ..errors import LocalProtocolError
from ..grammar import quote
from ..headers.date import format_date

__all__ = ["MEDIA_TYPE", "build_external_body"]

MEDIA_TYPE: Final = b"message/external-body"


def build_external_body(
    url: bytes, content_type: bytes, size: int, until: float, content_id: bytes
) -> tuple[bytes, bytes]:
    """Return the Content-Type and the body that stand for a content at a URL.

    Args:
        content_type, size: of the content. until: epoch seconds, when the URL ends.
        content_id: the same for the same octets (RFC 4483 5.6).
    Raises: LocalProtocolError for a content type or id that is more than one line.
    """
    if b"\n" in content_type + content_id or b"\r" in content_type + content_id:
        raise LocalProtocolError("a line end does not belong into a header")
    kind = b'message/external-body;access-type="URL";expiration="%b";URL=%b;size=%d' % (
        format_date(int(until)), quote(url), size,
    )  # fmt: skip
    fields = (content_type, content_id)
    body = b"Content-Type: %b\r\nContent-ID: <%b>\r\nContent-Disposition: render\r\n\r\n" % fields
    return kind, body
