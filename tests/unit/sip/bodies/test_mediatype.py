# SPDX-License-Identifier: Apache-2.0
"""What type a Content-Type names."""

from __future__ import annotations

from sip.bodies.mediatype import media_type


def test_parameters_and_case_are_left_out() -> None:
    assert media_type(b"Text/Plain ;charset=utf-8") == b"text/plain"
    assert media_type(b" a/b") == b"a/b"
