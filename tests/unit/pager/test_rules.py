# SPDX-License-Identifier: Apache-2.0
"""Every word of the ledger has one explanation, and none explains nothing."""

from __future__ import annotations

import pager
from pager import rules


def test_every_word_is_explained() -> None:
    words = {
        value for name, value in vars(rules).items() if name.isupper() and isinstance(value, str)
    }
    explained = rules.STEPS.keys() | rules.RULES.keys() | rules.OUTCOMES.keys()
    explained = (explained | rules.KINDS.keys()) - rules.SAYS_NOTHING.keys()
    assert words == explained
    for text in (*rules.STEPS.values(), *rules.RULES.values(), *rules.OUTCOMES.values()):
        assert text.strip() == text
        assert len(text) > 15


def test_the_public_names_exist() -> None:
    for name in pager.__all__:
        assert hasattr(pager, name)
    assert pager.__all__ == sorted(pager.__all__)
