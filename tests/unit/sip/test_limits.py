from __future__ import annotations

import pytest

from sip.limits import Limits


def test_defaults_fit_each_other() -> None:
    limits = Limits()
    assert limits.message_bytes == limits.head_bytes + limits.body_bytes
    assert limits.header_bytes < limits.head_bytes
    assert limits.message_body_bytes <= limits.body_bytes


def test_misspelt_limit_is_refused() -> None:
    with pytest.raises(TypeError):
        Limits(via=3)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Limits().via = 3  # type: ignore[attr-defined]
