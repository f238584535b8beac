# SPDX-License-Identifier: Apache-2.0
"""Entry point: `imsnode` and `python -m imsnode`."""

from __future__ import annotations

from imsnode import _origin


def main() -> None:
    """Run the command line; ends the process with the command's exit code."""
    _origin.check()
    from imsnode.cli import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
