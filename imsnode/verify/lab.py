# SPDX-License-Identifier: Apache-2.0
"""What a flow has to work with: devices of the accounts, the XCAP root, and time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import Sequence
from functools import cache

import httpx

from .outcome import Failed, expect_status
from .phone import Phone
from .tape import Tape
from .target import Account, Target

__all__ = ["Lab"]


class Lab:
    """One run of one flow. patience: seconds to wait for anything.

    Args: xcap: the XCAP root, "" without one.
    """

    def __init__(
        self, target: Target, accounts: Sequence[Account], tape: Tape, patience: float,
        xcap: str = "",
    ) -> None:  # fmt: skip
        self.target = target
        self.accounts = accounts
        self.patience = patience
        self.tape = tape
        self.xcap_root = xcap.rstrip("/")
        self._phones: list[Phone] = []
        self._registered: list[Phone] = []

    @property
    def alice(self) -> Account:
        """The first account."""
        return self.accounts[0]

    @property
    def bob(self) -> Account:
        """The second account."""
        return self.accounts[1]

    @property
    def domain(self) -> str:
        """Whose users the accounts are."""
        return self.target.domain

    def unique(self, what: str) -> str:
        """Return a word that nobody has used before."""
        return f"{what}-{uuid.uuid4().hex[:12]}"

    async def phone(self, account: Account) -> Phone:
        """Return a device that is not registered."""
        name = account.name + "'" * sum(each.account is account for each in self._phones)
        phone = Phone(account, self.target, self.tape, name, self.patience)
        self._phones.append(phone)
        await phone.open()
        return phone

    async def device(self, account: Account, parameters: bytes = b"") -> Phone:
        """Return a device that is registered. Raises: Failed when it cannot be."""
        phone = await self.phone(account)
        expect_status(await phone.register(parameters=parameters), 200)
        self._registered.append(phone)
        return phone

    async def absent(self, account: Account) -> None:
        """Take every binding of an account away."""
        phone = await self.phone(account)
        fields = [(b"Contact", b"*"), (b"Expires", b"0")]
        gone = await phone.request("REGISTER", f"sip:{account.domain}", fields, to=account.aor)
        expect_status(gone, 200)

    def xcap(self, account: Account) -> httpx.AsyncClient:
        """Return an HTTP client for the documents of an account."""
        return httpx.AsyncClient(
            auth=httpx.DigestAuth(account.name, account.password),
            timeout=self.patience,
            verify=_certificates(),
        )

    def document(self, auid: str, account: Account, name: str = "index") -> str:
        """Return the URL of a document of an account."""
        return f"{self.xcap_root}/{auid}/users/{account.aor}/{name}"

    async def close(self) -> None:
        """Take the bindings away that flows made, and close the sockets."""
        for phone in self._registered:
            with contextlib.suppress(Failed):
                await phone.register(expires=0, cseq=100)
        await asyncio.gather(*(phone.close() for phone in self._phones))


@cache
def _certificates() -> ssl.SSLContext:
    """Return what certificates are held against; to read it takes long."""
    return ssl.create_default_context()
