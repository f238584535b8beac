# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sip.aio import SystemIds


def test_shapes() -> None:
    ids = SystemIds()
    branch = ids.branch()
    assert branch.startswith(b"z9hG4bK")
    assert len(branch) == 7 + 24
    assert len(ids.tag()) == 16
    assert len(ids.call_id()) == 32
    assert set(ids.token(64)) <= set("0123456789abcdef")


@pytest.mark.parametrize("size", [1, 15, 16384, 40000])
def test_token_of_any_size(size: int) -> None:
    assert len(SystemIds().token(size)) == size


def test_nothing_is_handed_out_twice() -> None:
    ids = SystemIds()
    made = [ids.branch() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert len({ids.tag() for _ in range(5000)}) == 5000
