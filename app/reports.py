"""What `betrace test` and `betrace lint` say to other tools: JUnit XML, SARIF, JSON."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any
from xml.etree import ElementTree

from dsl.rule import Diagnostic
from dsl.testing import Result

_ABOUT = {"error": "a rule that is not loaded", "warning": "a rule that is surely not meant so"}


def junit(results: Iterable[Result]) -> str:
    """JUnit XML: a suite a rule, a case a test."""
    suites = ElementTree.Element("testsuites", name="betrace")
    by_rule: dict[str, list[Result]] = {}
    for result in results:
        by_rule.setdefault(result.rule.id, []).append(result)
    for rule_id, tests in by_rule.items():
        failed = sum(1 for result in tests if result.problem)
        suite = ElementTree.SubElement(
            suites, "testsuite", name=rule_id, tests=str(len(tests)), failures=str(failed), errors="0"
        )
        for result in tests:
            case = ElementTree.SubElement(suite, "testcase", classname=rule_id, name=result.test.name)
            if result.problem:
                ElementTree.SubElement(case, "failure", message=result.problem).text = result.problem
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def diagnostic_json(problem: Diagnostic) -> dict[str, Any]:
    """A diagnostic with its places; columns in characters."""
    return {
        "severity": problem.severity,
        "message": problem.message,
        "file": problem.file,
        "line": problem.start.line,
        "column": problem.start.column,
        "endLine": problem.end.line,
        "endColumn": problem.end.column,
        "suggestion": problem.suggestion,
    }


def sarif(found: Sequence[Diagnostic]) -> dict[str, Any]:
    """SARIF 2.1.0, which code review shows at the lines."""
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in _ABOUT.items()]
    driver = {"name": "betrace", "version": version("betrace"), "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem) for problem in found],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _result(problem: Diagnostic) -> dict[str, Any]:
    region = {
        "startLine": problem.start.line,
        "startColumn": problem.start.column,
        "endLine": problem.end.line,
        "endColumn": problem.end.column,
    }
    place = {"artifactLocation": {"uri": problem.file}, "region": region}
    return {
        "ruleId": problem.severity,
        "level": problem.severity,
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": place}],
    }
