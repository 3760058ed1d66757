"""The question that containers ask of a worker or an API."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app import healthy


def test_who_answers_is_healthy_and_who_does_not_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/healthz"
        assert healthy.main([closed]) == 1
    assert f"{closed}: " in capsys.readouterr().err


def test_it_loads_nothing_that_takes_long() -> None:
    code = "import sys, app.healthy; print('pydantic' in sys.modules, 'confluent_kafka' in sys.modules)"
    top = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
