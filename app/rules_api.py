"""The routes of `/api/rules`: reading, writing through the log of proposals, trying out, moving."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.activity import day_json, statement_of
from app.bodies import json_of, object_of, only, yaml_of
from app.parameters import BAD_CURSOR, known, limit, methods
from app.problems import Problem
from app.rule_book import RuleSource, Wanted, current, plan, proposals, rule_file, rule_json
from app.security import Caller
from app.trials import Trials
from app.try_rule import editor_json, laid_out, tried, validated
from dsl.files import load, rule_of
from dsl.rule import Diagnostic, Rule
from streams.fold import Change
from streams.rules_log import NotWritten

_READING = 10.0  # seconds for the longest rule
_LARGEST = 256 * 1024  # bytes of a rule as it is written to the log
_TAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')
_NUMBER = re.compile(r"[0-9]{1,10}")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


async def listed(request: Request) -> Response:
    """The rules, by id."""
    known(request, ("limit", "cursor"))
    count, after = limit(request), request.query_params.get("cursor", "")
    if after and not _ID.fullmatch(after):
        raise Problem(400, BAD_CURSOR)
    found = [rule for rule in _source(request).rules() if rule.id > after]
    following = found[count - 1].id if len(found) > count else None
    return JSONResponse({"items": [rule_json(rule) for rule in found[:count]], "nextCursor": following})


async def one(request: Request) -> Response:
    """One rule; its ETag is the version."""
    known(request, ())
    return _answer(_existing(request))


async def create(request: Request) -> Response:
    """Make a rule."""
    known(request, ())
    given = await json_of(request)
    rule = await _read(request, given, given.get("id"))
    _writable(request, rule.id)
    if any(rule.id == each.id for each in _source(request).rules()):
        raise Problem(409, f"there is a rule {rule.id} already: PUT replaces it")
    made = await _change(request, rule.id, current(_source(request), rule.id), rule)
    return _answer(made, 201, {"location": f"/api/rules/{rule.id}"})


async def replace(request: Request) -> Response:
    """Replace a rule of the version that If-Match names."""
    known(request, ())
    existing = _existing(request)
    _writable(request, existing.id)
    given = await json_of(request)
    if given.get("id", existing.id) != existing.id:
        raise Problem(400, f"id: the path says {existing.id}; an id is never changed")
    rule = await _read(request, given, existing.id)
    return _answer(await _change(request, existing.id, _matched(request, existing), rule))


async def delete(request: Request) -> Response:
    """Delete a rule of the version that If-Match names; its history stays."""
    known(request, ())
    existing = _existing(request)
    _writable(request, existing.id)
    await _change(request, existing.id, _matched(request, existing), None)
    return Response(status_code=204)


async def versions(request: Request) -> Response:
    """The versions, newest first: who, when, what; a deletion has no rule."""
    known(request, ("limit", "cursor"))
    key, count = request.path_params["id"], limit(request)
    cursor = request.query_params.get("cursor", f"{10**9}")
    if not _NUMBER.fullmatch(cursor):
        raise Problem(400, BAD_CURSOR)
    changes: Sequence[Change] = _source(request).history(key)
    if not changes:
        rule = _existing(request)
        changes = [Change(rule.id, rule.version, rule, "file", "")]
    found = [change for change in reversed(changes) if change.version < int(cursor)]
    following = f"{found[count - 1].version}" if len(found) > count else None
    return JSONResponse({"items": [_version(each) for each in found[:count]], "nextCursor": following})


async def activity(request: Request) -> Response:
    """Proof of operation: of how many traces the rule has told what, by day and version, newest first."""
    known(request, ())
    key = request.path_params["id"]
    rows = await run_sync(request.app.state.index.rows, *statement_of(key))
    if not rows:
        _existing(request)
    return JSONResponse({"days": [day_json(row, "day", "version") for row in rows]})


async def restore(request: Request) -> Response:
    """Make an earlier version the current one, as a new version."""
    known(request, ())
    key, number = request.path_params["id"], request.path_params["version"]
    _writable(request, key)
    found = next((c for c in _source(request).history(key) if c.version == number), None)
    if found is None or found.rule is None:
        raise Problem(404, f"there is no version {number} of {key} that could be restored")
    latest = current(_source(request), key)
    if request.headers.get("if-match", "*") != "*" and _tag(request) != latest:
        raise Problem(412, f"{key} has moved on to version {latest}: look at it again")
    return _answer(await _change(request, key, latest, found.rule))


async def validate(request: Request) -> Response:
    """Diagnostics of a condition; 200 for an invalid one too."""
    condition = await _condition(request)
    return await _trials(request).run(lambda: JSONResponse(validated(condition)))


async def format_condition(request: Request) -> Response:
    """A condition in its one layout, as `betrace fmt` writes it."""
    condition = await _condition(request)
    return await _trials(request).run(lambda: JSONResponse({"condition": laid_out(condition)}))


async def test(request: Request) -> Response:
    """Judge a pasted trace; stores nothing."""
    known(request, ())
    given = await json_of(request)
    only(given, ("rule", "ruleId", "trace"))
    if ("rule" in given) is ("ruleId" in given) or "trace" not in given:
        raise Problem(400, "give 'trace', and either 'rule' or 'ruleId'")
    if "rule" in given:
        described = object_of(given["rule"], "rule")
        rule = await _read(request, described, described.get("id", "rule"))
    else:
        found = [each for each in _source(request).rules() if each.id == given["ruleId"]]
        if not found:
            raise Problem(404, f"there is no rule {given['ruleId']}")
        rule = found[0]
    redaction = request.app.state.redaction
    return await _trials(request).run(lambda: JSONResponse(tried(rule, given["trace"], redaction)))


async def import_rules(request: Request) -> Response:
    """Take in a rule file, all of it or nothing; `dryRun=true` says what it would do."""
    known(request, ("dryRun",))
    dry = request.query_params.get("dryRun", "false")
    if dry not in ("true", "false"):
        raise Problem(400, "dryRun: true or false")
    text = await yaml_of(request)
    loaded = await run_sync(load, [("import", text)])
    if loaded.errors:
        found = [_file_json(problem) for problem in loaded.diagnostics]
        count = "1 problem" if len(loaded.errors) == 1 else f"{len(loaded.errors)} problems"
        raise Problem(422, f"{count}; nothing was changed", diagnostics=found)
    planned = plan(_source(request), loaded.rules)
    if planned.held:
        raise Problem(409, f"rules from files cannot be changed here: {', '.join(planned.held[:10])}")
    if planned.changes and dry == "false":
        await _propose(request, planned.changes)
    return JSONResponse(
        {
            "dryRun": dry == "true",
            "created": planned.created,
            "replaced": planned.replaced,
            "unchanged": planned.unchanged,
            "diagnostics": [_file_json(problem) for problem in loaded.diagnostics],
        }
    )


async def export(request: Request) -> Response:
    """All rules as a rule file."""
    known(request, ())
    headers = {"content-disposition": 'attachment; filename="rules.yaml"'}
    text = rule_file(_source(request).rules())
    return Response(text, media_type="application/yaml", headers=headers)


ROUTES = [
    methods("/api/rules", GET=listed, POST=create),
    methods("/api/rules/validate", POST=validate),
    methods("/api/rules/format", POST=format_condition),
    methods("/api/rules/test", POST=test),
    methods("/api/rules/import", POST=import_rules),
    methods("/api/rules/export", GET=export),
    methods("/api/rules/{id}", GET=one, PUT=replace, DELETE=delete),
    methods("/api/rules/{id}/activity", GET=activity),
    methods("/api/rules/{id}/versions", GET=versions),
    methods("/api/rules/{id}/versions/{version:int}/restore", POST=restore),
]


async def _condition(request: Request) -> str:
    known(request, ())
    given = await json_of(request)
    only(given, ("condition",))
    condition = given.get("condition")
    if not isinstance(condition, str):
        raise Problem(400, "condition: the text of a rule is needed")
    return condition


def _version(change: Change) -> dict[str, Any]:
    return {
        "version": change.version,
        "at": change.at or None,
        "by": change.by,
        "rule": rule_json(change.rule) if change.rule else None,
        "reason": change.reason,
    }


def _source(request: Request) -> RuleSource:
    source: RuleSource = request.app.state.rules
    return source


def _trials(request: Request) -> Trials:
    trials: Trials = request.app.state.trials
    return trials


def _existing(request: Request) -> Rule:
    key = request.path_params["id"]
    found = next((rule for rule in _source(request).rules() if rule.id == key), None)
    if found is None:
        raise Problem(404, f"there is no rule {key}")
    return found


def _writable(request: Request, rule_id: str) -> None:
    if _source(request).is_file(rule_id):
        raise Problem(409, f"{rule_id} comes from a rule file: change it there")


def _matched(request: Request, existing: Rule) -> int:
    if "if-match" not in request.headers:
        raise Problem(428, f'say which version you have seen: If-Match: "{existing.version}"')
    if request.headers["if-match"] != "*" and _tag(request) != existing.version:
        raise Problem(412, f"{existing.id} has moved on to version {existing.version}: look at it again")
    return existing.version


def _tag(request: Request) -> int | None:
    found = _TAG.fullmatch(request.headers["if-match"].strip())
    return int(found[1]) if found else None


async def _change(request: Request, rule_id: str, base: int, rule: Rule | None) -> Rule:
    """Propose one change and give the rule that came of it; of a deletion the last one."""
    await _propose(request, [(rule_id, base, rule)])
    change = next(c for c in _source(request).history(rule_id) if c.version == base + 1)
    return change.rule or Rule(rule_id, "", version=change.version)


async def _propose(request: Request, wanted: Sequence[Wanted]) -> None:
    caller: Caller = request.state.caller
    records = proposals(wanted, caller.name, request.app.state.now())
    large = [rule_id for rule_id, value in records if len(value) > _LARGEST]
    if large:
        most = f"{_LARGEST // 1024} KiB"
        raise Problem(413, f"{large[0]} is larger than {most}: say less in its texts and labels")
    try:
        accepted = await run_sync(_source(request).propose, records, limiter=request.app.state.writers)
    except NotWritten as problem:
        raise Problem(503, f"nothing is known to have changed: {problem}", {"retry-after": "5"}) from None
    if not accepted:
        raise Problem(412, "somebody else was quicker: look at the rule again")


async def _read(request: Request, given: Mapping[str, Any], rule_id: object) -> Rule:
    work = partial(rule_of, {**given, "id": rule_id}, version=1, source="api")
    rule, problems = await _trials(request).run(work, _READING)
    if rule is None:
        text = given.get("condition")
        found = [editor_json(problem, text if isinstance(text, str) else "") for problem in problems]
        raise Problem(422, "; ".join(problem.message for problem in problems[:5]), diagnostics=found)
    return rule


def _answer(rule: Rule, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(rule_json(rule), status, headers={"ETag": f'"{rule.version}"', **(headers or {})})


def _file_json(problem: Diagnostic) -> dict[str, Any]:
    return {
        "severity": problem.severity,
        "message": problem.message,
        "line": problem.start.line,
        "column": problem.start.column,
        "endLine": problem.end.line,
        "endColumn": problem.end.column,
        "suggestion": problem.suggestion,
    }
