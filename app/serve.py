"""Serves an application with uvicorn inside a running loop."""

import asyncio
import socket
import ssl

import uvicorn
from starlette.applications import Starlette

from app.connection import HEADERS_IN, Connection
from app.errors import UserError

_GONE = 60  # seconds without an acknowledgement after which a connection is given up


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    def install_signal_handlers(self) -> None:
        """None."""


def bind(address: str, setting: str) -> socket.socket:
    """A listening socket; UserError when the address, which that setting gives, cannot be had."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer waits 40 ms
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # of Linux: peers that are gone without a word
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE * 1000)
        listener.bind((host, int(port)))
    except OSError as problem:
        raise UserError(f"cannot listen on {address}: {problem.strerror}; set {setting} to another") from None
    return listener


async def serve(
    application: Starlette, listener: socket.socket, stop: asyncio.Event, tls: ssl.SSLContext | None = None
) -> None:
    """Answer requests until `stop` is set, with TLS if there is a context for it."""
    config = uvicorn.Config(
        application,
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=round(HEADERS_IN),
        http=Connection,
        ws="none",
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
    )
    server = _Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    try:
        await stop.wait()
    finally:
        server.should_exit = server.force_exit = True
        await serving
