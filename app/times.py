"""A moment as a person gives it on the command line."""

import re
from typing import Any

import click

from app.errors import UserError


class Moment(click.ParamType):
    """RFC 3339 with a zone, Unix ms, or so long ago (2h); Unix ms."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Read it."""
        from app import clock
        from app.query import nanoseconds
        from app.setting_types import seconds

        text = str(value)
        try:
            if re.fullmatch(r"\d{12,14}", text):
                return int(text)
            if re.fullmatch(r"[\d.]+\s*[a-z]+", text):
                return round(clock.now() / 1e6 - float(seconds(text)) * 1000)
            return int(nanoseconds(text)) // 10**6
        except (ValueError, OverflowError):
            self.fail(f"{text}: RFC 3339 with a zone (2026-01-31T12:00:00Z), Unix ms, or how long ago (2h)")


MOMENT = Moment()


def in_order(start: int | None, end: int | None) -> None:
    """UserError unless something may lie between."""
    if start is not None and end is not None and end <= start:
        raise UserError("--to is not after --from: nothing lies between them")
