"""A name server for tests: answers from a table, over UDP, or says nothing at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """records: by name and type, as ("relay.test", "SRV"), the texts of a zone file.

    silent: it takes every question and answers none.
    """

    def __init__(
        self, records: Mapping[tuple[str, str], list[str]] | None = None, *, silent: bool = False
    ) -> None:
        self._records = records or {}
        self.silent = silent
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, source = self._socket.recvfrom(4096)
            if not data:
                return
            if not self.silent:
                self._socket.sendto(self._answer(data), source)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        texts = self._records.get((name, dns.rdatatype.to_text(question.rdtype)))
        if texts:
            response.answer.append(
                dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *texts)
            )
        elif not any(known == name for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()
