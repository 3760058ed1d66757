"""The commands for those who write rules: check, test, lint, fmt, explain."""

import difflib
import json
import sys
from pathlib import Path

import click
import yaml

from app.errors import UserError

FILES = click.Path(path_type=Path)


@click.command()
@click.option("--rules", multiple=True, required=True, metavar="F...", type=FILES)
@click.option(
    "--traces",
    multiple=True,
    required=True,
    metavar="F...",
    help="Trace files, or folders of them; - is standard input.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--all", "every", is_flag=True, help="Every verdict, not violations and errors alone.")
def check(rules: tuple[Path, ...], traces: tuple[str, ...], form: str, every: bool) -> None:
    """Judge trace files. Ends with 0 if none is violated, 1 if some are, 2 for bad input."""
    from app.check import AsJson, AsText, check
    from app.rule_files import read_rules
    from app.traces import Traces
    from dsl.compile import compile_rules

    read = Traces(traces)
    told = AsJson(click.echo) if form == "json" else AsText(click.echo)
    code = check(compile_rules(read_rules(rules)), read, told, every=every)
    for error in read.errors:
        click.echo(f"betrace: {error}", err=True)
    sys.exit(code)


@click.command()
@click.option("--rules", multiple=True, required=True, metavar="F...", type=FILES)
@click.option("--rule", "rule_id", metavar="ID", help="Which of them, if there are several.")
@click.option("--traces", multiple=True, required=True, metavar="F...")
@click.option("--trace", "trace_id", metavar="ID", help="Which trace; else the first that is violated.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def explain(
    rules: tuple[Path, ...], rule_id: str | None, traces: tuple[str, ...], trace_id: str | None, form: str
) -> None:
    """Say why a rule gave its verdict on a trace."""
    from app.explain import as_json, as_text, explained
    from app.rule_files import read_rules
    from app.traces import Traces

    known = {rule.id: rule for rule in read_rules(rules)}
    if rule_id is None and len(known) > 1:
        raise UserError(f"say which rule, by --rule: {', '.join(known)}")
    if rule_id is not None and rule_id not in known:
        near = difflib.get_close_matches(rule_id, known, 1)
        hint = f", did you mean {near[0]}?" if near else f": there are {', '.join(known)}"
        raise UserError(f"there is no rule {rule_id}{hint}")
    read = Traces(traces)
    found = explained(known[rule_id or next(iter(known))], read, trace_id, 1_000_000)
    for error in read.errors:
        click.echo(f"betrace: {error}", err=True)
    if form == "json":
        click.echo(json.dumps(as_json(found), indent=1))
    else:
        for line in as_text(found):
            click.echo(line)
    sys.exit(2 if read.errors else 0)


@click.command(name="test")
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("--junit", metavar="F", type=FILES, help="Write JUnit XML to this file.")
@click.option("--coverage", is_flag=True, help="Say which clauses no test makes true, or false.")
def test_rules(files: tuple[Path, ...], junit: Path | None, coverage: bool) -> None:
    """Run the tests inside rule files. Ends with 0, 1 or, for files with errors, 2."""
    from app.explain import Explained, as_text
    from app.reports import junit as junit_xml
    from app.rule_files import read_rules, trace_reader
    from dsl.testing import run_tests, untried

    rules = read_rules(files)
    results = list(run_tests(rules, trace_reader(files)))
    failed = [result for result in results if result.problem]
    for result in failed:
        click.echo(f"failed {result.rule.id}, {result.test.name}: {result.problem}")
        if result.trace is not None and result.verdict is not None:
            for line in as_text(Explained(result.trace, result.verdict, result.clauses, 1, 0)):
                click.echo(f"  {line}".rstrip())
            click.echo()
    if junit is not None:
        junit.write_text(junit_xml(results), encoding="utf-8")
    for line in untried(results, rules) if coverage else ():
        click.echo(line)
    click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text")
def lint(files: tuple[Path, ...], form: str) -> None:
    """Say what is wrong with rule files, and what is surely not meant. Ends with 1 if there are errors."""
    from app.reports import diagnostic_json, sarif
    from app.rule_files import diagnostics

    found = diagnostics(files)
    if form == "json":
        click.echo(json.dumps([diagnostic_json(problem) for problem in found], indent=1))
    elif form == "sarif":
        click.echo(json.dumps(sarif(found), indent=1))
    else:
        for problem in found:
            click.echo(problem.render())
    sys.exit(1 if any(problem.severity == "error" for problem in found) else 0)


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILES)
@click.option("--check", "only", is_flag=True, help="Change nothing; end with 1 if a file would change.")
def fmt(files: tuple[Path, ...], only: bool) -> None:
    """Lay out the conditions of rule files; - reads one from standard input and prints it."""
    from app.rule_files import rule_files
    from dsl.rewrite import rewrite

    changed = 0
    for path, text in rule_files(files):
        try:
            made = rewrite(text)
        except yaml.YAMLError as problem:
            raise UserError(f"{path}: not YAML: {problem}") from None
        if str(path) == "-":
            click.echo(made, nl=False)
        elif made != text:
            changed += 1
            click.echo(f"{'would change' if only else 'changed'} {path}")
            if not only:
                path.write_text(made, encoding="utf-8")
    sys.exit(1 if only and changed else 0)


COMMANDS = (check, explain, test_rules, lint, fmt)
