"""An application served on a socket, as it is, by a loop in a thread."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from starlette.applications import Starlette

from app.serve import bind, serve
from tests.integration.processes import until


@contextlib.contextmanager
def served(application: Starlette) -> Iterator[int]:
    """The port of loopback at which it answers until the block ends."""
    listener = bind("127.0.0.1:0", "api.listen")
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(application, listener, stop)))
    thread.start()
    port = listener.getsockname()[1]
    until("it listens", lambda: _listens(port))
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def _listens(port: int) -> bool | None:
    with socket.socket() as probe:
        return True if probe.connect_ex(("127.0.0.1", port)) == 0 else None
