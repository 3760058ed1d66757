"""`betrace migrate`: rules and violations of older BeTrace, in today's form."""

import json
from pathlib import Path
from typing import IO

import click

from app.errors import UserError

FILES = click.Path(path_type=Path)


@click.group()
def migrate() -> None:
    """Take over what older BeTrace exported."""


@migrate.command(name="rules")
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("-o", "--output", type=click.File("w", lazy=True), default="-", help="Write to this file.")
def migrate_rules(files: tuple[Path, ...], output: IO[str]) -> None:
    """Write older rule files as one of today, tests included; each older form is told on standard error."""
    from app.rule_book import rule_file
    from app.rule_files import read_rules

    output.write(rule_file(read_rules(files)))


@migrate.command(name="violations")
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("-o", "--output", type=click.File("w", lazy=True), default="-", help="Write to this file.")
@click.option(
    "--publish", is_flag=True, help="Send them to the topic of violations, so that the API shows them."
)
@click.pass_obj
def migrate_violations(
    config_file: Path | None, files: tuple[Path, ...], output: IO[str], publish: bool
) -> None:
    """Write violations of the older API as those of today, a line each. All or none are published."""
    from app.migrate import NoViolation, today, violations
    from app.settings import load
    from streams.redaction import Redaction

    config = load(config_file).settings.config()
    redaction = Redaction(config.redaction)
    found: list[dict[str, object]] = []
    wrong: list[str] = []
    for file in files:
        for number, older in enumerate(violations(_text(file), str(file)), 1):
            try:
                found += today(older, redaction)
            except NoViolation as problem:
                wrong.append(f"{file}, violation {number}: {problem}")
    if wrong:
        raise UserError("\n".join(wrong))
    if publish:
        _publish(config_file, found)
        return
    for each in found:
        output.write(json.dumps(each, ensure_ascii=False) + "\n")


def _publish(config_file: Path | None, found: list[dict[str, object]]) -> None:
    from app.sending import Sending
    from app.settings import load
    from app.told import told
    from streams.admin import partition_counts
    from streams.topics import Topics
    from streams.violation import encoded

    kafka = load(config_file).settings.config().kafka
    topic = Topics(kafka.group).violations
    with told():
        if topic not in partition_counts(kafka):
            raise UserError(f"the topic {topic} does not exist: `betrace topics create` makes it")
    with Sending(kafka) as sending:
        for each in found:
            sending.send(topic, encoded(each), key=str(each["id"]).encode())
    click.echo(f"published: {len(found)}, to {topic}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError(f"{file} cannot be read: {problem}") from None
