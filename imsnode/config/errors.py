# SPDX-License-Identifier: Apache-2.0
"""Errors of the configuration.

ConfigError     one or more settings cannot be used; carries every Problem found
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ConfigError", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration.

    `key` is the dotted TOML key, `value` what stands there (already masked when secret, empty when
    nothing does), `reason` what is wrong with it and `remedy` what to write instead.
    """

    key: str
    value: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.key}{shown}: {self.reason}; {self.remedy}"


class ConfigError(Exception):
    """The configuration cannot be used.

    `problems` holds every problem found, never empty; `source` names the file, or is empty when
    only defaults and the environment were read.
    """

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.source = source
