"""Runs the long-lived processes, a worker or an API, until they are told to stop."""

import asyncio
import gc
import logging
import os
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from prometheus_client import REGISTRY

from app import clock
from app.api import Parts, application, worker_application
from app.errors import UserError
from app.index import Index, IndexFailed
from app.index_health import IndexHealth
from app.logs import OWN, log_to_stderr, say_whether_ready
from app.reader import Reader
from app.rule_files import read_rules
from app.security import Access, read_tokens
from app.serve import bind, serve
from app.setting_groups import LogSettings
from app.settings import Settings
from app.told import told
from dsl.rule import Rule
from streams import signs
from streams.acts import telling
from streams.admin import TopicError, check_login, small_dead_letters, verify
from streams.config import Config
from streams.crash import CrashPoints
from streams.data_dir import claim, held, whose
from streams.exporter import exporting
from streams.membership import Broker
from streams.offences import Offences
from streams.reach import Unreachable
from streams.redaction import Redaction
from streams.rules_log import RulesLog
from streams.threads import in_thread, unless
from streams.tls import BadFile, server_context
from streams.topics import Topics
from streams.violation import timestamp
from streams.watchdog import Watch, Watchdog, end_process
from streams.worker import Worker

_LOG = logging.getLogger(OWN)
_FORGET_EVERY = 10.0  # seconds between two looks for violations past their retention
_LEAVE = 9.0  # seconds in which a process that is told to stop does so in order
_GARBAGE = 50_000  # objects between two looks for cycles; spans on their way are many, and make none


def run_worker(settings: Settings) -> None:
    """Work until told to stop; UserError when it cannot start."""
    config = settings.config()
    redaction = Redaction(config.redaction)
    rules = read_rules(config.rule_files)
    listener = bind(settings.metrics.listen, "metrics.listen")

    async def work(stop: asyncio.Event) -> None:
        waiting: list[Callable[[], str | None]] = [lambda: "Kafka has not answered yet"]
        served = serve(worker_application(lambda: waiting[-1](), redaction), listener, stop)
        async with beside(served), beside(say_whether_ready(lambda: waiting[-1]())):
            with told(), held(config.data_dir):
                if not await unless(stop, asyncio.ensure_future(in_thread(lambda: prepare(config)))):
                    return
                _LOG.info("worker of %s: metrics at %s", config.kafka.group, settings.metrics.listen)
                with following(config, rules) as log:
                    worker = Worker(config, log, clock.now, CrashPoints(settings.worker.crash_at))
                    REGISTRY.register(worker.health)
                    worker.health.offended = offences(log, config).add
                    waiting.append(lambda: log.problem or worker.ready)
                    with watched(worker), exporting(config, clock.now), telling(config, clock.now):
                        await worker.run(stop)

    until_told(work, settings.log, redaction)


def prepare(config: Config) -> None:
    """Make sure that topics and state are those of the settings; else nothing is touched."""
    verify(config)
    claim(config.data_dir, whose(config.kafka))
    if problem := small_dead_letters(config):
        _LOG.warning("%s", problem)


def run_api(settings: Settings) -> None:
    """Serve the API until told to stop; UserError when it cannot start.

    A Kafka that is away is waited for, one that refuses the login or the certificate is not.
    """
    config = settings.config()
    redaction = Redaction(config.redaction)
    rules = read_rules(config.rule_files)
    listener = bind(settings.api.listen, "api.listen")
    access, tls = api_access(settings), api_tls(settings)
    with told():
        check_login(config.kafka)
    index = Index(settings.api.index or config.data_dir / "violations.sqlite")

    async def work(stop: asyncio.Event) -> None:
        _LOG.info("API of %s: at %s", config.kafka.group, settings.api.listen)
        telling_acts = telling(config, clock.now)
        with following(config, rules) as log, indexing(index, config) as reader, telling_acts:
            REGISTRY.register(IndexHealth(reader))
            kept = settings.violations
            waiting = lambda: reader.problem or log.problem  # noqa: E731
            async with (
                beside(forgetting(index, kept.retention, kept.max_rows)),
                beside(say_whether_ready(waiting)),
            ):
                group, as_of = config.kafka.group, lambda: reader.as_of
                parts = Parts(index, log, waiting, clock.now, access, group, as_of, redaction)
                await serve(application(parts), listener, stop, tls)

    until_told(work, settings.log, redaction)


def api_access(settings: Settings) -> Access:
    """The tokens of the settings; UserError for a file that holds none."""
    api = settings.api
    tokens = read_tokens(api.tokens_file) if api.tokens_file else None
    if api.trust_user_header and tokens is not None and api.trust_user_header not in tokens:
        raise UserError(f"api.trust_user_header: there is no token {api.trust_user_header}")
    return Access(tokens, api.trust_user_header)


def api_tls(settings: Settings) -> ssl.SSLContext | None:
    """The certificate that the API shows, if any; UserError for files that cannot be used."""
    tls = settings.api.tls
    if tls.cert_file is None or tls.key_file is None:
        return None
    try:
        return server_context("api.tls", tls.cert_file, tls.key_file)
    except BadFile as problem:
        raise UserError(str(problem)) from None


def until_told(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]], log: LogSettings, redaction: Redaction
) -> None:
    """Run until SIGINT or SIGTERM; what makes the work impossible is a UserError.

    A second signal ends the process at once, and so does time: a worker that is killed loses nothing.
    """
    log_to_stderr(log.level, redaction, log.format)
    gc.freeze()  # what is loaded now stays
    gc.set_threshold(_GARBAGE)

    async def main() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, _stop, stop, name)
        try:
            await work(stop)
        finally:
            _end_in_time()

    try:
        asyncio.run(main())
    except (TopicError, Unreachable) as problem:
        raise UserError(f"stopped: {problem}") from problem
    except (OSError, ValueError, LookupError) as problem:
        raise UserError(redaction.text(f"stopped: {type(problem).__name__}: {problem}")) from problem


def _stop(stop: asyncio.Event, signal_number: int) -> None:
    if stop.is_set():
        os._exit(128 + signal_number)
    _LOG.info("told to stop by %s", signal.Signals(signal_number).name)
    stop.set()
    _end_in_time()


def _end_in_time() -> None:
    last = threading.Timer(_LEAVE, _end)
    last.daemon = True
    last.start()


def _end() -> None:
    """End though not all is in order, as when Kafka is away."""
    _LOG.warning("not ended in order within %.0f s: what is not finished is read again", _LEAVE)
    os._exit(1)


def offences(log: RulesLog, config: Config) -> Offences:
    """Has rules disabled that are cut off again and again, in the name of all workers of the group."""
    return Offences(log, f"worker:{config.kafka.group}", lambda: timestamp(clock.now()))


@contextmanager
def watched(worker: Worker) -> Iterator[None]:
    """A watchdog looks at the worker until the block ends, unless the settings say no."""
    config = worker.config
    topics = {topic.name for topic in config.kafka.input_topics} | {Topics(config.kafka.group).spans}
    watch = Watch(config.watchdog, frozenset(topics))
    broker = Broker(config.kafka)
    dog = Watchdog(lambda: signs.view(worker), lambda: signs.wanted(worker), broker, watch, end_process)
    if config.watchdog:
        dog.start()
    try:
        yield
    finally:
        dog.stop()


@contextmanager
def following(config: Config, rules: tuple[Rule, ...]) -> Iterator[RulesLog]:
    """The rules in force, followed until the block ends."""
    log = RulesLog(config.kafka, rules, config.limits.rule_steps, lambda: None)
    log.start()
    try:
        yield log
    finally:
        log.stop()


@contextmanager
def indexing(index: Index, config: Config) -> Iterator[Reader]:
    """The index, kept up with its topic until the block ends."""
    reader = Reader(index, config.kafka, Topics(config.kafka.group))
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something else while the block runs, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def forgetting(index: Index, retention: float, rows: int) -> None:
    """Delete violations past their retention (s), and the oldest of more than so many, now and then."""
    while True:
        before = clock.now() - round(retention * 10**9)
        try:
            await asyncio.to_thread(index.forget, before)
            await asyncio.to_thread(index.keep, rows)
        except IndexFailed as problem:
            _LOG.error("old violations were not deleted: %s", problem)
        await asyncio.sleep(_FORGET_EVERY)
