# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sip.known import Known


def test_two_texts_share_a_small_table_and_a_third_takes_over() -> None:
    known = Known(2)
    texts = [b"one", b"two", b"three"]
    for text in texts:
        known.keep(text, text.decode())
        assert known.find(b"<" + text + b">", 1, 1 + len(text)) == text.decode()
    found = [text for text in texts if known.find(text, 0, len(text)) is not None]
    assert b"three" in found
    assert len(found) <= 2


def test_what_is_kept_again_has_the_new_value_only() -> None:
    known = Known(2)
    known.keep(b"one", 1)
    known.keep(b"two", 2)
    known.keep(b"one", 3)
    assert known.find(b"one", 0, 3) == 3
