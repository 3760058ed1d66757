"""The command line."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from app.clock_tools import clock
from app.dead_letter_tools import dead_letters
from app.errors import UserError
from app.migrate_tools import migrate
from app.replay_tools import replay
from app.rule_tools import COMMANDS
from app.rules_cli import rules
from app.trace_tool import trace
from app.verify_tool import verify

# options that take more than one value: --rules a.yaml b.yaml
_SEVERAL = ("--rules", "--traces", "--offsets")
_INTERRUPTED = 130  # as shells say it


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="betrace")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file of settings.")
@click.pass_context
def cli(context: click.Context, config_file: Path | None) -> None:
    """BeTrace judges distributed traces as they stream past, by rules that a person can read."""
    context.obj = config_file


@cli.command()
@click.option("--traces", multiple=True, metavar="F...", help="Your own trace files, sent once.")
@click.option(
    "--rules", multiple=True, metavar="F...", type=click.Path(path_type=Path), help="Your own rules."
)
@click.pass_obj
def dev(config_file: Path | None, traces: tuple[str, ...], rules: tuple[Path, ...]) -> None:
    """Try it all out in one process, on an embedded broker that keeps nothing."""
    from app.dev import run_dev

    run_dev(_settings(config_file), traces, rules)


@cli.command()
@click.pass_obj
def worker(config_file: Path | None) -> None:
    """Judge the traces on Kafka."""
    from app.run import run_worker

    run_worker(_settings(config_file))


@cli.command()
@click.pass_obj
def api(config_file: Path | None) -> None:
    """Serve rules and violations over HTTP."""
    from app.run import run_api

    run_api(_settings(config_file))


@cli.command()
@click.argument("files", nargs=-1, required=True)
@click.pass_obj
def produce(config_file: Path | None, files: tuple[str, ...]) -> None:
    """Send trace files to the first input topic; the record time is now."""
    from app.produce import produce

    sent = produce(_settings(config_file).config().kafka, files)
    click.echo(f"{sent.spans:,} spans in {sent.records:,} records sent to {sent.topic}")


@cli.command()
@click.argument("url", default="http://127.0.0.1:4318")
def shop(url: str) -> None:
    """Send spans of a made-up shop to an OTLP/HTTP endpoint, such as a Collector, until interrupted."""
    from app.shop_sender import run_shop

    run_shop(url)


@cli.group()
def topics() -> None:
    """BeTrace's topics on Kafka."""


@topics.command()
@click.option("--inputs", is_flag=True, help="Create missing input topics too, with kafka.partitions.")
@click.pass_obj
def create(config_file: Path | None, inputs: bool) -> None:
    """Create the topics that are missing; refuse those unlike the settings."""
    from app.told import told
    from streams.admin import create

    with told():
        made = create(_settings(config_file).config(), inputs)
    click.echo(f"created {', '.join(made)}" if made else "all topics are there")


@topics.command(name="list")
@click.pass_obj
def list_topics(config_file: Path | None) -> None:
    """Show the topics with their partitions."""
    from app.told import told
    from streams.admin import partition_counts, wanted

    config = _settings(config_file).config()
    with told():
        existing = partition_counts(config.kafka)
    for name in [topic.name for topic in config.kafka.input_topics] + [
        topic.name for topic in wanted(config)
    ]:
        count = existing.get(name)
        click.echo(f"{name:<40} {f'{count} partitions' if count else 'missing'}")


@cli.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def accounting(config_file: Path | None, form: str) -> None:
    """Show where every span went."""
    from app.told import told
    from streams.accounting import account

    with told():
        found = account(_settings(config_file).config().kafka)
    t = found.totals
    parts: dict[str, Any] = {
        "received": t.received,
        "judged": t.judged,
        "duplicate": t.duplicate,
        "own": t.own,
        "tooLate": t.too_late,
        "rejected": t.rejected,
        "inFlight": found.in_flight,
        "missing": found.missing,
    }
    if form == "json":
        click.echo(json.dumps(parts))
    else:
        for name, count in parts.items():
            click.echo(f"{name:<10} {count:>14,}")


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def wipe(config_file: Path | None, yes: bool) -> None:
    """Remove a worker's local state, which is rebuilt from Kafka; refused while a worker uses it."""
    from app.told import told
    from streams.data_dir import held, marked, size, wipe

    folder = _settings(config_file).config().data_dir
    if not folder.is_dir():
        raise UserError(f"worker.data_dir {folder} does not exist")
    with told(), held(folder):
        mark = marked(folder)
        of = f"the group {mark.group} on the cluster {mark.cluster}" if mark else "nothing that is known"
        click.echo(f"{folder.resolve()}: {size(folder) / 2**20:,.1f} MiB of state of {of}")
        if not yes:
            click.confirm("Remove it? A worker rebuilds it from Kafka", abort=True)
        wipe(folder)
    click.echo("removed")


@cli.command()
@click.option("--docs", is_flag=True, help="The table of docs/settings.md.")
@click.option("--schema", is_flag=True, help="A JSON Schema of the settings file.")
@click.pass_obj
def config(config_file: Path | None, docs: bool, schema: bool) -> None:
    """Show every setting, and where its value came from. Secrets are files: only their paths show."""
    from app.setting_schema import settings_schema
    from app.setting_table import sources, table
    from app.settings import load

    if docs or schema:
        click.echo(table() if docs else json.dumps(settings_schema(), indent=2) + "\n", nl=False)
        return
    for source in sources(load(config_file)):
        click.echo(f"{source.key:<28} {source.value:<32} {source.origin}")


@cli.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(config_file: Path | None, ids: tuple[str, ...], yes: bool) -> None:
    """Erase violations for good, by their ids: from the topic, and from every index."""
    from app.erase import erase as erased

    kafka = _settings(config_file).config().kafka
    if not yes:
        click.confirm(f"Erase {len(ids)} violations? Nothing brings them back", abort=True)
    click.echo(f"erased: {erased(kafka, ids)}; Kafka drops their records when it next compacts")


@cli.command()
@click.argument("values", nargs=-1, metavar="[VALUE]...")
@click.pass_obj
def decrypt(config_file: Path | None, values: tuple[str, ...]) -> None:
    """Open values that redaction has encrypted, by redaction.key_file; else those of standard input."""
    from streams.disguise import NotEncrypted
    from streams.disguise import decrypt as opened

    key = _settings(config_file).config().redaction.key
    if not key:
        raise UserError("redaction.key_file is needed: the key that the values were encrypted by")
    for value in values or sys.stdin.read().split():
        try:
            click.echo(opened(value, key))
        except NotEncrypted as problem:
            raise UserError(f"{value[:40]}: {problem}") from None


for command in (*COMMANDS, rules, dead_letters, replay, clock, trace, verify, migrate):
    cli.add_command(command)


def _settings(config_file: Path | None) -> Any:
    from app.settings import load

    return load(config_file).settings


def spread(arguments: list[str]) -> list[str]:
    """`--rules a b` as `--rules a --rules b`, which click understands."""
    out: list[str] = []
    option: str | None = None
    taken = False
    for word in arguments:
        if word.startswith("-") and word != "-":
            option, taken = (word, False) if word in _SEVERAL else (None, False)
        elif option and taken:
            out.append(option)
        else:
            taken = True
        out.append(word)
    return out


def main() -> None:
    """Run a command; what a person got wrong is told in a line, and ends with 2, and Ctrl-C with 130."""
    try:
        sys.exit(cli.main(spread(sys.argv[1:]), prog_name="betrace", standalone_mode=False))
    except UserError as problem:
        for line in str(problem).split("\n"):
            click.echo(line if line.startswith(" ") else f"betrace: {line}", err=True)
        sys.exit(2)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except click.Abort as problem:
        interrupted = isinstance(problem.__cause__, KeyboardInterrupt)
        click.echo("betrace: interrupted" if interrupted else "betrace: nothing was done", err=True)
        sys.exit(_INTERRUPTED if interrupted else 1)
