"""`betrace rules`: the rules in force as a table, and moving rules in and out, straight from and to Kafka."""

import getpass
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from app.errors import UserError
from dsl.rule import Rule

if TYPE_CHECKING:
    from streams.rules_log import RulesLog

FILES = click.Path(path_type=Path)
_WIDTH = 100  # columns of the table
_GAP = "  "
_PATIENCE = 30.0  # seconds for reading the log


class Column(NamedTuple):
    """A column of the table, and a key of the JSON.

    `short` gives the table's text where it is not the value itself; `shrinks` says that it may be cut.
    """

    title: str
    key: str
    value: Callable[[Rule], Any]
    short: Callable[[Any], str] = str
    shrinks: bool = False


def _to_the_minute(at: str) -> str:
    return at[:16].replace("T", " ")


COLUMNS = (
    Column("rule", "id", lambda rule: rule.id, shrinks=True),
    Column("version", "version", lambda rule: rule.version),
    Column("severity", "severity", lambda rule: rule.severity),
    Column("state", "state", lambda rule: state(rule)),
    Column("source", "source", lambda rule: rule.source),
    Column("updated by", "updatedBy", lambda rule: rule.updated_by, shrinks=True),
    Column("updated", "updatedAt", lambda rule: rule.updated_at, short=_to_the_minute),
)


@click.group()
def rules() -> None:
    """The rules in force: those of the log on Kafka, and of rule files."""


@rules.command(name="list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def list_rules(config_file: Path | None, form: str) -> None:
    """Show the rules, by id, and name those that never applied in a day or cost too much."""
    from app.clock import now
    from app.rule_health import recent, remark
    from app.told import told

    with _log(config_file) as log, told():
        found, done = log.rules(), recent(log.kafka, now())
    remarks = {rule.id: remark(rule, done, now()) for rule in found}
    if form == "json":
        items = [
            {column.key: column.value(rule) for column in COLUMNS} | {"remark": remarks[rule.id]}
            for rule in found
        ]
        click.echo(json.dumps({"rules": items}, indent=1, ensure_ascii=False))
        return
    for line in table(found):
        click.echo(line)
    for rule_id, text in remarks.items():
        if text:
            click.echo(f"look at {rule_id}: {text}")


@rules.command(name="import")
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("--dry-run", is_flag=True, help="Say what it would do, and change nothing.")
@click.pass_obj
def import_rules(config_file: Path | None, files: tuple[Path, ...], dry_run: bool) -> None:
    """Take in rule files, all of them or nothing; - is standard input."""
    from app.clock import now
    from app.rule_book import plan, proposals
    from app.rule_files import read_rules

    given = read_rules(files)
    with _log(config_file) as log:
        planned = plan(log, given)
        if planned.held:
            held = ", ".join(planned.held[:10])
            raise UserError(f"rules of rules.files cannot be changed here: {held}; nothing was changed")
        if planned.changes and not dry_run:
            _propose(log, proposals(planned.changes, author(), now()))
    parts = {"created": planned.created, "replaced": planned.replaced, "unchanged": planned.unchanged}
    for word, ids in parts.items():
        for rule_id in ids:
            click.echo(f"{word:<9} {rule_id}")
    told = ", ".join(f"{len(ids)} {word}" for word, ids in parts.items())
    click.echo(f"dry run, nothing was changed: {told}" if dry_run else told)


@rules.command(name="export")
@click.option("-o", "--output", metavar="F", type=FILES, help="Write to this file, not to standard output.")
@click.pass_obj
def export(config_file: Path | None, output: Path | None) -> None:
    """Give all rules as a rule file."""
    from app.rule_book import rule_file

    with _log(config_file) as log:
        text = rule_file(log.rules())
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UserError(f"{output} cannot be written: {problem.strerror}") from None


def state(rule: Rule) -> str:
    """Whether a rule judges, and whether it counts."""
    if not rule.enabled:
        return "disabled"
    return "shadow" if rule.mode == "shadow" else "enabled"


def author() -> str:
    """Who changes rules from this command line."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name, as in a container
        return f"cli:{os.getuid()}"


def table(found: Sequence[Rule], columns: Sequence[Column] = COLUMNS) -> Iterator[str]:
    """The lines of the table, at most 100 columns: what is cut ends in `…`."""
    if not found:
        yield "no rules"
        return
    rows = [[column.title for column in columns]]
    rows += [["-" if (value := c.value(rule)) is None else c.short(value) for c in columns] for rule in found]
    widths = _widths(columns, [max(map(len, cells)) for cells in zip(*rows, strict=True)])
    for row in rows:
        yield _GAP.join(_cell(text, width) for text, width in zip(row, widths, strict=True)).rstrip()


def _widths(columns: Iterable[Column], wanted: list[int]) -> list[int]:
    """The widest of the columns that may shrink gives way first."""
    able = [number for number, column in enumerate(columns) if column.shrinks]
    while sum(wanted) + len(_GAP) * (len(wanted) - 1) > _WIDTH:
        widest = max(able, key=lambda number: wanted[number])
        wanted[widest] -= 1
    return wanted


def _cell(text: str, width: int) -> str:
    return f"{text:<{width}}" if len(text) <= width else f"{text[: width - 1]}…"


@contextmanager
def _log(config_file: Path | None) -> "Iterator[RulesLog]":
    """The rules log, read to its end; UserError when Kafka is away or has no such topic."""
    from app.clock import now
    from app.rule_files import read_rules
    from app.run import following
    from app.settings import load
    from app.told import told
    from streams.acts import telling
    from streams.admin import partition_counts
    from streams.topics import Topics

    config = load(config_file).settings.config()
    files = read_rules(config.rule_files)
    topic = Topics(config.kafka.group).rules
    with told():
        existing = partition_counts(config.kafka)
    if topic not in existing:
        raise UserError(f"the topic {topic} does not exist: `betrace topics create` makes it")
    with following(config, files) as log, telling(config, now):
        if not log.wait(_PATIENCE):
            raise UserError(log.problem or f"the rules log was not read in {_PATIENCE:.0f} s: try again")
        yield log


def _propose(log: "RulesLog", records: Sequence[tuple[str, bytes]]) -> None:
    from streams.rules_log import NotWritten

    try:
        accepted = log.propose(records)
    except NotWritten as problem:
        raise UserError(f"nothing is known to have changed: {problem}") from None
    if not accepted:
        raise UserError("somebody else changed one of these rules meanwhile; nothing was changed: try again")
