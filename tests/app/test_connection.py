"""Clients that send or read slowly, too much, or no HTTP: on real sockets, with shorter times."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.api import Parts, application
from app.index import Index
from app.problems import HEADERS
from app.serve import bind
from tests.app.served import served
from tests.app.test_api import Rules
from tests.app.violations import record, violation
from tests.integration.processes import until

TOPIC = "betrace.violations"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index.sqlite")


@pytest.fixture
def port(index: Index, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The API on a socket, with a second where it has half a minute."""
    for name in ("connection.HEADERS_IN", "connection.READ_IN", "connection._REST_IN", "guard.SECONDS"):
        monkeypatch.setattr(f"app.{name}", 1.0)
    app = application(Parts(index, Rules(), lambda: None, lambda: 0))
    with served(app) as port:
        yield port


def asked(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of the answer to some bytes."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(sent)
        head, _, body = _until_closed(client).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    assert first.startswith("HTTP/1.1 "), first
    named = (line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in named}, body


def _until_closed(client: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            return found
        if not part:
            return found
        found += part


BEGUN = b"POST /api/rules/validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 no HTTP at all\r\n\r\n", 400),
        (b"GET /api/rules HTTP/1.1\r\n\r\n", 400),  # without a host
        (b"GET /api/rules HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", 400),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"GET /api/rules HTTP/1.1\r\nho", 408),
        (b"GET /%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 400),
        (b"GET /api/rules?a=%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 400),
        (b"PATCH /api/rules HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 405),
        (b"BREW /api/rules HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 405),
        (BEGUN + b'content-length: 50\r\n\r\n{"con', 408),
        (BEGUN + b"content-length: 99999999999\r\n\r\n{", 413),
        (BEGUN + b"content-length: five\r\n\r\n{", 400),
        (BEGUN + b"transfer-encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 65536 + b"\r\n", 408),
        (BEGUN + b"transfer-encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 17, 413),
        (BEGUN + b"transfer-encoding: chunked\r\n\r\nfish\r\n", 400),
    ],
    ids=range(16),
)
def test_what_is_no_request_or_never_ends_is_a_problem_and_the_connection_is_closed(
    port: int, sent: bytes, status: int
) -> None:
    given, headers, body = asked(port, sent)
    problem = json.loads(body)
    assert (given, problem["status"], headers["content-type"]) == (status, status, "application/problem+json")
    assert problem["detail"]
    assert {name: headers[name] for name in HEADERS} == HEADERS


def test_a_body_that_trickles_is_not_awaited_for_ever(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(BEGUN + b"content-length: 5000\r\n\r\n")

        def another() -> bytes | None:
            client.sendall(b" ")
            client.settimeout(0.05)
            try:
                return client.recv(100)
            except TimeoutError:
                return None

        assert until("it is refused", another).startswith(b"HTTP/1.1 408")


def test_a_connection_without_a_request_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        assert client.recv(100) == b""


def test_too_many_connections_are_told_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.connection.MOST", 0)
    status, _, body = asked(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (status, json.loads(body)["title"]) == (503, "Service Unavailable")


def test_a_keep_alive_connection_goes_on_after_an_answer_and_after_a_problem(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.connect()
    held = client.sock
    for path, status in (("/healthz", 200), ("/nowhere", 404), ("/healthz", 200)):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        assert (answer.status, client.sock) == (status, held)
    client.close()


def test_an_answer_does_not_wait_for_the_client_to_acknowledge_its_head() -> None:
    """Else each answer but the first takes 40 ms. Sockets inherit what this setting has asyncio do."""
    with bind("127.0.0.1:0", "api.listen") as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_client_that_does_not_read_its_events_is_given_up_and_resumes_where_it_was(
    port: int, index: Index
) -> None:
    """The buffers between the two are full at once; the rest waits in the index, not in memory."""
    index.put([record(n, message="long " * 20_000) for n in range(300)], {(TOPIC, 0): 300})
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 400_000)
        client.connect(("127.0.0.1", port))
        client.sendall(_streaming("0-0"))
        until("it is given up", lambda: _is_gone(client))
        got = _events(_until_closed(client))
    assert 0 < len(got) < 200
    with socket.create_connection(("127.0.0.1", port), 20) as again:
        again.sendall(_streaming(got[-1][0]))
        rest: list[tuple[str, Any]] = []
        data = b""
        while len(rest) < 300 - len(got):
            data += again.recv(1 << 20)
            rest = _events(data) if data.count(b"event: ") >= 300 - len(got) else rest
    assert [v["id"] for _, v in got + rest] == [violation(n)["id"] for n in range(300)]


def _streaming(after: str) -> bytes:
    return f"GET /api/violations/stream HTTP/1.0\r\nhost: x\r\nlast-event-id: {after}\r\n\r\n".encode()


def _is_gone(client: socket.socket) -> bool | None:
    """Whether the other side has closed the connection; what it sent first is still to be read."""
    state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    established = 1
    return None if state == established else True


def _events(data: bytes) -> list[tuple[str, Any]]:
    """The whole events, each with its id."""
    found = []
    for event in data.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
        if "data" in lines:
            found.append((lines["id"], json.loads(lines["data"])))
    return found
