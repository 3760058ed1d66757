"""Logs to standard error, of which each line goes through the redaction."""

import logging
import sys
import traceback
from types import TracebackType

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


def log_to_stderr(level: str, redaction: Redaction) -> None:
    """Log from a level on, and tell of the error that ends the process in the same way."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting(redaction))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger(TALKATIVE).setLevel(max(logging.INFO, logging.getLevelName(level.upper())))

    def ended(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
        print(redaction.text("".join(traceback.format_exception(kind, problem, trace))), file=sys.stderr)

    sys.excepthook = ended
