# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from pager import PagerSettings, SettingsError, StoreMode


def test_defaults_are_those_of_the_limits_table() -> None:
    settings = PagerSettings()
    assert settings.mode is StoreMode.PROXY
    assert settings.defer_after_s == 4.0
    assert settings.message_lifetime_s == 7 * 86400
    assert settings.message_body_bytes == 32 * 1024
    assert settings.mailbox_messages == 500
    assert (settings.retry_min_s, settings.retry_max_s) == (5.0, 300.0)
    assert settings.page_messages == 50


def test_mode_by_domain() -> None:
    settings = PagerSettings(domain_modes={"first.test": StoreMode.FIRST})
    assert settings.mode_for("sip:bob@first.test") is StoreMode.FIRST
    assert settings.mode_for("sip:bob@ims.test") is StoreMode.PROXY
    assert settings.mode_for("sip:x@first.test@ims.test") is StoreMode.PROXY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("defer_after_s", 0.0),
        ("defer_after_s", 32.0),
        ("retry_min_s", 0.0),
        ("retry_min_s", 301.0),
        ("message_lifetime_s", 0.0),
        ("expire_every_s", -1.0),
        ("mailbox_messages", 0),
        ("page_messages", 0),
        ("draining_devices", 0),
        ("message_body_bytes", 0),
        ("recent_messages", 0),
        ("full_retry_after_s", 0),
        ("unavailable_retry_after_s", 0),
    ],
)
def test_refuses_what_cannot_work(field: str, value: float) -> None:
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(SettingsError) as caught:
        PagerSettings(**wrong)
    assert caught.value.field == field
    assert field in str(caught.value)
