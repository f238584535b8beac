# SPDX-License-Identifier: Apache-2.0
"""Security agreement with terminals for which this node is the first hop (RFC 3329).

The list that is offered is always the same, so nothing has to be remembered: a terminal repeats it
in Security-Verify, and whoever shortened it on its way is found out by what comes back. IPsec is
never on the list, because the node has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sip.digest.algorithms import verify
from sip.digest.credentials import Credentials
from sip.errors import BadMessage
from sip.flow import Flow
from sip.message import Request
from sip.routing import Refusal

from .principal import Principal

__all__ = ["Agreement"]

_TAG: Final = b"sec-agree"
_REQUIRING: Final = (("require", b"Require"), ("proxy-require", b"Proxy-Require"))
_SPOKEN: Final = frozenset(("security-client", "security-verify"))

#: A mechanism as it is compared: its name, and its parameters in any order.
_Mechanism = tuple[bytes, ...]


class Agreement:
    """Answers requests that insist on sec-agree.

    mechanisms: what is offered, strongest first, "digest" among them; with none at all such
    requests are served as if they did not insist.
    """

    def __init__(self, mechanisms: Sequence[str]) -> None:
        count = len(mechanisms)
        self.value = b", ".join(
            b"%b;q=0.%d" % (name.encode(), count - at) for at, name in enumerate(mechanisms)
        )
        self._line = b"Security-Server: " + self.value
        self._names = frozenset(name.encode() for name in mechanisms)
        self._offered = [_mechanism(item) for item in self.value.split(b", ")]
        self._required = Refusal(494, None, (self._line,))

    def asked(self, request: Request) -> bool:
        """Tell whether a request of a terminal next to us, not behind another hop, insists."""
        return request.via_count == 1 and any(
            request.has(name) and _TAG in request.tokens(name) for name, _ in _REQUIRING
        )

    def begin(self, request: Request) -> Refusal | None:
        """Take the tag off a request that has it, or refuse what it says of mechanisms.

        The list of a refusal does not depend on the request (RFC 3329 2.3.1).
        """
        _take_tag(request)
        if not self.value:
            request.remove_headers(_SPOKEN)
            return None
        try:
            if request.has("security-verify"):
                repeated = [_mechanism(item) for item in request.items("security-verify")]
                return None if repeated == self._offered else self._required
            named = {_mechanism(item)[0] for item in request.items("security-client")}
        except BadMessage as error:
            return Refusal(400, error.phrase)
        return self._required if named.isdisjoint(self._names) else None

    def conclude(
        self, request: Request, flow: Flow, verdict: Principal | Refusal | None
    ) -> Principal | Refusal | None:
        """Add the agreement's part to what was found about the sender of a request begun here."""
        if not self.value:
            return verdict
        if isinstance(verdict, Refusal):
            return self.told(request, flow, verdict)
        if not flow.secure and not request.has("security-verify"):
            return self._required
        request.remove_headers(_SPOKEN)
        return verdict

    def told(self, request: Request, flow: Flow, challenge: Refusal) -> Refusal:
        """Put the list in front of a challenge to a terminal that said what it has.

        To a REGISTER it stays a 401 (TS 24.229 5.2.2); other requests that nothing protects yet are
        answered 494, with the challenge for those who choose digest (RFC 3329 2.4).
        """
        if challenge.status not in (401, 407) or not self.value or not self._speaks(request):
            return challenge
        begun = request.method == "REGISTER" or flow.secure or request.has("security-verify")
        status = challenge.status if begun else 494
        return Refusal(status, None, (self._line, *challenge.lines))

    def unproven(
        self, request: Request, flow: Flow, credentials: Credentials, secret: bytes
    ) -> Refusal | None:
        """Refuse a repeated list that good credentials do not cover, where TLS does not either.

        Digest hashes no headers: `d-ver` alone shows that the list is the one the terminal was
        offered. Spec: RFC 3329 2.2, 2.4; section 5 says why.
        """
        if flow.secure or not self.value or not self._speaks(request):
            return None
        try:
            items = request.items("security-verify")
        except BadMessage as error:
            return Refusal(400, error.phrase)
        covering = Credentials(
            credentials.username,
            credentials.realm,
            credentials.nonce,
            credentials.uri + b":" + self.value,
            _digest_verify(items),
            credentials.algorithm,
            credentials.qop,
            credentials.nc,
            credentials.cnonce,
        )
        proven = verify(covering, request.method.encode(), secret)
        return None if proven else self._required

    def release(self, request: Request) -> None:
        """Take the agreement out of an ACK, which nobody can answer."""
        if self.asked(request):
            _take_tag(request)
            request.remove_headers(_SPOKEN)

    def _speaks(self, request: Request) -> bool:
        return request.via_count == 1 and any(request.has(name) for name in _SPOKEN)


def _take_tag(request: Request) -> None:
    """Leave sec-agree out of what is required, and headers that required nothing else."""
    for name, printed in _REQUIRING:
        tags = request.items(name)
        kept = [tag for tag in tags if tag.lower() != _TAG]
        if len(kept) < len(tags):
            lines = (printed + b": " + b", ".join(kept),) if kept else ()
            request.remove_headers(frozenset((name,)), lines)


def _mechanism(item: bytes) -> _Mechanism:
    """Read a mechanism without digest-verify, which is no part of the list that was offered."""
    name, *params = (b"".join(part.split()).lower() for part in item.split(b";"))
    return name, *sorted(param for param in params if not param.startswith(b"d-ver="))


def _digest_verify(items: Sequence[bytes]) -> bytes:
    """Return the value of d-ver beside digest, b"" without one."""
    for item in items:
        name, *params = (part.strip() for part in item.split(b";"))
        if name.lower() != b"digest":
            continue
        for param in params:
            key, _, value = param.partition(b"=")
            if key.strip().lower() == b"d-ver":
                return value.strip().strip(b'"')
    return b""
