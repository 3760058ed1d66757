"""A TCP proxy on loopback, so that a process can be cut off from the broker and nobody else is."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

from tests.kafka import Listener


class Link:
    """One way to the broker. Call `cut`, `stall` and `mend` from any thread."""

    def __init__(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        assert listener.told is not None
        self.address = f"localhost:{listener.told}"
        self._listener = listener
        self._loop = loop
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._refusing = False
        self._flows = asyncio.Event()
        self._flows.set()

    async def listen(self) -> None:
        """Begin to take connections."""
        self._server = await asyncio.start_server(self._connected, "localhost", self._listener.told)

    async def close(self) -> None:
        """Close all connections, and return when what served them has ended."""
        if self._server is not None:
            self._server.close()
        self._mend()
        self._cut()
        while self._writers:
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Close all connections, and refuse new ones until `mend`."""
        self._loop.call_soon_threadsafe(self._cut)

    def stall(self) -> None:
        """Keep the connections, and let nothing through until `mend`."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._mend)

    def _cut(self) -> None:
        self._refusing = True
        for writer in self._writers:
            writer.transport.abort()

    def _mend(self) -> None:
        self._refusing = False
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self._listener.port)
            both = {writer, there[1]}
            self._writers |= both
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
            self._writers -= both
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


class Links:
    """A link to each of some listeners of a broker, all served by one thread."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._loop = asyncio.new_event_loop()
        self.links = [Link(listener, self._loop) for listener in listeners]
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)

    def start(self) -> None:
        """Return when all of them listen."""
        self._thread.start()
        for link in self.links:
            self._call(link.listen())

    def stop(self) -> None:
        """Close everything."""
        if self._thread.is_alive():
            for link in self.links:
                self._call(link.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
