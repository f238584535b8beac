"""Where webhooks may be, and how what is posted is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from ipaddress import ip_network

import pytest

from imsnode.webhook import Policy, check_url, new_secret, signature


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
        "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:c0a8:1::", "64:ff9b:1::a00:1", "fec0::1",
        "::7f00:1", "not an address",
    ],
)  # fmt: skip
def test_what_is_not_of_the_internet_is_out_of_reach(host: str) -> None:
    assert not Policy().permits(host)


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_the_internet_is_within_reach(host: str) -> None:
    assert Policy().permits(host)


def test_networks_can_be_allowed() -> None:
    policy = Policy((ip_network("10.0.0.0/8"), ip_network("::1/128")))
    assert policy.permits("10.1.2.3")
    assert policy.permits("::ffff:10.1.2.3")
    assert policy.permits("::1")
    assert not policy.permits("127.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "ftp://example.org/", "file:///etc/passwd", "https://", "https:///x",
        "https://user@example.org/", "https://example.org/#x", "https://example.org:99999/",
        "https://exa mple.org/", "https://example.org/\r\nx", "https://[::1/", "http://example.org/",
        "https://example.org/" + "x" * 2048,
    ],
)  # fmt: skip
def test_what_is_no_webhook(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url, plain=False)


def test_plain_http_when_allowed() -> None:
    check_url("https://example.org:8443/in?x=1", plain=False)
    check_url("http://example.org/in", plain=True)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    secret = new_secret()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) == 32
    digest = hmac.new(key, b"m1.1750000000.{}", hashlib.sha256).digest()
    assert signature(secret, "m1", 1750000000, b"{}") == "v1," + base64.b64encode(digest).decode()
    # The example of the specification.
    assert (
        signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
