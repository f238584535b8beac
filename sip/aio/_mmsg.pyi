from collections.abc import Callable
from typing import TypeVar

_Sender = TypeVar("_Sender")

class Batch:
    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...
    def __init__(self, count: int, size: int, marked: bool = False) -> None: ...
    def receive(
        self,
        fd: int,
        known: dict[bytes, _Sender],
        missing: Callable[[bytes], _Sender],
        payloads: list[bytes],
        senders: list[_Sender],
    ) -> int: ...
    def send(self, fd: int, payloads: list[bytes], names: list[bytes], start: int) -> int: ...
