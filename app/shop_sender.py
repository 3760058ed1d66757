"""`betrace shop`: sends what the made-up shop does to an OTLP endpoint, such as a Collector, for ever."""

import contextlib
import itertools
import signal
import time

import click

from app import clock, setting_types
from app.errors import UserError
from app.shop import requests
from streams.config import Endpoint
from streams.endpoint import HttpSender

_PACE = 0.25  # seconds between two requests
_TELL = 60.0  # seconds between two lines of counts


def run_shop(url: str) -> None:
    """Send until SIGINT or SIGTERM; UserError for what the endpoint refuses. One away is waited for."""
    try:
        setting_types.url(url)
    except ValueError as problem:
        raise UserError(f"{url}: {problem}") from None
    for name in (signal.SIGINT, signal.SIGTERM):  # also where they were ignored, as of process 1
        signal.signal(name, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        _send(url)


def _send(url: str) -> None:
    sender = HttpSender(Endpoint(url, "http", {}), clock.now)
    sent, told = 0, time.monotonic()
    waiting = ""
    for request in itertools.chain.from_iterable(requests(seed, clock.now) for seed in itertools.count(1)):
        answer = sender.send(request.SerializeToString())
        if answer.outcome == "refused":
            raise UserError(f"{url} refuses spans: {answer.why}")
        sent += answer.outcome == "taken"
        if answer.outcome == "later" and answer.why != waiting:
            click.echo(f"waiting for {url}: {answer.why}", err=True)
        waiting = answer.why if answer.outcome == "later" else ""
        if time.monotonic() - told > _TELL:
            click.echo(f"{sent:,} requests sent")
            told = time.monotonic()
        time.sleep(1 if waiting else _PACE)
