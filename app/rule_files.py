"""Reads rule files for the commands: all that is wrong at once."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from app.errors import UserError
from dsl.files import Loaded, load
from dsl.rule import Diagnostic, Rule


def read_rules(paths: Iterable[Path]) -> tuple[Rule, ...]:
    """The rules of files, and of folders with them; UserError with every problem at its place."""
    loaded = _load(paths)
    if loaded.errors:
        raise UserError("\n".join(problem.render() for problem in loaded.errors))
    return loaded.rules


def diagnostics(paths: Iterable[Path]) -> tuple[Diagnostic, ...]:
    """All that can be said against the rules of files and folders."""
    return _load(paths).diagnostics


def _load(paths: Iterable[Path]) -> Loaded:
    return load([(str(file), _text(file)) for path in paths for file in _files(path)])


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
    else:
        yield path


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise UserError(f"the rule file {file} cannot be read: {problem}") from None
