# SPDX-License-Identifier: Apache-2.0
"""What the pager service can fail with toward its own program.

PagerError
  SettingsError     a setting that cannot work

Nothing that a peer sends raises one of these: refusals toward the network are answers.
"""

from __future__ import annotations


class PagerError(Exception):
    """Root of all errors of this package."""


class SettingsError(PagerError):
    """A field of PagerSettings has a value that cannot work.

    field: name of the field. reason: what is wrong with it, without the name.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
