"""A cache that forgets what was not used for longest once it holds too many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """Keeps built values up to `limit` bytes; `size_of` says how many bytes a value takes."""

    def __init__(self, limit: int, size_of: Callable[[Value], int]) -> None:
        self.limit = limit
        self.bytes = 0
        self._size_of = size_of
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """The value of `key`, built at the first call and whenever it was forgotten."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = build()
            self.bytes += self._size_of(value)
            while self.bytes > self.limit and len(self._values) > 1:
                self.bytes -= self._size_of(self._values.popitem(last=False)[1])
        else:
            self._values.move_to_end(key)
        return value
