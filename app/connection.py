"""One HTTP connection, as uvicorn has it, that does not wait for ever for those who send or read slowly."""

import asyncio
import socket
import struct
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.problems import HEADERS, problem_response

MOST = 500  # connections at once
HEADERS_IN = 20.0  # seconds for the head of a request to come, and between two requests
READ_IN = 30.0  # seconds for a client to take what waits for it, beyond what the system buffers
_REST_IN = 5.0  # seconds for the rest of a body that was answered already
_LINGER = 1.0  # seconds for a client to read why it is refused
_TOO_LONG = "the address and headers of a request may have 16 KiB: ask for less at once"


class Connection(H11Protocol):
    """Closes what stands still; answers what is no HTTP with a problem body."""

    _sending: asyncio.TimerHandle | None = None  # until the request, or the rest of it, has to be there
    _reading: asyncio.TimerHandle | None = None  # until the client has to have read
    _awaited: object = None  # what `_sending` is for
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            self._refuse(503, "too many connections: try again in a moment")
        else:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for timer in (self._sending, self._reading):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in some bytes."""
        if not self._refused:  # else it is read, so that the client reads why, and dropped
            super().data_received(data)
            self._look()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._reading = self.loop.call_later(READ_IN, self._reset)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._reading is not None:
            self._reading.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; uvicorn calls it where h11 has raised."""
        problem = sys.exception()
        if isinstance(problem, h11.RemoteProtocolError) and problem.error_status_hint == 431:
            self._refuse(431, _TOO_LONG)
        else:
            self._refuse(400, "this is no HTTP/1.1 request")

    def _look(self) -> None:
        """Await the head of a request, or the rest of one that is answered; `app.guard` sees to bodies."""
        state = self.conn.their_state
        answered = state is h11.SEND_BODY and self.conn.our_state is not h11.SEND_RESPONSE
        awaited: Any = state if state is h11.IDLE or answered else None
        if awaited is self._awaited:
            return
        self._awaited = awaited
        if self._sending is not None:
            self._sending.cancel()
        if awaited is not None:
            self._sending = self.loop.call_later(HEADERS_IN if state is h11.IDLE else _REST_IN, self._late)

    def _late(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self.transport.abort()
        elif self.conn.trailing_data[0]:
            self._refuse(408, "the request did not come in time: send it at once")
        else:
            self.transport.close()

    def _reset(self) -> None:
        """Close at once, also what the system still keeps for the client."""
        held = self.transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer a problem, if nothing was answered yet, and close."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE) or self.transport.is_closing():
            self.transport.abort()
            return
        response = problem_response(status, detail)
        headers = [*response.raw_headers, (b"connection", b"close")]
        headers += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=b""),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._sending = self.loop.call_later(_LINGER, self.transport.abort)
        else:
            self.transport.close()
