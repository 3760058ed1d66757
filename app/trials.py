"""Work of a bounded time beside the answers: rules are read and tried out in a few threads of their own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from app.problems import Problem

_AT_ONCE = 2  # threads: more would only share the interpreter
_WAITING = 100  # that wait for one of them
_PATIENCE = 2.0  # seconds, with the waiting

T = TypeVar("T")


@dataclass(slots=True)
class Trials:
    """Threads that do one piece of work after the other.

    A thread cannot be stopped. So each piece is bounded by what it is given (the size of a rule and of a
    trace, counted steps), there are few threads, and what nobody waits for any more is not begun.
    """

    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_AT_ONCE, "trial"))
    _open: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def run(self, work: Callable[[], T], seconds: float = _PATIENCE) -> T:
        """What the work gives; Problem 422 if it takes longer, 503 if it could not begin."""
        busy = Problem(
            503, "too much is being tried out at once: try again in a moment", {"retry-after": "2"}
        )
        if self._open >= _WAITING:
            raise busy
        self._count(1)
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._count(-1))
        waited = asyncio.wrap_future(future)
        done, _ = await asyncio.wait([waited], timeout=seconds)
        if done:
            return waited.result()
        if future.cancel():
            raise busy
        waited.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise Problem(422, f"this took more than {seconds:.0f} s: try a shorter rule, or a smaller trace")

    def _count(self, by: int) -> None:
        with self._lock:
            self._open += by
