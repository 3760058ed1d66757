"""Logs to standard error, of which each line goes through the redaction."""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from app import clock
from streams.kafka import TALKATIVE
from streams.redaction import Redaction

OWN = "betrace"  # the logger above all of BeTrace's
_LOOK = 1.0  # seconds between two looks whether the process is ready
_REMIND = 60.0  # seconds until it is said once more that it is not
_FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Redacting(logging.Formatter):
    """A record as text, with its traceback, redacted."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__(_FORM)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The whole text."""
        return self._redaction.text(super().format(record))


class RedactingJson(logging.Formatter):
    """A record as a JSON object on a line, its texts redacted."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The object, with `error` where there is a traceback."""
        told = {
            "time": clock.text(round(record.created * 1e9)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redaction.text(record.getMessage()),
        }
        if record.exc_info:
            told["error"] = self._redaction.text(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)


def log_to_stderr(level: str, redaction: Redaction, form: Literal["text", "json"] = "text") -> None:
    """Log from a level on, and tell of the error that ends the process in the same way.

    At info only BeTrace itself does: libraries would write a hundred lines when partitions change hands.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingJson(redaction) if form == "json" else Redacting(redaction))
    wanted = logging.getLevelName(level.upper())
    of_libraries = logging.WARNING if wanted == logging.INFO else wanted
    logging.basicConfig(level=of_libraries, handlers=[handler])
    logging.getLogger(OWN).setLevel(wanted)
    logging.getLogger(TALKATIVE).setLevel(max(logging.INFO, of_libraries))

    def ended(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
        print(redaction.text("".join(traceback.format_exception(kind, problem, trace))), file=sys.stderr)

    sys.excepthook = ended


async def say_whether_ready(waiting: Callable[[], str | None]) -> None:
    """Log for ever what /readyz answers: when it changes, and now and then while it is no."""
    log, loop = logging.getLogger(OWN), asyncio.get_running_loop()
    ready, said = False, loop.time()
    while True:
        problem = waiting()
        if ready != (problem is None):
            ready, said = not ready, loop.time()
            log.info("%s", "ready" if ready else f"not ready: {problem}")
        elif problem and loop.time() - said > _REMIND:
            said = loop.time()
            log.warning("still not ready: %s", problem)
        await asyncio.sleep(_LOOK)
