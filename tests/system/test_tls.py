# SPDX-License-Identifier: Apache-2.0
"""TLS as a foreign program sees it: openssl s_client against a running node."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imsnode.tls import client_context
from tests.support.authority import Authority
from tests.support.running import RunningNode

PING, PONG = b"\r\n\r\n", b"\r\n"


class Scene:
    """A node of two domains with a certificate each; its files can be replaced."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.files = {name: directory / name for name in ("a.pem", "a.key", "b.pem", "b.key")}
        self.renew()
        self.node = RunningNode(
            directory / "node",
            listen=["tls:127.0.0.1:0", "udp:127.0.0.1:0"],
            domains=["a.test", "b.test"],
            users=(),
            extra=f'[tls]\ncertificate = "{self.files["a.pem"]}"\nkey = "{self.files["a.key"]}"\n'
            f'authorities = "{self.authority.file}"\nclient_certificates = "ask"\n'
            f'[[domain]]\nname = "b.test"\n'
            f'certificate = "{self.files["b.pem"]}"\nkey = "{self.files["b.key"]}"\n',
        ).start()

    def renew(self) -> None:
        for name in "ab":
            made = self.authority.issue(f"{name}.test")
            made.cert.replace(self.files[f"{name}.pem"])
            made.key.replace(self.files[f"{name}.key"])

    def probe(self, *words: str) -> str:
        """Run openssl s_client with these options; what it prints of the handshake."""
        port = self.node.ports["tls"]
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
             str(self.authority.file), *words],
            input="", capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def connect(self) -> ssl.SSLSocket:
        context = client_context(self.authority.file)
        opened = socket.create_connection(("127.0.0.1", self.node.ports["tls"]), 20)
        return context.wrap_socket(opened, server_hostname="a.test")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("tls"))
    yield made
    made.node.stop()


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not there")


@needs_openssl
def test_each_domain_shows_its_own_certificate(scene: Scene) -> None:
    for name, shown in (("a.test", "a.test"), ("b.test", "b.test"), ("c.test", "a.test")):
        seen = scene.probe("-servername", name, "-verify_hostname", shown)
        assert "Verify return code: 0 (ok)" in seen


@needs_openssl
@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), False),
        (("-tls1_2",), True),
        (("-tls1_3",), True),
        (("-tls1_2", "-cipher", "AES128-SHA:ECDHE-ECDSA-AES128-SHA"), False),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"), True),
    ],
)
def test_versions_and_ciphers(scene: Scene, words: tuple[str, ...], holds: bool) -> None:
    seen = scene.probe(*words)
    assert ("Cipher is (NONE)" not in seen) is holds
    assert "Compression: NONE" in seen
    if holds:
        assert "Secure Renegotiation IS supported" in seen or "TLSv1.3" in seen


def test_new_certificates_disturb_nobody(scene: Scene) -> None:
    with scene.connect() as before:
        old = before.getpeercert(binary_form=True)
        scene.renew()
        scene.node.command("reload")
        before.sendall(PING)
        assert before.recv(10) == PONG
        with scene.connect() as after:
            assert after.getpeercert(binary_form=True) != old
            after.sendall(PING)
            assert after.recv(10) == PONG
    assert scene.node.metric('imsnode_tls_certificate_ends_seconds{domain="b.test"}') > 0


def test_a_bad_certificate_is_refused_and_the_old_one_stays(scene: Scene) -> None:
    good = scene.files["a.pem"].read_bytes()
    scene.files["a.pem"].write_text("no certificate")
    try:
        done = scene.node.command("reload", check=False)
    finally:
        scene.files["a.pem"].write_bytes(good)
    assert done.returncode != 0
    assert "tls.certificate" in done.stderr
    with scene.connect() as opened:
        opened.sendall(PING)
        assert opened.recv(10) == PONG
