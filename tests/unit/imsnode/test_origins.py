# SPDX-License-Identifier: Apache-2.0
"""Which pages may connect (rule H1)."""

from __future__ import annotations

import pytest

from imsnode.http.origins import Origins

HERE = Origins(("ims.test", "edge.example.com"), ("https://phone.example.com",))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("ims.test", None),
        ("IMS.test:8443", "https://ims.test"),
        ("sip.ims.test", "https://sip.ims.test:3000"),
        ("edge.example.com", "https://phone.example.com"),
        ("edge.example.com", "HTTPS://Phone.example.com"),
        ("192.0.2.7:8443", "http://192.0.2.7"),
        ("[2001:db8::7]:8443", "https://[2001:db8::7]"),
        ("127.0.0.1:8080", "http://localhost:3000"),
        ("localhost:8080", "http://[::1]:3000"),
    ],
)
def test_allowed(host: str, origin: str | None) -> None:
    assert HERE.refusal(host, origin) == ""


@pytest.mark.parametrize(
    ("host", "origin", "why"),
    [
        ("ims.test", "null", "Origin"),
        ("ims.test", "", "Origin"),
        ("ims.test", "https://evil.test", "Origin"),
        ("ims.test", "http://phone.example.com", "Origin"),
        ("ims.test", "https://phone.example.com.evil.test", "Origin"),
        ("ims.test", "https://ims.test.evil.test", "Origin"),
        ("ims.test", "https://[::1", "Origin"),
        ("127.0.0.1:8080", "http://192.0.2.7", "Origin"),
        ("evil.test", "http://evil.test", "Host"),  # its name was made to lead here
        ("notims.test", None, "Host"),
        ("", None, "Host"),
        (None, None, "Host"),
        ("[::1", None, "Host"),
    ],
)
def test_refused(host: str | None, origin: str | None, why: str) -> None:
    assert HERE.refusal(host, origin).startswith(why)


def test_every_page_and_no_program() -> None:
    everybody = Origins(("ims.test",), ("*",), required=True)
    assert everybody.refusal("ims.test", "https://evil.test") == ""
    assert everybody.refusal("ims.test", "null") == ""
    assert everybody.refusal("ims.test", None).startswith("Origin")
