# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from imsnode.addresses import listens_on_loopback
from sip.aio.listener import Bound


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.7", True),
        ("::1", True),
        ("0.0.0.0", False),  # strangers come in there too
        ("::", False),
        ("192.0.2.1", False),
    ],
)
def test_loopback_is_open_to_requests_only_where_clients_are_served_there(
    host: str, loopback: bool
) -> None:
    assert listens_on_loopback([Bound("UDP", host, 5060)]) is loopback
