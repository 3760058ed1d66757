"""The API's description, OpenAPI 3.1, at `/api/openapi.json`."""

from importlib.metadata import version

from app.counts import KINDS
from app.parameters import MAX_LIMIT
from app.schemas import SCHEMAS, TEXT, Json, list_of, ref
from app.values import KINDS as VALUES
from dsl.rule import MODES


def _header(description: str, *, required: bool = False) -> Json:
    return {"description": description, "schema": TEXT} | ({"required": True} if required else {})


def _query(name: str, schema: Json, description: str, *, many: bool = False) -> Json:
    made = list_of(schema) if many else schema
    return {"name": name, "in": "query", "description": description, "schema": made} | (
        {"style": "form", "explode": True} if many else {}
    )


_MOMENT: Json = {
    "type": "string",
    "description": "RFC 3339 with a zone, or Unix ms",
    "examples": ["1767225600000"],
}
_FILTERS = [
    _query("severity", ref("Severity"), "any of these", many=True),
    _query("ruleId", TEXT, "any of these", many=True),
    _query("traceId", TEXT, "any of these", many=True),
    _query("service", TEXT, "any of the trace's services", many=True),
    _query("status", {"type": "string", "enum": ["open", "retracted", "any"]}, "open if not said", many=True),
    _query("mode", {"type": "string", "enum": [*MODES, "any"]}, "enforce if not said", many=True),
    _query(
        "complete", {"type": "string", "enum": ["true", "false", "any"]}, "whether the trace was", many=True
    ),
    _query("label", {"type": "string", "pattern": "^[^:]+:"}, "key:value; all of the keys", many=True),
    _query("framework", TEXT, "any of these", many=True),
    _query("control", TEXT, "any of these", many=True),
    _query("q", TEXT, "words of the message, all of them", many=True),
]
_TIMES = [_query("from", _MOMENT, "inclusive"), _query("to", _MOMENT, "exclusive")]
_PAGED = [
    _query(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100}, "items of a page"
    ),
    _query("cursor", TEXT, "nextCursor of the page before"),
]
_ID = {"name": "id", "in": "path", "required": True, "schema": TEXT}
_KIND = {"name": "kind", "in": "path", "required": True, "schema": {"type": "string", "enum": list(VALUES)}}
_PREFIX = _query("prefix", TEXT, "what they begin with")
_NUMBERED = {"name": "version", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
_MATCH = {"name": "If-Match", "in": "header", "description": "the ETag that was seen", "schema": TEXT}
_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "resume after this event",
    "schema": TEXT,
}
_STALE = {"betrace-stale": _header("Kafka is away: as of when the answer is whole, and why")}
_ETAG = {"ETag": _header("the version, in quotes", required=True)}
_LOCATION = {"Location": _header("where the rule is", required=True)}
_RETRY = {"Retry-After": _header("seconds")}
_CHALLENGE = {"WWW-Authenticate": _header("Bearer", required=True)}
_ABOUT = {
    "400": "wrong in itself: the detail says where",
    "401": "a token is needed",
    "403": "not with this role",
    "404": "there is none",
    "408": "it did not come in time",
    "409": "it is there already, or comes from a file",
    "412": "it has moved on: look at it again",
    "413": "too large",
    "415": "a body of another type",
    "422": "no rule, or too much work: the detail and the diagnostics say why",
    "428": "If-Match is needed",
    "429": "too many writes at once",
    "431": "the address or the headers are too long",
    "500": "the API failed",
    "503": "not now: Kafka is away, or too much is asked at once",
}
_HEADERS = {"401": _CHALLENGE, "429": _RETRY, "503": _RETRY}
_READ = "400 401 422 431 500"
_SENT = "400 401 403 408 413 415 422 429 431 500 503"
_WRITTEN = "400 401 403 404 409 412 413 422 429 431 500 503"


def _problem(status: str) -> Json:
    content = {"application/problem+json": {"schema": ref("Problem")}}
    made: Json = {"description": _ABOUT[status], "content": content}
    return made | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _ok(name: str, headers: Json | None = None, status: str = "200") -> Json:
    made = {"description": "so it is", "content": _json(ref(name))}
    return {status: {**made, "headers": {**_STALE, **(headers or {})}}}


def _operation(
    name: str,
    about: str,
    answers: Json,
    errors: str,
    *,
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    """An operation by its name in clients; `errors` are the statuses of the problems that it answers with."""
    problems = {status: _problem(status) for status in sorted(set(errors.split()))}
    made: Json = {
        "operationId": name,
        "summary": about,
        "tags": ["violations" if "iolation" in name else "rules" if "ule" in name else "operation"],
        "responses": {**answers, **problems},
    }
    if parameters:
        made["parameters"] = parameters
    if body is not None:
        made["requestBody"] = {"required": True, "content": body}
    return made


_FILE: Json = {"application/yaml": {"schema": {"description": "a rule file"}}}
_YAML = {"200": {"description": "YAML", "content": _FILE}}
_STREAM = {"200": {"description": "events", "content": {"text/event-stream": {"schema": TEXT}}}}
_BY = _query("by", {"type": "string", "enum": list(KINDS)}, "a series for each")
_STEP = _query("step", {"type": "string", "pattern": "^[1-9][0-9]{0,6}[smhd]$"}, "of the buckets; 1h")
_DRY = _query("dryRun", {"type": "string", "enum": ["true", "false"]}, "only say what it would do")

_PATHS: Json = {
    "/api/violations": {
        "get": _operation(
            "listViolations",
            "Violations, newest first",
            _ok("ViolationPage"),
            _READ,
            parameters=[*_FILTERS, *_TIMES, *_PAGED],
        )
    },
    "/api/violations/counts": {
        "get": _operation(
            "countViolations",
            "Counts in buckets of time",
            _ok("Counts"),
            _READ,
            parameters=[*_FILTERS, *_TIMES, _STEP, _BY],
        )
    },
    "/api/violations/stream": {
        "get": _operation(
            "streamViolations",
            "New violations as events",
            _STREAM,
            f"{_READ} 503",
            parameters=[*_FILTERS, _EVENT_ID],
        )
    },
    "/api/violations/{id}": {
        "get": _operation("getViolation", "One violation", _ok("Violation"), f"{_READ} 404", parameters=[_ID])
    },
    "/api/activity": {
        "get": _operation(
            "getActivity",
            "What each rule came to in the last days, by id",
            _ok("OverviewPage"),
            _READ,
            parameters=[
                _query("days", {"type": "integer", "minimum": 1, "maximum": 90, "default": 1}, "with today"),
                *_PAGED,
            ],
        )
    },
    "/api/rules": {
        "get": _operation("listRules", "The rules, by id", _ok("RulePage"), _READ, parameters=_PAGED),
        "post": _operation(
            "createRule",
            "Make a rule",
            _ok("Rule", {**_ETAG, **_LOCATION}, "201"),
            f"{_SENT} 409 412",
            body=_json(ref("NewRule")),
        ),
    },
    "/api/rules/validate": {
        "post": _operation(
            "validateRule",
            "Diagnostics of a condition; 200 for a wrong one too",
            _ok("Validated"),
            _SENT,
            body=_json(ref("Condition")),
        )
    },
    "/api/rules/format": {
        "post": _operation(
            "formatRule",
            "A condition in its one layout",
            _ok("Condition"),
            _SENT,
            body=_json(ref("Condition")),
        )
    },
    "/api/rules/test": {
        "post": _operation(
            "testRule",
            "Judge a pasted trace, storing nothing",
            _ok("Tried"),
            f"{_SENT} 404",
            body=_json(ref("RuleTest")),
        )
    },
    "/api/rules/import": {
        "post": _operation(
            "importRules",
            "Take in a rule file, whole or not at all",
            _ok("Imported"),
            f"{_SENT} 409 412",
            parameters=[_DRY],
            body=_FILE,
        )
    },
    "/api/rules/export": {
        "get": _operation(
            "exportRules",
            "All rules as a rule file",
            {"200": {"description": "YAML", "content": _FILE}},
            _READ,
        )
    },
    "/api/rules/{id}": {
        "get": _operation("getRule", "One rule", _ok("Rule", _ETAG), f"{_READ} 404", parameters=[_ID]),
        "put": _operation(
            "replaceRule",
            "Replace a rule",
            _ok("Rule", _ETAG),
            f"{_SENT} 404 409 412 428",
            parameters=[_ID, _MATCH],
            body=_json(ref("ChangedRule")),
        ),
        "delete": _operation(
            "deleteRule",
            "Delete a rule; its history stays",
            {"204": {"description": "deleted"}},
            f"{_WRITTEN} 428",
            parameters=[_ID, _MATCH],
        ),
    },
    "/api/rules/{id}/activity": {
        "get": _operation(
            "getRuleActivity",
            "Of how many traces a rule has told what, newest day first",
            _ok("Activity"),
            f"{_READ} 404",
            parameters=[_ID],
        )
    },
    "/api/rules/{id}/versions": {
        "get": _operation(
            "listRuleVersions",
            "Who changed what, when; newest first",
            _ok("VersionPage"),
            f"{_READ} 404",
            parameters=[_ID, *_PAGED],
        )
    },
    "/api/rules/{id}/versions/{version}/restore": {
        "post": _operation(
            "restoreRuleVersion",
            "Make an earlier version current",
            _ok("Rule", _ETAG),
            _WRITTEN,
            parameters=[_ID, _NUMBERED, _MATCH],
        )
    },
    "/api/values/{kind}": {
        "get": _operation(
            "listValues",
            "What filters and rules may name, as it came lately, in order",
            _ok("ValuePage"),
            f"{_READ} 404",
            parameters=[_KIND, _PREFIX, *_PAGED],
        )
    },
    "/healthz": {"get": _operation("isAlive", "The process is alive", _ok("Health"), "431")},
    "/readyz": {"get": _operation("isReady", "Caught up with Kafka", _ok("Health"), "431 503")},
}


def description() -> Json:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "BeTrace", "version": version("betrace"), "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": _PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }
