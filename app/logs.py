"""Logs to standard error, of which each line goes through the redaction."""

import json
import logging
import sys
import traceback
from types import TracebackType
from typing import Literal

from app import clock
from streams.kafka import TALKATIVE
from streams.redaction import Redaction

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
    """Log from a level on, and tell of the error that ends the process in the same way."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingJson(redaction) if form == "json" else Redacting(redaction))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger(TALKATIVE).setLevel(max(logging.INFO, logging.getLevelName(level.upper())))

    def ended(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
        print(redaction.text("".join(traceback.format_exception(kind, problem, trace))), file=sys.stderr)

    sys.excepthook = ended
