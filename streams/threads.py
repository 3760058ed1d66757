"""Blocking work beside an event loop, in threads that nobody waits for when the process ends."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises.

    Unlike `asyncio.to_thread`, whose threads are joined at the end: a client that waits for Kafka would keep
    the process from ending.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(tell_it: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(lambda: None if done.done() else tell_it())

    def run() -> None:
        try:
            result = work()
        except BaseException as problem:
            told = problem
            tell(lambda: done.set_exception(told))
        else:
            tell(lambda: done.set_result(result))

    threading.Thread(target=run, daemon=True).start()
    return await done


async def unless(stop: asyncio.Event, work: "asyncio.Future[T] | asyncio.Task[T]") -> bool:
    """Wait for work, or give it up when `stop` is set first; whether it was done. Raises what it raised."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((stopped, work), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if not work.done():
        work.cancel()
        return False
    work.result()
    return True
