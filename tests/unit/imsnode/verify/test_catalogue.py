# SPDX-License-Identifier: Apache-2.0
"""The flows of the conformance pack: complete, told apart, named as in the conformance table."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from imsnode.verify import flows
from imsnode.verify.catalogue import Suite, load


def test_every_flow_says_what_it_is() -> None:
    found = load()
    assert len(found) > 60
    assert max(Counter((each.id, each.name) for each in found).values()) == 1
    for each in found:
        assert each.title.endswith("."), each.name
        assert each.clause, each.name
        assert re.fullmatch(r"(RG|PM|PR|MS|RM|XC|IM)-\d\d", each.id)
        assert each.users in (1, 2)


def test_a_file_has_one_flow() -> None:
    [folder] = flows.__path__
    files = [each for each in Path(folder).glob("*.py") if each.name != "__init__.py"]
    assert len(files) == len(load())
    assert max(len(each.read_text().splitlines()) for each in files) < 60


def test_some_are_chosen() -> None:
    assert {each.suite for each in load()} == set(Suite)
    assert {each.suite for each in load([Suite.XCAP, Suite.IMS])} == {Suite.XCAP, Suite.IMS}
    assert {each.id for each in load(ids=["pm-01", "RG-02"])} == {"PM-01", "RG-02"}
    assert load([Suite.XCAP], ["PM-01"]) == []
