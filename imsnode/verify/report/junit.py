# SPDX-License-Identifier: Apache-2.0
"""What came of a run, as JUnit XML: one test suite for each suite, one test case for each flow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lxml import etree

from ..outcome import Outcome, Result

__all__ = ["junit"]

#: Characters that no XML document may have.
_UNSHOWN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[Result], server: str) -> bytes:
    """Return the document."""
    root = etree.Element("testsuites", name=f"imsnode verify {server}")
    for suite in dict.fromkeys(each.flow.suite for each in results):
        part = [each for each in results if each.flow.suite == suite]
        element = etree.SubElement(
            root, "testsuite", name=suite, tests=str(len(part)),
            failures=str(sum(each.outcome is Outcome.FAIL for each in part)), errors="0",
            skipped=str(sum(each.outcome is Outcome.NOT_APPLICABLE for each in part)),
            time=f"{sum(each.seconds for each in part):.3f}",
        )  # fmt: skip
        for each in part:
            _case(element, each)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _case(suite: etree._Element, result: Result) -> None:
    flow = result.flow
    case = etree.SubElement(
        suite, "testcase", classname=f"{flow.suite}.{flow.id}", name=flow.name,
        time=f"{result.seconds:.3f}",
    )  # fmt: skip
    said = _UNSHOWN.sub("?", f"{result.reason} ({flow.clause})")
    if result.outcome is Outcome.FAIL:
        failure = etree.SubElement(case, "failure", message=said, type="conformance")
        failure.text = _UNSHOWN.sub("?", "\n".join([flow.title, *result.ladder]))
    elif result.outcome is Outcome.NOT_APPLICABLE:
        etree.SubElement(case, "skipped", message=said)
