"""The command `betrace replay`."""

import sys
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

import click

from app.errors import UserError
from app.times import MOMENT, in_order

if TYPE_CHECKING:
    from app.check import Form
    from app.replay import Recorded
    from app.settings import Settings
    from dsl.compile import RuleSet
    from streams.ranges import Ranges

_SPOOLED = 16 * 2**20  # bytes of violations in memory; what is more goes to disk
_PATIENCE = 30.0  # seconds for the rules log


@click.command()
@click.option(
    "--from", "start", type=MOMENT, help="Traces that began since: RFC 3339, or 2h for so long ago."
)
@click.option("--to", "end", type=MOMENT, help="Traces that began before; else up to now.")
@click.option(
    "--offsets", multiple=True, metavar="T/P:A-B", help="These records, both included, and no others."
)
@click.option("--rules", multiple=True, metavar="F...", type=click.Path(path_type=Path),
              help="Rule files; else the rules in force.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--all", "every", is_flag=True, help="Every verdict, not violations and errors alone.")
@click.option("--publish", is_flag=True, help="Publish the violations that are not on Kafka yet.")
@click.pass_obj
def replay(
    config_file: Path | None, /, start: int | None, end: int | None, offsets: tuple[str, ...],
    rules: tuple[Path, ...], form: str, every: bool, publish: bool,
) -> None:  # fmt: skip
    """Judge a range of the input topics. Ends with 0 if none is violated, 1 if some are, 2 for bad input."""
    from app import clock
    from app.check import AsJson, AsText, check
    from app.replay import Publication
    from app.settings import load
    from app.told import told
    from streams.ranges import Ranges
    from streams.redaction import Redaction

    if bool(offsets) == (start is not None or end is not None):
        raise UserError(
            "say which range: --from 2h, --from and --to, or --offsets TOPIC/PARTITION:START-END without them"
        )
    in_order(start, end)
    settings = load(config_file).settings
    config = settings.config()
    kafka, redaction = config.kafka, Redaction(config.redaction)
    shape: Form = AsJson(click.echo, redaction) if form == "json" else AsText(click.echo, redaction)
    with told(), Ranges(kafka, "replay") as reader, SpooledTemporaryFile(_SPOOLED) as kept:
        publication = Publication(shape, clock.now, kept, redaction, config.evidence) if publish else None
        traces = _traces(settings, reader, start, end, offsets)
        code = check(_rules(settings, rules), traces, publication or shape, every=every)
        for error in traces.errors:
            click.echo(f"betrace: {error}", err=True)
        if publication:
            done = publication.publish(kafka, reader)
            click.echo(f"{done.sent:,} violations published, {done.known:,} were there already", err=True)
    sys.exit(code)


def _traces(
    settings: "Settings", reader: "Ranges", start: int | None, end: int | None, offsets: tuple[str, ...]
) -> "Recorded":
    from app.replay import Between, Recorded, around
    from app.replay import offsets as range_of

    config = settings.config()
    if offsets:
        ranges = [range_of(reader, text) for text in offsets]
        if len({(part.topic, part.partition) for part in ranges}) < len(ranges):
            raise UserError("--offsets: a partition is named twice")
        return Recorded(config, reader, ranges)
    began = Between(0 if start is None else start, 2**63 if end is None else end)
    return Recorded(config, reader, around(reader, config, start, end), began)


def _rules(settings: "Settings", files: tuple[Path, ...]) -> "RuleSet":
    """Those of the files, or those in force now: of the log, and of the files in the settings."""
    from app.rule_files import read_rules
    from app.run import following
    from dsl.compile import compile_rule, rule_set

    config = settings.config()
    if files:
        rules = [rule for rule in read_rules(files) if rule.enabled]
        return rule_set([compile_rule(rule) for rule in rules], config.limits.rule_steps)
    with following(config, read_rules(config.rule_files)) as log:
        if not log.wait(_PATIENCE):
            raise UserError(f"the rules in force are not known: {log.problem or 'the log could not be read'}")
        return log.in_force().rules
