"""Processes of the program that start at once: forks of one that has loaded everything already.

To load what a node or a command needs takes most of a second of processor time, and the tests
start many hundred of them. The process at the end of this file loads it once for a test process,
starts no thread, opens nothing, and forks for each start it is asked for. The fork has arguments,
environment, streams and signals of its own and ends like any interpreter; it is what
``python -m MODULE`` would have become. When the test process goes, however it goes, its forks are
killed.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

__all__ = ["Forked", "run", "spawn"]

ROOT = Path(__file__).resolve().parents[2]
#: What a start loads sooner or later.
PRELOADED = (
    "imsnode.cli.main", "imsnode.cli.progress", "imsnode.cli.userfile", "imsnode.control.client",
    "imsnode.serve", "alembic.command", "alembic.config", "rich._emoji_codes",
)  # fmt: skip
REQUEST_OCTETS = 1 << 16


class Forked:
    """A process with the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, handle: int, end: socket.socket) -> None:
        self.pid = pid
        self.stdout: IO[str] | None = None
        self.returncode: int | None = None
        self._handle = handle  # a pidfd: a signal never reaches a later process of the same number
        self._end = end

    def poll(self) -> int | None:
        """Give the exit code, -N after signal N, None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises: TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            self.returncode = int(self._end.recv(16))
            self._end.close()
            os.close(self._handle)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # ended, which is not told yet
                signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def spawn(
    words: Sequence[str], stderr: int, environment: Mapping[str, str] | None = None
) -> Forked:
    """Start ``python -m WORDS`` with a pipe for standard output, and nothing to read.

    Args: environment: what is added to that of the test process.
    """
    reading, writing = os.pipe()
    try:
        with Path(os.devnull).open() as nothing:
            process = _start(words, (nothing.fileno(), writing, stderr), environment or {})
    finally:
        os.close(writing)
    process.stdout = os.fdopen(reading, encoding="utf-8")
    return process


def run(words: Sequence[str], text: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run ``python -m WORDS`` to its end, with `text` as its input. Raises: TimeoutExpired."""
    with TemporaryFile("w+") as given, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        given.write(text)
        given.seek(0)
        process = _start(words, [one.fileno() for one in (given, out, err)], {})
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(words), code, out.read(), err.read())


def _start(words: Sequence[str], streams: Sequence[int], environment: Mapping[str, str]) -> Forked:
    request = json.dumps([list(words), {**os.environ, **environment}])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(_requests(), [request.encode()], [*streams, theirs.fileno()])
    told, (handle,), _, _ = socket.recv_fds(ours, 16, 1)
    return Forked(int(told), handle, ours)


_started: list[socket.socket] = []
_starting = threading.Lock()


def _requests() -> socket.socket:
    """Give the socket that takes requests; starts the process behind it when first asked."""
    with _starting:
        if not _started:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.forking", str(theirs.fileno())],
                    cwd=ROOT,
                    # Pipes, as buffering and encoding of the forks' streams are decided by them.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                )
            atexit.register(_end, ours, process)
            _started.append(ours)
        return _started[0]


def _end(requests: socket.socket, process: subprocess.Popen[bytes]) -> None:
    requests.close()
    with process:
        pass


# ------------------------------------------------------------- the process that forks


class Forker:
    """Forks for what it is asked, and tells each asker how the fork ended."""

    def __init__(self, requests: socket.socket) -> None:
        self.requests = requests
        self.children: dict[int, tuple[int, socket.socket]] = {}  # pidfd: number, whom to tell

    def serve(self) -> tuple[list[str], dict[str, str]] | None:
        """Work until nobody is left to ask. Returns: in a fork words and environment, here None."""
        while True:
            for handle in select.select([self.requests, *self.children], [], [])[0]:
                if handle is not self.requests:
                    self._tell(handle)
                    continue
                data, descriptors, _, _ = socket.recv_fds(self.requests, REQUEST_OCTETS, 4)
                if not data:
                    self._kill()
                    return None
                if self._forked(descriptors[:3], descriptors[3]):
                    words, environment = json.loads(data)
                    return words, environment

    def _forked(self, streams: Sequence[int], asker: int) -> bool:
        """Fork; True in the fork, with nothing open but the streams."""
        pid = os.fork()
        if not pid:
            self.requests.detach()
            for _, end in self.children.values():
                end.detach()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            return True
        handle, end = os.pidfd_open(pid), socket.socket(fileno=asker)
        self.children[handle] = pid, end
        socket.send_fds(end, [str(pid).encode()], [handle])
        for stream in streams:
            os.close(stream)
        return False

    def _tell(self, handle: int) -> None:
        pid, end = self.children.pop(handle)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(handle)
        with end, contextlib.suppress(OSError):  # nobody may want to know any more
            end.send(str(code).encode())

    def _kill(self) -> None:
        for handle, (pid, _) in self.children.items():
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.waitpid(pid, 0)


def main(requests: int) -> None:
    """Load everything, then fork on request; in a fork, be the program that is asked for."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what no fork touches, the forks share
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C ends the test process, and that this
    wanted = Forker(socket.socket(fileno=requests)).serve()
    if wanted is None:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words, environment = wanted
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
