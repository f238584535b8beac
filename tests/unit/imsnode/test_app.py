# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from imsnode.app import listens_on_loopback
from imsnode.config import load


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [
        ("udp:127.0.0.1:5060", True),
        ("udp:127.0.0.7:5060", True),
        ("tcp:[::1]:5060", True),
        ("udp:0.0.0.0:5060", False),  # strangers come in there too
        ("udp:[::]:5060", False),
        ("udp:192.0.2.1:5060", False),
    ],
)
def test_loopback_is_open_to_requests_only_where_clients_are_served_there(
    tmp_path: Path, listen: str, loopback: bool
) -> None:
    file = tmp_path / "imsnode.toml"
    file.write_text(f'listen = ["{listen}"]\n')
    assert listens_on_loopback(load(file)) is loopback
