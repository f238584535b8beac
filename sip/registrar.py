# SPDX-License-Identifier: Apache-2.0
"""The registrar's rules: what a REGISTER does to the bindings of one address of record.

Nothing is changed here. ``plan_register`` says what the bindings will be, the caller commits that
and then answers, so a request is carried out completely or not at all.
Spec: RFC 3261 section 10.3, RFC 3327 section 5.3, RFC 5626 section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import octets
from .errors import BadMessage, SipError
from .flow import Flow
from .headers.address import STAR, Address, parse_addresses, parse_q
from .headers.date import format_date
from .message import Request
from .uri import Uri, parse_uri

ContactAllowed = Callable[[Uri, str], bool]

_HOUR = 3600
_MOST = (1 << 32) - 1
_NO_PATH: tuple[bytes, ...] = ()
_INSTANCE_OCTETS = 255
_USER_AGENTS = 1024  # names of clients that are shared by their bindings
_ASSIGNED = (b"pub-gruu", b"temp-gruu")  # by the registrar alone (RFC 5627 5.1)


class Binding:
    """One contact of an address of record. Not changed once made; a refresh makes a new one.

    contact: URI as it came. params: further contact parameters as they came, each with its
    semicolon, without q and expires. q: thousandths. expires_at: monotonic seconds. instance:
    value of +sip.instance or "". reg_id: 0 without one. path: Route values, topmost first. flow:
    the live path the REGISTER came over, None after a restart. received: (transport, host, port)
    it came from. secure: the address of record was registered as a sips URI.
    """

    __slots__ = ("aor", "call_id", "contact", "cseq", "expires_at", "flow", "instance", "params",
                 "path", "q", "received", "reg_id", "secure", "user_agent")  # fmt: skip

    def __init__(
        self,
        aor: str,
        contact: bytes,
        params: bytes,
        q: int,
        expires_at: float,
        call_id: bytes,
        cseq: int,
        instance: str = "",
        reg_id: int = 0,
        path: tuple[bytes, ...] = _NO_PATH,
        flow: Flow | None = None,
        received: tuple[str, str, int] = ("", "", 0),
        user_agent: bytes = b"",
        secure: bool = False,
    ) -> None:
        self.aor = aor
        self.contact = contact
        self.params = params
        self.q = q
        self.expires_at = expires_at
        self.call_id = call_id
        self.cseq = cseq
        self.instance = instance
        self.reg_id = reg_id
        self.path = path
        self.flow = flow
        self.received = received
        self.user_agent = user_agent
        self.secure = secure

    def __repr__(self) -> str:
        return f"<Binding {self.aor} {self.contact!r}>"

    def renewed(self, expires_at: float, call_id: bytes, cseq: int, secure: bool) -> Binding:
        """The binding after a refresh of the same contact over the same flow."""
        new = Binding.__new__(Binding)
        new.aor = self.aor
        new.contact = self.contact
        new.params = self.params
        new.q = self.q
        new.expires_at = expires_at
        new.call_id = self.call_id if call_id == self.call_id else call_id
        new.cseq = cseq
        new.instance = self.instance
        new.reg_id = self.reg_id
        new.path = self.path
        new.flow = self.flow
        new.received = self.received
        new.user_agent = self.user_agent
        new.secure = secure
        return new

    def line(self, now: float) -> bytes:
        """Print the Contact line of a 200, with the whole seconds that are left (at least 1)."""
        left = self.expires_at - now
        seconds = max(1, int(left + 0.5))
        if self.q == 1000:
            front = octets.concat(b"Contact: <", self.contact, b">;expires=", _decimal(seconds))
            return octets.concat(front, self.params, b"", b"")
        text = (b"%d.%03d" % divmod(self.q, 1000)).rstrip(b"0").rstrip(b".")
        return b"Contact: <%b>;q=%b;expires=%d%b" % (self.contact, text, seconds, self.params)


class RegistrarLimits:
    """Shortest, longest and usual life of a binding in seconds, and bindings per AoR."""

    __slots__ = ("default_s", "max_bindings", "max_s", "min_s")

    def __init__(
        self, min_s: int = 60, max_s: int = 3600, default_s: int = 3600, max_bindings: int = 10
    ) -> None:
        self.min_s = min_s
        self.max_s = max_s
        self.default_s = default_s
        self.max_bindings = max_bindings


_USUAL_LIMITS = RegistrarLimits()


class RegisterRefused(SipError):
    """The REGISTER is to be answered with ``status``, ``reason`` and header ``lines``."""

    def __init__(self, status: int, reason: bytes, lines: tuple[bytes, ...] = ()) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.lines = lines


class Registration:
    """What a REGISTER comes to.

    bindings: all of the AoR afterwards. updated: made or refreshed by the request. removed: gone
    because of it. changed: whether there is something to commit; a mere query has nothing. path:
    what is copied into the answer. outbound: the device is reached by the flow of the request, and
    wants to know (RFC 5626 6).
    """

    __slots__ = ("aor", "bindings", "changed", "outbound", "path", "removed", "updated")

    def __init__(
        self,
        aor: str,
        bindings: tuple[Binding, ...],
        updated: tuple[Binding, ...] = (),
        removed: tuple[Binding, ...] = (),
        path: tuple[bytes, ...] = _NO_PATH,
        outbound: bool = False,
    ) -> None:
        self.aor = aor
        self.bindings = bindings
        self.updated = updated
        self.removed = removed
        self.changed = bool(updated or removed)
        self.path = path
        self.outbound = outbound


def plan_register(
    request: Request,
    aor: str,
    current: Sequence[Binding],
    flow: Flow,
    now: float,
    limits: RegistrarLimits | None = None,
    contact_allowed: ContactAllowed | None = None,
    path_trusted: bool = False,
) -> Registration:
    """Work out what an authenticated REGISTER does to the ``current`` bindings of ``aor``.

    Args:   aor: canonical AoR of To. current: may hold expired ones, they are left out.
            path_trusted: the request came from a configured peer; otherwise a Path counts only
            when its topmost value names the address it came from.
    Raises: RegisterRefused.
    Spec:   RFC 3261 section 10.3 steps 6 to 8, RFC 3327 section 5.3, RFC 5626 section 6.
    """
    limits = limits or _USUAL_LIMITS
    live = [binding for binding in current if binding.expires_at > now]
    try:
        if len(live) == 1:
            renewed = _renew(request, live[0], flow, now, limits)
            if renewed is not None:
                outbound = renewed.reg_id > 0 and supports(request, b"outbound")
                return Registration(aor, (renewed,), (renewed,), (), _NO_PATH, outbound)
        contacts = request.contacts()
        if contacts == []:
            return Registration(aor, tuple(live))
        path = _NO_PATH
        if request.has("path"):
            path = _path(request, flow, path_trusted, contact_allowed)
        if contacts is STAR:
            return _remove_all(request, aor, live)
        if len(contacts) > 2 * limits.max_bindings:
            raise RegisterRefused(403, b"Too Many Contacts")
        plan = _Plan(request, aor, live, flow, now, limits, path)
        for contact in contacts:
            plan.apply(contact, contact_allowed)
        _check_sips(request, contacts, path)
    except BadMessage as error:
        raise RegisterRefused(400, error.phrase) from error
    return plan.result()


def register_response_lines(registration: Registration, now: float, wall: float) -> list[bytes]:
    """Header lines of the 200: every binding, the Path that was kept, the time of day.

    Spec: RFC 3261 section 10.3 step 8, RFC 3327 section 5.3, RFC 5626 section 6.
    """
    lines = [binding.line(now) for binding in registration.bindings]
    if registration.path:
        lines.append(b"Path: " + b", ".join(registration.path))
    if registration.outbound:
        lines.append(b"Require: outbound")
    lines.append(date_line(wall))
    return lines


class _Decimal:
    """The number printed last: most bindings are asked for the same time."""

    __slots__ = ("number", "text")

    def __init__(self) -> None:
        self.number = 0
        self.text = b"0"


_last_decimal = _Decimal()


def _decimal(number: int) -> bytes:
    if number != _last_decimal.number:
        _last_decimal.number = number
        _last_decimal.text = b"%d" % number
    return _last_decimal.text


class _DateLine:
    """The Date line of the current second; it is asked for thousands of times in it."""

    __slots__ = ("line", "second")

    def __init__(self) -> None:
        self.second = -1
        self.line = b""


_date = _DateLine()


def date_line(wall: float) -> bytes:
    """The Date header line for a time in epoch seconds (RFC 3261 section 20.17)."""
    second = int(wall)
    if second != _date.second:
        _date.second = second
        _date.line = b"Date: " + format_date(second)
    return _date.line


def _renew(
    request: Request, binding: Binding, flow: Flow, now: float, limits: RegistrarLimits
) -> Binding | None:
    """The usual refresh: the only contact of a user, over its flow, in the octets it had before.

    Nothing has to be parsed or judged again then. None when it is anything else.
    """
    if binding.flow is not flow or binding.path or request.has("path"):
        return None
    if binding.reg_id and request.via_count > 1:
        return None
    if not request.has("contact") or request.repeats("contact"):
        return None
    asked = _asked_again(request, binding, request.get("contact") or b"", limits)
    if asked <= 0 or asked < min(limits.min_s, _HOUR):
        return None
    if request.call_id == binding.call_id and request.cseq <= binding.cseq:
        return None
    if (request.get("user-agent") or b"") != binding.user_agent:
        return None
    return binding.renewed(
        now + min(asked, limits.max_s), request.call_id, request.cseq, request.to_uri.secure
    )


def _asked_again(request: Request, binding: Binding, value: bytes, limits: RegistrarLimits) -> int:
    """Seconds that ``value`` asks for the contact of ``binding``, -1 when it names another.

    It names the same one when it is the URI in brackets, the same parameters, and before or behind
    them expires or nothing.
    """
    contact = binding.contact
    start = len(contact) + 2
    if (
        binding.q != 1000
        or not octets.starts(value, b"<", 0)
        or not octets.starts(value, contact, 1)
        or not octets.starts(value, b">", start - 1)
    ):
        return -1
    params = binding.params
    stop = len(value) - len(params)
    if stop < start:
        return -1
    if not octets.starts(value, params, stop):
        if not octets.starts(value, params, start):
            return -1
        start += len(params)
        stop = len(value)
    if start == stop:
        return _seconds(request.get("expires"), limits.default_s)
    if not octets.starts(value, b";expires=", start):
        return -1
    expires = octets.cut(value, start + 9, stop) if start + 9 < stop else b""
    if not expires.isdigit():
        return -1
    return _seconds(expires, limits.default_s)


class _Plan:
    """The bindings while the contacts of one request are applied to them, in order."""

    __slots__ = ("aor", "default_s", "flow", "flows", "limits", "live", "lived", "now", "path",
                 "received", "removed", "request", "updated", "user_agent")  # fmt: skip

    def __init__(
        self,
        request: Request,
        aor: str,
        live: list[Binding],
        flow: Flow,
        now: float,
        limits: RegistrarLimits,
        path: tuple[bytes, ...],
    ) -> None:
        self.request = request
        self.aor = aor
        self.live = live
        self.flow = flow
        self.now = now
        self.limits = limits
        self.path = path
        self.received = (flow.transport, *flow.remote)
        self.user_agent = _shared(request.get("user-agent") or b"")
        self.default_s = _seconds(request.get("expires"), limits.default_s)
        self.updated: list[Binding] = []
        self.removed: list[Binding] = []
        self.lived = 0  # contacts that are to stay
        self.flows = 0  # those of them that are reached by their flow

    def apply(self, contact: Address, allowed: ContactAllowed | None) -> None:
        """Add, refresh or remove the binding of one contact (step 7)."""
        uri = contact.uri
        request = self.request
        q = 1000
        asked = self.default_s
        instance = ""
        reg_id = 0
        params = b""
        for name, value in contact.params:
            if name == b"expires":
                asked = _seconds(value, self.limits.default_s)
            elif name == b"q":
                q = parse_q(value or b"")
            else:
                if name == b"+sip.instance":
                    instance = _instance(contact.param(name) or b"")
                elif name == b"reg-id":
                    reg_id = _reg_id(value or b"")
                elif name in _ASSIGNED:
                    continue
                params += b";" + name if value is None else b";%b=%b" % (name, value)
        if reg_id and not (instance and self._first_hop_keeps()):
            reg_id = 0
        limits = self.limits
        if 0 < asked < limits.min_s and asked < _HOUR:
            raise RegisterRefused(423, b"Interval Too Brief", (b"Min-Expires: %d" % limits.min_s,))
        old = self._find(uri, instance, reg_id)
        for binding in old:
            if binding.call_id == request.call_id and request.cseq <= binding.cseq:
                raise RegisterRefused(500, b"Out of Order")
        if asked == 0:
            self._replace(old, None)
            return
        self._check(uri, allowed)
        self.lived += 1
        self.flows += reg_id > 0
        self._replace(
            old,
            Binding(
                self.aor, uri.raw, params, q, self.now + min(asked, limits.max_s), request.call_id,
                request.cseq, instance, reg_id, self.path, self.flow, self.received,
                self.user_agent, request.to_uri.secure,
            ),
        )  # fmt: skip

    def result(self) -> Registration:
        """Raises: RegisterRefused when there would be more bindings than allowed.

        Or more contacts than one with a flow, which is of one device alone (RFC 5626 6).
        """
        if self.updated and len(self.live) > self.limits.max_bindings:
            raise RegisterRefused(403, b"Too Many Contacts")
        if self.flows and self.lived > 1:
            raise RegisterRefused(400, b"Bad Request: reg-id with several Contacts")
        return Registration(
            self.aor, tuple(self.live), tuple(self.updated), tuple(self.removed), self.path,
            self.flows > 0 and supports(self.request, b"outbound"),
        )  # fmt: skip

    def _first_hop_keeps(self) -> bool:
        """Say whether whoever got the request from the device itself keeps the flow to it.

        That is this node, or a proxy that says so with ob in its Path (RFC 5626 5.1 and 6).
        Raises: RegisterRefused when neither is so and the device relies on it.
        """
        if self.request.via_count == 1:
            return True
        for address in parse_addresses(self.path, "Path"):
            if "ob" in address.uri.params:
                return True
        if supports(self.request, b"outbound"):
            raise RegisterRefused(439, b"First Hop Lacks Outbound Support")
        return False

    def _find(self, uri: Uri, instance: str, reg_id: int) -> list[Binding]:
        """The bindings a contact stands for: the same URI, or the same device (RFC 5626 6)."""
        found = []
        for binding in self.live:
            if (
                binding.contact == uri.raw
                or (
                    instance
                    and binding.instance == instance
                    and binding.reg_id == reg_id
                    and binding not in self.updated
                )
                or uri.equals(parse_uri(binding.contact))
            ):
                found.append(binding)
        return found

    def _replace(self, old: list[Binding], new: Binding | None) -> None:
        """Put ``new`` where the first of ``old`` stands, and take the others away."""
        for binding in old:
            if binding in self.updated:
                self.updated.remove(binding)
            elif new is None or binding.contact != new.contact:
                self.removed.append(binding)
        if new is None:
            self.live = [binding for binding in self.live if binding not in old]
            return
        self.updated.append(new)
        if not old:
            self.live.append(new)
            return
        place = self.live.index(old[0])
        self.live[place] = new
        for binding in old[1:]:
            self.live.remove(binding)

    def _check(self, uri: Uri, allowed: ContactAllowed | None) -> None:
        if not uri.is_sip:
            raise RegisterRefused(400, b"Bad Request: Contact is no SIP URI")
        if uri.port is None and not uri.headers and _is_ours(uri, self.aor):
            # Requests to the user would come back to us for ever (RFC 5627 5.1).
            raise RegisterRefused(403, b"Contact is the address of record or a GRUU of it")
        flow = self.flow
        if (uri.host, uri.port) == flow.local or (
            allowed is not None and not allowed(uri, flow.remote[0])
        ):
            raise RegisterRefused(403, b"Contact address not allowed")


def _is_ours(uri: Uri, aor: str) -> bool:
    """Say whether a URI is the address of record, or may be a GRUU of its domain."""
    return uri.aor == aor or ("gr" in uri.params and uri.host == parse_uri(aor.encode()).host)


def supports(request: Request, tag: bytes) -> bool:
    """Say whether a request lists an option tag, in lower case, in Supported (RFC 3261 20.37)."""
    return request.has("supported") and tag in request.tokens("supported")


def _remove_all(request: Request, aor: str, live: list[Binding]) -> Registration:
    """Carry out ``Contact: *`` (step 6)."""
    if _seconds(request.get("expires"), 1) != 0:
        raise RegisterRefused(400, b"Bad Request: Contact * needs Expires 0")
    for binding in live:
        if binding.call_id == request.call_id and request.cseq <= binding.cseq:
            raise RegisterRefused(500, b"Out of Order")
    return Registration(aor, (), (), tuple(live))


def _check_sips(request: Request, contacts: list[Address], path: tuple[bytes, ...]) -> None:
    """Let a SIPS contact in only where the whole way to it is SIPS (RFC 5630 5.2)."""
    if not any(contact.uri.secure for contact in contacts):
        return
    way = [*contacts, *parse_addresses(path, "Path")]
    if not (request.ruri().secure and all(each.uri.secure for each in way)):
        raise RegisterRefused(400, b"Bad Request: SIPS Contact among URIs that are not SIPS")


def _path(
    request: Request, flow: Flow, trusted: bool, allowed: ContactAllowed | None
) -> tuple[bytes, ...]:
    """The Path to keep, () when it has no effect because a stranger could have written it."""
    if not supports(request, b"path"):
        raise RegisterRefused(420, b"Bad Extension", (b"Unsupported: path",))
    values = request.items("path")
    if not values:
        return _NO_PATH
    top = parse_addresses(values[:1], "Path")[0].uri
    if not trusted:
        source = flow.remote[0]
        if (
            top.host != source
            or "maddr" in top.params
            or not (allowed is None or allowed(top, source))
        ):
            return _NO_PATH
    return tuple(values)


_user_agents: dict[bytes, bytes] = {}


def _shared(user_agent: bytes) -> bytes:
    """The same octets, kept once: thousands of devices have the same client."""
    if len(_user_agents) >= _USER_AGENTS:
        _user_agents.clear()
    return _user_agents.setdefault(user_agent, user_agent)


def _seconds(value: bytes | None, default: int) -> int:
    """Delta-seconds, ``default`` when absent, malformed or above 2**32 - 1 (RFC 3261 20.19)."""
    seconds = -1 if value is None else octets.number(value)
    return seconds if 0 <= seconds <= _MOST else default


def _reg_id(value: bytes) -> int:
    """Value of reg-id (RFC 5626 4.2): 1 to 2**31 - 1, 0 for anything else."""
    if not value.isdigit() or len(value) > 10:
        return 0
    number = int(value)
    return number if number < 1 << 31 else 0


def _instance(value: bytes) -> str:
    """Value of +sip.instance, a URN in angle brackets (RFC 5626 4.1); it is a key in storage."""
    if len(value) > _INSTANCE_OCTETS:
        raise RegisterRefused(400, b"Bad Request: +sip.instance is too long")
    return value.decode("utf-8", "replace")
