"""What a process says of itself, and which lines are left out."""

import subprocess
import sys

import pytest

SAYS = """
import asyncio, logging
from app.logs import log_to_stderr, say_whether_ready
from streams.redaction import DEFAULT
log_to_stderr({level!r}, DEFAULT)
for name in ("betrace.worker", "aiokafka.conn", "faust.app.base"):
    for level in ("debug", "info", "warning"):
        getattr(logging.getLogger(name), level)("%s", level)
answers = iter(["a is away", None, None, "b is away", "c is away"])
async def until_all_was_asked():
    import app.logs
    app.logs._LOOK = app.logs._REMIND = 0
    await say_whether_ready(lambda: next(answers))
try:
    asyncio.run(until_all_was_asked())
except RuntimeError:
    pass
"""
OWN = ["betrace.worker: info", "betrace.worker: warning"]
READY = ["betrace: ready", "betrace: not ready: b is away"]
AWAY = ["betrace: still not ready: a is away", "betrace: still not ready: c is away"]
OF_LIBRARIES = ["aiokafka.conn: warning", "faust.app.base: warning"]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("warning", [*OWN[1:], *OF_LIBRARIES, *AWAY]),
        ("info", [*OWN, *OF_LIBRARIES, AWAY[0], *READY, AWAY[1]]),
    ],
)
def test_of_libraries_only_warnings_are_told(level: str, said: list[str]) -> None:
    assert lines(level) == said


def test_at_debug_everything_is_told_but_what_holds_requests_whole() -> None:
    told = lines("debug")
    assert {"faust.app.base: debug", "betrace.worker: debug", "aiokafka.conn: info"} <= set(told)
    assert "aiokafka.conn: debug" not in told


def lines(level: str) -> list[str]:
    """What a process says at a level, without times and levels."""
    command = [sys.executable, "-c", SAYS.format(level=level)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split(" ", 3)[3] for line in done.stderr.splitlines()]
