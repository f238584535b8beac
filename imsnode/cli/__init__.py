# SPDX-License-Identifier: Apache-2.0
"""The command line."""

from __future__ import annotations

import os
import sys

__all__ = ["run"]


def run(arguments: list[str] | None = None) -> int:
    """Run one command and give its exit code: 0 done, 1 refused or failed, 2 bad usage.

    Args: arguments: what stands after the program's name; by default that of the process.
    """
    from imsnode.config.errors import ConfigError

    from .errors import CommandError
    from .main import app

    try:
        app(args=sys.argv[1:] if arguments is None else arguments, prog_name="imsnode")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except ConfigError as error:
        where = f"{error.source}: " if error.source else ""
        for problem in error.problems:
            sys.stderr.write(f"imsnode: {where}{problem}\n")
        return 2
    except CommandError as error:
        sys.stderr.write(f"imsnode: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away; what is left must not fail when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0
