# SPDX-License-Identifier: Apache-2.0
"""The octets in which the journal keeps the state of one address of record.

Lines ended by LF, which no header value can hold, so nothing has to be escaped: a first line with
the format's version and the number of bindings and devices, then the fields of each in a fixed
order. Times are milliseconds of wall time: monotonic clocks start anew with the machine.

A renewal is what a refresh of the only binding changes, three numbers. It counts together with the
state before it. Renewals that are committed together are one row, in which each stands behind the
number of the row whose state it renews, so that such a row names nobody.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from sip import octets
from sip.registrar import Binding

__all__ = [
    "AorState",
    "Renewal",
    "decode_state",
    "encode_state",
    "is_renewal",
    "join_renewals",
    "read_renewal",
    "renew",
    "renewal_of",
    "renewed_states",
    "split_renewals",
]

#: Expiry in milliseconds, CSeq, when the device was seen in milliseconds.
Renewal = tuple[int, int, int]


_VERSION = b"1"
_RENEWAL = b"r"
_NUMBERS = 4  # of a renewal in a row of many
_ONE_BINDING = (b"1 1 0", b"1 1 1")  # the first line of a state that can be renewed
_EXPIRES_LINE = 6
_CSEQ_LINE = 7
_BINDING_LINES = 14
_DEVICE_LINES = 2


class AorState:
    """What is remembered of one address of record.

    bindings: the live contacts. devices: instance ids that registered before, with the wall
    second at which each was seen last.
    """

    __slots__ = ("bindings", "devices")

    def __init__(self, bindings: Sequence[Binding], devices: Mapping[str, float]) -> None:
        self.bindings = bindings
        self.devices = devices


def encode_state(state: AorState, now: float, wall: float) -> bytes:
    """Return the octets of a state, b"" for one that holds nothing.

    Raises: ValueError when a value holds a line feed; nothing that was parsed does.
    """
    bindings = state.bindings
    devices = state.devices
    if not bindings and not devices:
        return b""
    numbers = [_VERSION, octets.decimal(len(bindings)), octets.decimal(len(devices))]
    parts = [octets.join(b" ", numbers)]
    offset = wall - now
    for binding in bindings:
        transport, host, port = binding.received
        path = binding.path
        expires_ms = int((binding.expires_at + offset) * 1000 + 0.5)
        parts += (
            binding.contact,
            binding.params,
            binding.call_id,
            binding.user_agent,
            octets.decimal(binding.q),
            octets.decimal(expires_ms),
            octets.decimal(binding.cseq),
            binding.instance.encode("utf-8", "surrogateescape"),
            octets.decimal(binding.reg_id),
            transport.encode(),
            host.encode("utf-8", "surrogateescape"),
            octets.decimal(port),
            b"1" if binding.secure else b"0",
            octets.decimal(len(path)),
        )
        parts += path
    for device, seen in devices.items():
        seen_ms = int(seen * 1000 + 0.5)
        parts += device.encode("utf-8", "surrogateescape"), octets.decimal(seen_ms)
    parts.append(b"")
    data = octets.join(b"\n", parts)
    if octets.count(data, b"\n") >= len(parts):
        raise ValueError("a value of a binding holds a line feed")
    return data


def renewal_of(binding: Binding, now: float, wall: float) -> Renewal:
    """Return what renews a state: ``binding`` with its new lifetime, seen at ``wall``."""
    expires_ms = int((binding.expires_at + wall - now) * 1000 + 0.5)
    return expires_ms, binding.cseq, int(wall * 1000 + 0.5)


def join_renewals(numbers: Sequence[int]) -> bytes:
    """Return the octets of a row of renewals: for each the row it renews and its three numbers."""
    return struct.pack(f"<{len(numbers)}q", *numbers)


def renewed_states(row: bytes) -> Sequence[int]:
    """Return the numbers of the rows that a row of renewals renews. Raises: struct.error."""
    return struct.unpack(f"<{len(row) // 8}q", row)[::_NUMBERS]


def split_renewals(row: bytes) -> Iterator[tuple[int, Renewal]]:
    """Give what `join_renewals` put together. Raises: struct.error when it is damaged."""
    for state, expires, cseq, seen in struct.iter_unpack(f"<{_NUMBERS}q", row):
        yield state, (expires, cseq, seen)


def is_renewal(data: bytes) -> bool:
    """Tell a renewal that is a row of its own, as they were once written, from a state."""
    return data.startswith(_RENEWAL)


def read_renewal(data: bytes) -> Renewal:
    """Read a renewal that is a row of its own. Raises: ValueError when it is damaged."""
    expires, cseq, seen = map(int, data.split(b" ")[1:])
    return expires, cseq, seen


def renew(data: bytes, renewal: Renewal) -> bytes:
    """Return the octets of a state of one binding after a renewal.

    Raises: ValueError when it is a state of something else.
    """
    lines = data.split(b"\n")
    expires, cseq, seen = (b"%d" % number for number in renewal)
    if lines[0] not in _ONE_BINDING:
        raise ValueError("a renewal follows a state that cannot be renewed")
    lines[_EXPIRES_LINE] = expires
    lines[_CSEQ_LINE] = cseq
    if lines[0] == _ONE_BINDING[1]:
        lines[-2] = seen
    return b"\n".join(lines)


def decode_state(aor: str, data: bytes, now: float, wall: float) -> AorState:
    """Read what `encode_state` wrote, leaving out bindings that have expired.

    Bindings get monotonic deadlines again and have no flow.

    Raises: ValueError when the octets are of another version or damaged.
    """
    lines = data.split(b"\n")
    head = lines[0].split(b" ")
    if len(head) != 3 or head[0] != _VERSION:
        raise ValueError(f"the journal entry of {aor} is of an unknown kind")
    try:
        state, end = _decode_lines(aor, lines, int(head[1]), int(head[2]), now, now - wall)
    except (IndexError, ValueError) as error:
        raise ValueError(f"the journal entry of {aor} is damaged") from error
    if lines[end:] != [b""]:
        raise ValueError(f"the journal entry of {aor} is cut off")
    return state


def _decode_lines(
    aor: str, lines: list[bytes], contacts: int, instances: int, now: float, offset: float
) -> tuple[AorState, int]:
    bindings = []
    at = 1
    for _ in range(contacts):
        binding, at = _decode_binding(aor, lines, at, offset)
        if binding.expires_at > now:
            bindings.append(binding)
    devices = {}
    for _ in range(instances):
        devices[lines[at].decode("utf-8", "surrogateescape")] = int(lines[at + 1]) / 1000
        at += _DEVICE_LINES
    return AorState(tuple(bindings), devices), at


def _decode_binding(aor: str, lines: list[bytes], at: int, offset: float) -> tuple[Binding, int]:
    end = at + _BINDING_LINES
    path_end = end + int(lines[end - 1])
    numbers = lines[at + 4 : end - 1]
    q, expires, cseq, instance, reg_id, transport, host, port, secure = numbers
    binding = Binding(
        aor,
        lines[at],
        lines[at + 1],
        int(q),
        int(expires) / 1000 + offset,
        lines[at + 2],
        int(cseq),
        instance.decode("utf-8", "surrogateescape"),
        int(reg_id),
        tuple(lines[end:path_end]),
        None,
        (transport.decode(), host.decode("utf-8", "surrogateescape"), int(port)),
        lines[at + 3],
        secure == b"1",
    )
    return binding, path_end
