from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from imsnode.control.client import ControlClient, NodeNotRunning
from imsnode.control.path import short_path


def test_a_short_path_stays() -> None:
    assert short_path(Path("/run/imsnode.sock")) == "/run/imsnode.sock"


def test_a_long_path_still_makes_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    folder.mkdir(parents=True)
    path = folder / "imsnode.sock"
    name = short_path(path)
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(name)
        server.listen()
        client.connect(short_path(path))
    assert path.is_socket()
    for opened in (name, short_path(path)):
        os.close(int(opened.split("/")[4]))


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NodeNotRunning, match=r"imsnode\.sock: no such file or directory"):
        ControlClient(tmp_path / "imsnode.sock")
    with pytest.raises(NodeNotRunning, match="no such file or directory"):
        ControlClient(tmp_path / ("x" * 120) / "imsnode.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "imsnode.sock"))
    with pytest.raises(NodeNotRunning, match="connection refused"):
        ControlClient(tmp_path / "imsnode.sock")
