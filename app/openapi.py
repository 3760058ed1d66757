"""The API's description, OpenAPI 3.1, at `/api/openapi.json`."""

from importlib.metadata import version
from typing import Any

from app.counts import KINDS
from app.parameters import MAX_LIMIT
from dsl.rule import MODES, ON_INCOMPLETE, SEVERITIES, VERDICTS

Json = dict[str, Any]
_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_FLAG: Json = {"type": "boolean"}
_TIME: Json = {"type": "string", "format": "date-time"}
_RULE_ID: Json = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,127}$"}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(needed: Json, optional: Json | None = None, *, closed: bool = False) -> Json:
    made: Json = {"type": "object", "properties": {**needed, **(optional or {})}, "required": list(needed)}
    return made | ({"additionalProperties": False} if closed else {})


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _page(name: str) -> Json:
    return _object({"items": _list(_ref(name)), "nextCursor": _or_null(_TEXT)})


_PLAIN: Json = {"type": ["string", "number"]}
_CONTROL = _object({"framework": _TEXT, "control": _TEXT})
_LABELS: Json = {"type": "object", "additionalProperties": _TEXT}
_GIVEN: Json = {  # numbers are taken for text, as YAML makes numbers of texts
    "labels": _or_null({"type": "object", "additionalProperties": _PLAIN}),
    "compliance": _or_null(_list(_object({"framework": _PLAIN, "control": _PLAIN}, closed=True))),
}
_WRITABLE: Json = {
    "name": _TEXT,
    "description": _TEXT,
    "severity": {"type": "string", "enum": list(SEVERITIES)},
    "enabled": _FLAG,
    "mode": {"type": "string", "enum": list(MODES)},
    "onIncomplete": {"type": "string", "enum": list(ON_INCOMPLETE)},
    "message": _or_null(_TEXT),
    "labels": _LABELS,
    "compliance": _list(_CONTROL),
    "runbookUrl": _or_null(_TEXT),
}
_CHANGED: Json = {name: _or_null(schema) for name, schema in _WRITABLE.items()} | _GIVEN
_READ_ONLY: Json = {
    "version": {"type": "integer", "minimum": 1},
    "updatedAt": _or_null(_TEXT),
    "updatedBy": _or_null(_TEXT),
    "source": {"type": "string", "enum": ["file", "api"]},
}
_CONDITION: Json = {
    "type": "string",
    "description": "the rule language",
    "examples": ["when { a } always { b }"],
}
_SPAN = _object(
    {
        "spanId": _TEXT,
        "name": _TEXT,
        "service": _TEXT,
        "role": _TEXT,
        "startTime": _TEXT,
        "durationMs": {"type": "number"},
        "attributes": {"type": "object"},
    }
)
_DIAGNOSTIC = _object(
    {
        "severity": {"type": "string", "enum": ["error", "warning"]},
        "message": _TEXT,
        "line": _NUMBER,
        "column": _NUMBER,
        "endLine": _NUMBER,
        "endColumn": _NUMBER,
        "suggestion": _or_null(_TEXT),
    }
)
_SCHEMAS: Json = {
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": _NUMBER, "detail": _TEXT},
        {"diagnostics": _list(_ref("Diagnostic"))},
    ),
    "Diagnostic": _DIAGNOSTIC,
    "Rule": _object({"id": _RULE_ID, "condition": _CONDITION, **_WRITABLE, **_READ_ONLY}),
    "NewRule": _object(
        {"id": _RULE_ID, "condition": _CONDITION},
        {**_CHANGED, **{name: {"description": "ignored"} for name in _READ_ONLY}},
        closed=True,
    ),
    "ChangedRule": _object(
        {"condition": _CONDITION},
        {"id": _RULE_ID, **_CHANGED, **{name: {"description": "ignored"} for name in _READ_ONLY}},
        closed=True,
    ),
    "Version": _object(
        {
            "version": _NUMBER,
            "at": _or_null(_TEXT),
            "by": _TEXT,
            "rule": _or_null(_ref("Rule")),
            "reason": _or_null(_TEXT),
        }
    ),
    "Day": _object(
        {
            "day": {"type": "string", "format": "date"},
            "version": {"type": "integer", "minimum": 1},
            **dict.fromkeys(("evaluated", "applied", "violated", "errors"), _NUMBER),
            "seconds": {"type": "number"},
        }
    ),
    "Violation": _object(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "status": {"type": "string", "enum": ["open", "retracted"]},
            "revision": _NUMBER,
            "ruleId": _TEXT,
            "severity": {"type": "string", "enum": list(SEVERITIES)},
            "mode": {"type": "string", "enum": list(MODES)},
            "traceId": _TEXT,
            "services": _list(_TEXT),
            "detectedAt": _TIME,
        },
        {
            "ruleName": _TEXT,
            "ruleVersion": _NUMBER,
            "clause": {"type": "string", "enum": ["pattern", "always", "never"]},
            "message": _TEXT,
            "rootName": _TEXT,
            "service": _TEXT,
            "spans": _list(_SPAN),
            "spanTotal": _NUMBER,
            "missing": _list(_TEXT),
            "complete": _FLAG,
            "decisionReason": _TEXT,
            "truncated": _FLAG,
            "traceStart": _TEXT,
            "traceEnd": _TEXT,
            "updatedAt": _TEXT,
            "spanCount": _NUMBER,
            "labels": _LABELS,
            "compliance": _list(_CONTROL),
            "history": _list({"type": "object"}),
        },
    ),
    "Validated": _object(
        {
            "valid": _FLAG,
            "diagnostics": _list(_ref("Diagnostic")),
            "kind": _or_null({"type": "string", "enum": ["pattern", "invariant"]}),
            "spanNames": _list(_TEXT),
            "attributes": _list(_TEXT),
        }
    ),
    "Tried": _object(
        {
            "verdicts": _list(
                _object({"ruleId": _TEXT, "traceId": _TEXT, "verdict": {"enum": list(VERDICTS)}})
            ),
            "explain": {"type": "object"},
        }
    ),
    "Imported": _object(
        {
            "dryRun": _FLAG,
            "created": _list(_TEXT),
            "replaced": _list(_TEXT),
            "unchanged": _list(_TEXT),
            "diagnostics": _list(_ref("Diagnostic")),
        }
    ),
    "Series": _object(
        {
            "series": _list(
                _object({"labels": _LABELS, "points": _list({"type": "array", "items": {"type": "number"}})})
            )
        }
    ),
}


def _query(name: str, schema: Json, description: str, *, many: bool = False) -> Json:
    made = _list(schema) if many else schema
    return {"name": name, "in": "query", "description": description, "schema": made} | (
        {"style": "form", "explode": True} if many else {}
    )


_MOMENT: Json = {
    "type": "string",
    "description": "RFC 3339 with a zone, or Unix ms",
    "examples": ["1767225600000"],
}
_FILTERS = [
    _query("severity", {"type": "string", "enum": list(SEVERITIES)}, "any of these", many=True),
    _query("ruleId", _TEXT, "any of these", many=True),
    _query("traceId", _TEXT, "any of these", many=True),
    _query("service", _TEXT, "any of the trace's services", many=True),
    _query("status", {"type": "string", "enum": ["open", "retracted", "any"]}, "open if not said", many=True),
    _query("mode", {"type": "string", "enum": [*MODES, "any"]}, "enforce if not said", many=True),
    _query(
        "complete", {"type": "string", "enum": ["true", "false", "any"]}, "whether the trace was", many=True
    ),
    _query("label", {"type": "string", "pattern": "^[^:]+:"}, "key:value; all of the keys", many=True),
    _query("framework", _TEXT, "any of these", many=True),
    _query("control", _TEXT, "any of these", many=True),
    _query("q", _TEXT, "words of the message, all of them", many=True),
]
_TIMES = [_query("from", _MOMENT, "inclusive"), _query("to", _MOMENT, "exclusive")]
_PAGED = [
    _query(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100}, "items of a page"
    ),
    _query("cursor", _TEXT, "nextCursor of the page before"),
]
_ID = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_NUMBERED = {"name": "version", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
_MATCH = {"name": "If-Match", "in": "header", "description": "the ETag that was seen", "schema": _TEXT}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _operation(
    about: str,
    answers: Json,
    *,
    parameters: list[Json] | None = None,
    body: Json | None = None,
    errors: str = "",
) -> Json:
    """An operation; `errors` are the statuses of problems that it may answer with besides the usual."""
    problem = {
        "description": "a problem",
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    usual = "400 401 403 429 500" if body is not None else "400 401 500"
    responses = {**answers, **dict.fromkeys(f"{usual} {errors}".split(), problem)}
    made: Json = {"summary": about, "responses": responses}
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = {"required": True, "content": body}
    return made


def _ok(schema: Json, status: str = "200") -> Json:
    return {status: {"description": "so it is", "content": _json(schema)}}


def description() -> Json:
    """The document."""
    yaml_file: Json = {"application/yaml": {"schema": {"description": "a rule file"}}}
    any_json = _json({"type": "object"})
    written = "409 412 413 422 503"
    trace: Json = {"anyOf": [_list({"type": "object"}), {"type": "object"}]}
    test_body: Json = {
        "oneOf": [
            _object({"trace": trace, "rule": {"type": "object"}}, closed=True),
            _object({"trace": trace, "ruleId": _TEXT}, closed=True),
        ]
    }
    event_id = {"name": "Last-Event-ID", "in": "header", "schema": _TEXT}
    by = _query("by", {"type": "string", "enum": list(KINDS)}, "a series for each")
    step = _query("step", {"type": "string", "pattern": "^[1-9][0-9]{0,6}[smhd]$"}, "of the buckets; 1h")
    version_list = _object({"items": _list(_ref("Version"))})
    stream = {"200": {"description": "events", "content": {"text/event-stream": {"schema": _TEXT}}}}
    ready = {"200": {"description": "ready", "content": any_json}}
    paths: Json = {
        "/api/violations": {
            "get": _operation(
                "Violations, newest first", _ok(_page("Violation")), parameters=[*_FILTERS, *_TIMES, *_PAGED]
            )
        },
        "/api/violations/counts": {
            "get": _operation(
                "Counts in buckets of time", _ok(_ref("Series")), parameters=[*_FILTERS, *_TIMES, step, by]
            )
        },
        "/api/violations/stream": {
            "get": _operation(
                "New violations as events", stream, parameters=[*_FILTERS, event_id], errors="503"
            )
        },
        "/api/violations/{id}": {
            "get": _operation("One violation", _ok(_ref("Violation")), parameters=[_ID], errors="404")
        },
        "/api/rules": {
            "get": _operation("The rules, by id", _ok(_page("Rule")), parameters=_PAGED),
            "post": _operation(
                "Make a rule", _ok(_ref("Rule"), "201"), body=_json(_ref("NewRule")), errors=written
            ),
        },
        "/api/rules/validate": {
            "post": _operation(
                "Diagnostics of a condition",
                _ok(_ref("Validated")),
                body=_json(_object({"condition": _TEXT}, closed=True)),
                errors="413 422",
            )
        },
        "/api/rules/test": {
            "post": _operation(
                "Judge a pasted trace", _ok(_ref("Tried")), body=_json(test_body), errors="404 413 422"
            )
        },
        "/api/rules/import": {
            "post": _operation(
                "Take in a rule file, whole or not at all",
                _ok(_ref("Imported")),
                parameters=[_query("dryRun", {"type": "string", "enum": ["true", "false"]}, "only say it")],
                body=yaml_file,
                errors=written,
            )
        },
        "/api/rules/export": {
            "get": _operation(
                "All rules as a rule file", {"200": {"description": "YAML", "content": yaml_file}}
            )
        },
        "/api/rules/{id}": {
            "get": _operation("One rule", _ok(_ref("Rule")), parameters=[_ID], errors="404"),
            "put": _operation(
                "Replace a rule",
                _ok(_ref("Rule")),
                parameters=[_ID, _MATCH],
                body=_json(_ref("ChangedRule")),
                errors=f"404 428 {written}",
            ),
            "delete": _operation(
                "Delete a rule",
                {"204": {"description": "deleted"}},
                parameters=[_ID, _MATCH],
                errors="403 404 409 412 428 429 503",
            ),
        },
        "/api/rules/{id}/activity": {
            "get": _operation(
                "Of how many traces a rule has told what, newest day first",
                _ok(_object({"days": _list(_ref("Day"))})),
                parameters=[_ID],
                errors="404",
            )
        },
        "/api/rules/{id}/versions": {
            "get": _operation("Who changed what, when", _ok(version_list), parameters=[_ID], errors="404")
        },
        "/api/rules/{id}/versions/{version}/restore": {
            "post": _operation(
                "Make an earlier version current",
                _ok(_ref("Rule")),
                parameters=[_ID, _NUMBERED, _MATCH],
                errors="403 404 409 412 429 503",
            )
        },
        "/healthz": {"get": {"summary": "Alive", "responses": ready}},
        "/readyz": {"get": _operation("Caught up with Kafka", ready, errors="503")},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "BeTrace", "version": version("betrace"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }
