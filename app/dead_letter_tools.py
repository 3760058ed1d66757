"""`betrace dead-letters`: list what could not be read, show one, send them to their topics once more."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.errors import UserError
from app.times import MOMENT, in_order

if TYPE_CHECKING:
    from app.dead_letters import Place, Wanted
    from streams.config import Config


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--to", "end", type=MOMENT, help="Written before."),
        click.option("--from", "start", type=MOMENT, help="Written since: RFC 3339, or 2h for so long ago."),
        click.option("--topic", "topics", multiple=True, metavar="T", help="Of that input topic."),
        click.option("--reason", "reasons", multiple=True, metavar="R", help="Of that reason."),
    ):
        command = option(command)
    return command


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Input that could not be read."""


@dead_letters.command(name="list")
@_filters
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def list_letters(config_file: Path | None, /, limit: int, form: str, **filters: Any) -> None:
    """Show the newest, and how many there are by reason."""
    from app.dead_letter_forms import Listed, list_lines
    from app.dead_letters import read
    from app.traces import Progress

    listed = Listed(limit)
    for letter in read(_config(config_file), _wanted(**filters), Progress()):
        listed.add(letter)
    if form == "json":
        click.echo(json.dumps({"items": listed.items, "counts": listed.counts}, indent=1))
    else:
        for line in list_lines(listed):
            click.echo(line)


@dead_letters.command()
@click.argument("place", metavar="PLACE")
@click.option("--raw", is_flag=True, help="Write its bytes, and nothing else.")
@click.pass_obj
def show(config_file: Path | None, place: str, raw: bool) -> None:
    """Say all of one: PARTITION/OFFSET among the dead letters, or TOPIC/PARTITION/OFFSET of the input."""
    from app.dead_letter_forms import letter_lines
    from app.dead_letters import Wanted, read
    from app.traces import Progress

    config = _config(config_file)
    found = list(read(config, Wanted(places=_places(config, (place,))), Progress()))
    if not found:
        raise _none_of(place)
    if raw:
        sys.stdout.buffer.write(found[0].value)
        return
    for letter in found:
        for line in letter_lines(letter, letter.encoding(config)):
            click.echo(line)


@dead_letters.command(name="replay")
@click.argument("places", nargs=-1, metavar="[PLACE]...")
@_filters
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--again", is_flag=True, help="Also those that came back of an earlier replay.")
@click.option("--dry-run", "dry", is_flag=True, help="Say how many, and send nothing.")
@click.pass_obj
def replay_letters(
    config_file: Path | None, /, places: tuple[str, ...], every: bool, again: bool, dry: bool, **filters: Any
) -> None:
    """Send them to the input topics that they came from, once more."""
    from app.dead_letter_replay import replay, replay_lines
    from app.traces import Progress

    if not (places or every or any(filters.values())):
        raise UserError("say which: places, --reason, --topic, --from, or --all")
    config = _config(config_file)
    wanted = _wanted(places=_places(config, places), **filters)
    done = replay(config, wanted, Progress(), again=again, dry=dry)
    for line in replay_lines(done, dry=dry):
        click.echo(line)
    if missing := sorted(map(str, wanted.places - done.places)):
        raise _none_of(", ".join(missing))


def _none_of(places: str) -> UserError:
    return UserError(f"there is no dead letter of {places}: `betrace dead-letters list` shows them all")


def _wanted(reasons: tuple[str, ...] = (), **more: Any) -> "Wanted":
    from app.dead_letters import UNKNOWN, Wanted
    from streams.reading import REASONS

    if wrong := [each for each in reasons if each not in (*REASONS, UNKNOWN)]:
        raise UserError(f"--reason {wrong[0]}: there are {', '.join(REASONS)}, and {UNKNOWN}")
    in_order(more["start"], more["end"])
    return Wanted(reasons, **more)


def _config(config_file: Path | None) -> "Config":
    from app.settings import load

    return load(config_file).settings.config()


def _places(config: "Config", texts: tuple[str, ...]) -> "frozenset[Place]":
    from app.dead_letters import Place
    from streams.topics import Topics

    topic = Topics(config.kafka.group).dead_letter
    return frozenset(Place.of(text, topic) for text in texts)
