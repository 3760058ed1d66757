"""Reads rule files for the commands: all that is wrong at once."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from app.errors import UserError
from app.traces import Traces
from dsl.files import Loaded, load
from dsl.rule import Diagnostic, Rule
from dsl.short import ShortFormError
from dsl.trace import Trace


def read_rules(paths: Iterable[Path]) -> tuple[Rule, ...]:
    """The rules of files, and of folders with them; UserError with every problem at its place.

    Warnings, such as the new text of an older form, go to standard error.
    """
    loaded = _load(paths)
    if loaded.errors:
        raise UserError("\n".join(problem.render() for problem in loaded.errors))
    for problem in loaded.diagnostics:
        click.echo(problem.render(), err=True)
    return loaded.rules


def diagnostics(paths: Iterable[Path]) -> tuple[Diagnostic, ...]:
    """All that can be said against the rules of files and folders."""
    return _load(paths).diagnostics


def rule_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The files, and those of folders, with their texts; `-` is standard input."""
    for path in paths:
        for file in _files(path):
            yield file, _text(file)


def trace_reader(paths: Iterable[Path]) -> Callable[[Rule, str], Trace]:
    """Reads a test's `traceFile`, which stands beside the rule file; ShortFormError says why it cannot."""
    folders = list(dict.fromkeys(file.parent for path in paths for file in _files(path)))

    def read(rule: Rule, name: str) -> Trace:
        found = [folder / name for folder in folders if (folder / name).is_file()]
        if not found:
            raise ShortFormError(f"there is no trace file {name} beside the rules")
        traces = Traces([str(found[0])])
        held = list(traces)
        if traces.errors or len(held) != 1:
            raise ShortFormError(traces.errors[0] if traces.errors else f"{name} does not hold one trace")
        return held[0]

    return read


def _load(paths: Iterable[Path]) -> Loaded:
    return load([(str(file), text) for file, text in rule_files(paths)])


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.suffix in (".yaml", ".yml")]
        yield from sorted(file for file in found if not _hidden(file.relative_to(path)))
    else:
        yield path


def _hidden(file: Path) -> bool:
    """Whether it, or a folder of it, begins with a dot, as what is below a mounted ConfigMap does."""
    return any(part.startswith(".") for part in file.parts)


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError(f"the rule file {file} cannot be read: {problem}") from None
