"""The schemas of what the API takes and gives, for its description."""

from typing import Any

from dsl.rule import MODES, ON_INCOMPLETE, SEVERITIES, VERDICTS

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_FLAG: Json = {"type": "boolean"}
_TIME: Json = {"type": "string", "format": "date-time"}
_RULE_ID: Json = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,127}$"}


def or_null(schema: Json) -> Json:
    """It, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(items: Json) -> Json:
    """A list of it."""
    return {"type": "array", "items": items}


def object_of(needed: Json, optional: Json | None = None, *, closed: bool = False, **more: str) -> Json:
    """An object; `closed` to other members."""
    made: Json = {"type": "object", "properties": {**needed, **(optional or {})}, "required": list(needed)}
    return made | ({"additionalProperties": False} if closed else {}) | more


def ref(name: str) -> Json:
    """A schema of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Json:
    """A page of a list."""
    return object_of({"items": list_of(ref(name)), "nextCursor": or_null(TEXT)})


def _words(*words: str) -> Json:
    return {"type": "string", "enum": list(words)}


_VERDICT: Json = {
    "ruleId": TEXT,
    "traceId": TEXT,
    "verdict": ref("VerdictOutcome"),
    "reason": or_null(TEXT),
    "complete": _FLAG,
    "truncated": _FLAG,
}
_GIVEN_TRACE: Json = {"trace": ref("GivenTrace")}
_PLAIN: Json = {"type": ["string", "number"]}
_LABELS: Json = {"type": "object", "additionalProperties": TEXT}
_GIVEN: Json = {  # numbers are taken for text, as YAML makes numbers of texts
    "labels": or_null({"type": "object", "additionalProperties": _PLAIN}),
    "compliance": or_null(list_of(object_of({"framework": _PLAIN, "control": _PLAIN}, closed=True))),
}
_WRITABLE: Json = {
    "name": TEXT,
    "description": TEXT,
    "severity": ref("Severity"),
    "enabled": _FLAG,
    "mode": ref("Mode"),
    "onIncomplete": ref("OnIncomplete"),
    "message": or_null(TEXT),
    "labels": _LABELS,
    "compliance": list_of(ref("Control")),
    "runbookUrl": or_null(TEXT),
}
_CHANGED: Json = {name: or_null(schema) for name, schema in _WRITABLE.items()} | _GIVEN
_READ_ONLY: Json = {
    "version": {"type": "integer", "minimum": 1},
    "updatedAt": or_null(TEXT),
    "updatedBy": or_null(TEXT),
    "source": ref("Source"),
}
_CONDITION: Json = {
    "type": "string",
    "description": "the rule language",
    "examples": ["when { a } always { b }"],
}
_SPAN = object_of(
    {
        "spanId": TEXT,
        "name": TEXT,
        "service": TEXT,
        "role": TEXT,
        "startTime": TEXT,
        "durationMs": {"type": "number"},
        "attributes": {"type": "object"},
    },
    {"redactedKeys": list_of(TEXT)},
)
_DIAGNOSTIC = object_of(
    {
        "severity": ref("DiagnosticSeverity"),
        "message": TEXT,
        "line": _NUMBER,
        "column": _NUMBER,
        "endLine": _NUMBER,
        "endColumn": _NUMBER,
        "suggestion": or_null(TEXT),
    }
)
SCHEMAS: Json = {
    "Problem": object_of(
        {"type": TEXT, "title": TEXT, "status": _NUMBER, "detail": TEXT},
        {"diagnostics": list_of(ref("Diagnostic"))},
    ),
    "Diagnostic": _DIAGNOSTIC,
    "Rule": object_of({"id": _RULE_ID, "condition": _CONDITION, **_WRITABLE, **_READ_ONLY}),
    "NewRule": object_of(
        {"id": _RULE_ID, "condition": _CONDITION},
        {**_CHANGED, **{name: {"description": "ignored"} for name in _READ_ONLY}},
        closed=True,
    ),
    "ChangedRule": object_of(
        {"condition": _CONDITION},
        {"id": _RULE_ID, **_CHANGED, **{name: {"description": "ignored"} for name in _READ_ONLY}},
        closed=True,
    ),
    "Version": object_of(
        {
            "version": _NUMBER,
            "at": or_null(TEXT),
            "by": TEXT,
            "rule": or_null(ref("Rule")),
            "reason": or_null(TEXT),
        }
    ),
    "Day": object_of(
        {
            "day": {"type": "string", "format": "date"},
            "version": {"type": "integer", "minimum": 1},
            **dict.fromkeys(("evaluated", "applied", "violated", "errors"), _NUMBER),
            "seconds": {"type": "number"},
        }
    ),
    "Overview": object_of(
        {
            "ruleId": TEXT,
            "day": {"type": "string", "format": "date", "description": "the last on which it was evaluated"},
            **dict.fromkeys(("evaluated", "applied", "violated", "errors"), _NUMBER),
            "seconds": {"type": "number"},
        }
    ),
    "OverviewPage": page_of("Overview"),
    "Violation": object_of(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "status": ref("Status"),
            "revision": _NUMBER,
            "ruleId": TEXT,
            "severity": ref("Severity"),
            "mode": ref("Mode"),
            "traceId": TEXT,
            "services": list_of(TEXT),
            "detectedAt": _TIME,
        },
        {
            "ruleName": TEXT,
            "ruleVersion": _NUMBER,
            "clause": ref("Clause"),
            "message": TEXT,
            "rootName": or_null(TEXT),
            "service": TEXT,
            "spans": list_of(ref("EvidenceSpan")),
            "parentSpanId": or_null(TEXT),
            "spanTotal": _NUMBER,
            "missing": list_of(TEXT),
            "complete": _FLAG,
            "decisionReason": TEXT,
            "truncated": _FLAG,
            "traceStart": TEXT,
            "traceEnd": TEXT,
            "updatedAt": TEXT,
            "spanCount": _NUMBER,
            "labels": _LABELS,
            "compliance": list_of(ref("Control")),
            "history": list_of(ref("Revision")),
        },
    ),
    "Validated": object_of(
        {
            "valid": _FLAG,
            "diagnostics": list_of(ref("Diagnostic")),
            "kind": or_null(ref("RuleKind")),
            "spanNames": list_of(TEXT),
            "attributes": list_of(TEXT),
        }
    ),
    "Tried": object_of({"verdicts": list_of(ref("TriedVerdict")), "explain": ref("Explained")}),
    "TriedVerdict": object_of(
        {
            **_VERDICT,
            "clause": or_null(ref("Clause")),
            "missing": list_of(TEXT),
            "violations": list_of(ref("TriedViolation")),
        }
    ),
    "TriedViolation": object_of(
        {
            "id": TEXT,
            "clause": ref("Clause"),
            "message": TEXT,
            "missing": list_of(TEXT),
            "spans": list_of(object_of({"spanId": TEXT, "name": TEXT, "role": TEXT}, title="TriedSpan")),
        }
    ),
    "Explained": object_of(
        {
            **_VERDICT,
            "messages": list_of(TEXT),
            "clauses": list_of(ref("ExplainedClause")),
            "spans": list_of(ref("ExplainedSpan")),
        }
    ),
    "ExplainedClause": object_of(
        {
            "clause": {"type": "string", "enum": ["pattern", "when", "always", "never"]},
            "bound": {"type": "object", "additionalProperties": TEXT, "description": "span ids by name"},
            "condition": ref("Came"),
        }
    ),
    "Came": object_of(
        {
            "text": TEXT,
            "start": _NUMBER,
            "end": _NUMBER,
            "holds": or_null(_FLAG),
            "why": or_null(TEXT),
            "spans": list_of(TEXT),
            "parts": list_of(ref("Came")),
        },
        description="what a condition of the rule, text[start:end], came to, and its parts",
    ),
    "ExplainedSpan": object_of(
        {
            "spanId": TEXT,
            "parentId": or_null(TEXT),
            "name": TEXT,
            "service": TEXT,
            "startMs": {"type": "number"},
            "durationMs": {"type": "number"},
            "depth": _NUMBER,
            "roles": list_of(TEXT),
        }
    ),
    "Imported": object_of(
        {
            "dryRun": _FLAG,
            "created": list_of(TEXT),
            "replaced": list_of(TEXT),
            "unchanged": list_of(TEXT),
            "diagnostics": list_of(ref("Diagnostic")),
        }
    ),
    "Counts": object_of({"series": list_of(ref("Series"))}),
    "Series": object_of(
        {
            "labels": _LABELS,
            "points": list_of(
                {
                    "type": "array",
                    "items": _NUMBER,
                    "minItems": 2,
                    "maxItems": 2,
                    "description": "Unix ms, number",
                }
            ),
        }
    ),
    "ValuePage": object_of({"items": list_of(TEXT), "nextCursor": or_null(TEXT)}),
    "ViolationPage": page_of("Violation"),
    "RulePage": page_of("Rule"),
    "VersionPage": page_of("Version"),
    "Activity": object_of({"days": list_of(ref("Day"))}),
    "Health": object_of({"status": TEXT}),
    "Condition": object_of({"condition": TEXT}, closed=True),
    "RuleTest": {
        "oneOf": [
            object_of(
                {"trace": ref("GivenTrace"), "rule": ref("RuleUnderEdit")}, closed=True, title="TestOfRule"
            ),
            object_of({"trace": ref("GivenTrace"), "ruleId": TEXT}, closed=True, title="TestOfStoredRule"),
        ]
    },
    "GivenTrace": {"anyOf": [list_of(ref("ShortSpan")), ref("OtlpTrace")]},
    "ShortSpan": {"type": "object", "description": "a span in the short form of rule tests"},
    "OtlpTrace": {"type": "object", "description": "OTLP/JSON, also as Tempo and Jaeger export it"},
    "RuleUnderEdit": {"type": "object", "description": "a rule, whole or not: what is wrong with it is told"},
    "Severity": _words(*SEVERITIES),
    "Mode": _words(*MODES),
    "OnIncomplete": _words(*ON_INCOMPLETE),
    "Source": _words("file", "api"),
    "Status": _words("open", "retracted"),
    "Clause": _words("pattern", "always", "never"),
    "RuleKind": _words("pattern", "invariant"),
    "DiagnosticSeverity": _words("error", "warning"),
    "VerdictOutcome": _words(*VERDICTS),
    "Control": object_of({"framework": TEXT, "control": TEXT}),
    "EvidenceSpan": _SPAN,
    "Revision": object_of({"revision": _NUMBER, "status": ref("Status"), "at": TEXT, "reason": TEXT}),
}
