# SPDX-License-Identifier: Apache-2.0
"""Errors of the commands.

CommandError         the command was refused or failed: exit code 1
  UsageError         what was asked makes no sense as it stands: exit code 2
"""

from __future__ import annotations

__all__ = ["CommandError", "UsageError"]


class CommandError(Exception):
    """A command did not do what was asked; str() is one line for the user."""

    exit_code = 1


class UsageError(CommandError):
    """A command was called in a way it cannot work."""

    exit_code = 2
