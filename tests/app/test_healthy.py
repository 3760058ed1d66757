"""The question that containers ask of a worker or an API."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app import healthy


def test_who_answers_is_healthy_and_who_does_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/healthz"
        assert healthy.main([closed]) == 1
    assert f"{closed}: " in capsys.readouterr().err


def test_it_asks_again_until_it_is_answered_or_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as late:
        url = f"http://127.0.0.1:{late.getsockname()[1]}/readyz"
        threading.Thread(target=answer, args=(late, ["503 Not Yet", "200 OK"]), daemon=True).start()
        assert healthy.main(["--within", "60", url]) == 0
    assert capsys.readouterr().err == ""
    assert healthy.main(["--within", "0.1", url]) == 1


def answer(server: socket.socket, statuses: list[str]) -> None:
    """Answer one request after the other with the next status."""
    for status in statuses:
        asking, _ = server.accept()
        with asking:
            asking.recv(4096)
            asking.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())


def test_it_loads_nothing_that_takes_long() -> None:
    code = "import sys, app.healthy; print('pydantic' in sys.modules, 'confluent_kafka' in sys.modules)"
    top = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
