"""Registers one user with aiosip 0.2.0 and prints the final status.

aiosip was written for an older Python. What it misses is put back before it is imported: the
decorator `asyncio.coroutine` and the abstract classes that moved to `collections.abc`. It answers a
challenge without qop, so the account needs the RFC 2069 switch.
"""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import sys
import types
import warnings

warnings.simplefilter("ignore")
asyncio.coroutine = types.coroutine
collections.MutableMapping = collections.abc.MutableMapping

import aiosip  # noqa: E402


async def register(host: str, port: int, user: str, domain: str, password: str) -> int:
    app = aiosip.Application(loop=asyncio.get_running_loop())
    dialog = await app.start_dialog(
        from_uri=f"sip:{user}@{domain}",
        to_uri=f"sip:{user}@{domain}",
        contact_uri=f"sip:{user}@127.0.0.1:{sys.argv[6]}",
        local_addr=("127.0.0.1", int(sys.argv[6])),
        remote_addr=(host, port),
        password=password,
    )
    answer = await asyncio.wait_for(dialog.register(expires=300), 15)
    return int(answer.status_code)


if __name__ == "__main__":
    words = sys.argv[1:6]
    status = asyncio.run(register(words[0], int(words[1]), *words[2:]))
    sys.stdout.write(f"status {status}\n")
