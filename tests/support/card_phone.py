# SPDX-License-Identifier: Apache-2.0
"""A phone with a SIM card; the card is the product's own, SIPp's is in tests/interop."""

from __future__ import annotations

from base64 import b64encode

from imsnode.identity.vault import AkaKeys, aka_functions
from sip.aka import Usim, aka_secret, split_nonce
from sip.digest import answer, parse_challenge
from tests.support.phone import Phone, Reply

__all__ = ["KEYS", "CardPhone"]

KEYS = AkaKeys("milenage", bytes(range(16)), bytes(range(16, 32)), b"\x80\x00")


class CardPhone(Phone):
    """Registers as TS 24.229 5.1.1.2 has it: with its private identity and an empty answer.

    challenges: how many it has answered.
    """

    def __init__(
        self,
        server: tuple[str, int],
        user: str,
        impi: str,
        transport: str = "TCP",
        keys: AkaKeys = KEYS,
    ) -> None:
        super().__init__(server, user, transport=transport)
        self.impi = impi
        self.public = ""  # the identity it registers, where that is not its address
        self.card = Usim(aka_functions(keys))
        self.challenges = 0

    @property
    def aor(self) -> str:
        return self.public or super().aor

    def register(self, expires: int = 600, lines: tuple[str, ...] = ()) -> Reply:
        empty = (
            f'Authorization: Digest username="{self.impi}", realm="{self.domain}", nonce="", '
            f'uri="sip:{self.domain}", response="", integrity-protected="no"'
        )
        return super().register(expires, (empty, *lines))

    def answer_to(self, data: bytes, seconds: float = 20.0) -> Reply:
        """Answer challenges until there is none; the second comes after an AUTS."""
        reply = self._transact(data, seconds)
        while reply.status in (401, 407) and self.challenges < 4:
            data = self.with_credentials(data, reply)
            reply = self._transact(data, seconds)
        return reply

    def with_credentials(self, data: bytes, challenge: Reply, nc: int = 1) -> bytes:
        self.challenges += 1
        name = "www-authenticate" if challenge.status == 401 else "proxy-authenticate"
        asked = parse_challenge(challenge.get(name).encode())
        assert asked is not None
        rand, autn, _ = split_nonce(asked.nonce) or (b"", b"", b"")
        told = self.card.answer(rand, autn)
        secret = aka_secret(
            asked.algorithm, self.impi.encode(), asked.realm.encode(), told.res, told.ck, told.ik
        )
        method, uri = data.split(b" ", 2)[:2]
        value = answer(asked, self.impi, secret, method.decode(), uri, b"cn0nce", nc)
        if told.auts:
            value += b', auts="' + b64encode(told.auts) + b'"'
        header = b"Authorization" if challenge.status == 401 else b"Proxy-Authorization"
        return self.again(data, header, value)

    def again(self, data: bytes, header: bytes, value: bytes) -> bytes:
        """The same request as a new one, with these credentials instead of those it had."""
        head, _, body = data.partition(b"\r\n\r\n")
        self.cseq += 1
        lines = [
            line
            for line in head.split(b"\r\n")
            if not line.startswith((b"Authorization:", b"Proxy-Authorization:", b"CSeq:"))
        ]
        via = next(place for place, line in enumerate(lines) if line.startswith(b"Via:"))
        lines[via] += b"%d" % self.cseq  # another branch: it is the last parameter
        method = data.split(b" ", 1)[0]
        lines += [header + b": " + value, b"CSeq: %d %b" % (self.cseq, method)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body
