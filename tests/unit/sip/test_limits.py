from __future__ import annotations

import dataclasses

import pytest

from sip.limits import Limits


def test_defaults_fit_each_other() -> None:
    limits = Limits()
    assert limits.message_bytes == limits.head_bytes + limits.body_bytes
    assert limits.header_bytes < limits.head_bytes
    assert limits.message_body_bytes <= limits.body_bytes


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().vias = 3  # type: ignore[misc]
