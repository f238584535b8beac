# SPDX-License-Identifier: Apache-2.0
"""A process that stores messages and says which of them were acknowledged, until it is killed.

python -m tests.support.store_child URL FAIL_POINT FIRST COUNT
"""

from __future__ import annotations

import os
import sys

from imsnode.storage import StorageSettings, open_storage
from pager.values import StoreKind, StoreResult
from tests.support.stores import WALL, Loop, message

__all__: list[str] = []


def main(url: str, fail_point: str, first: int, count: int) -> None:
    loop = Loop()
    storage = open_storage(StorageSettings(url), loop.deliver, lambda: WALL, fail_point or None)
    answered = 0

    def acknowledged(result: StoreResult) -> None:
        nonlocal answered
        answered += 1
        if result.kind in (StoreKind.STORED, StoreKind.DUPLICATE):
            os.write(1, f"{result.kind} {result.id}\n".encode())

    for number in range(count):
        storage.messages.store(message(first + number), acknowledged)
        if number % 7 == 0:
            wanted = number  # so that there are groups enough to die in
            loop.run_until(lambda wanted=wanted: answered > wanted)
    loop.run_until(lambda: answered == count)
    storage.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
