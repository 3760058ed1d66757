"""`betrace trace ID`: what a worker holds of a trace, and why."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.errors import UserError

if TYPE_CHECKING:
    from streams.held import Held


@click.command()
@click.argument("trace_id", metavar="ID")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def trace(config_file: Path | None, trace_id: str, form: str) -> None:
    """Show what a worker holds of a trace: its spans, where they came from, and how it was judged."""
    from app.settings import load
    from app.told import told
    from streams.held import held

    if not re.fullmatch("[0-9a-fA-F]{32}", trace_id):
        raise UserError(f"{trace_id}: a trace id is 32 hex digits")
    with told():
        found = held(load(config_file).settings.config(), bytes.fromhex(trace_id))
    if form == "json":
        click.echo(json.dumps(_as_json(trace_id.lower(), found)))
        return
    for line in _as_text(trace_id.lower(), found):
        click.echo(line)


def _as_json(trace_id: str, found: "Held") -> dict[str, Any]:
    judgement = found.judgement
    return {
        "traceId": trace_id,
        "partition": found.partition,
        "clock": _moment(found.clock),
        "judged": judgement
        and {
            "at": _moment(judgement.clock),
            "first": _moment(judgement.trace.first),
            "reason": judgement.trace.reason,
            "spans": judgement.trace.spans,
            "duplicates": judgement.trace.duplicates,
            "lateUntil": _moment(found.late_until),
            "violations": [json.loads(finding.value) for finding in judgement.findings],
        },
        "parts": [
            {
                "block": part.at[0],
                "input": f"{part.source.topic}/{part.source.partition}",
                "offset": part.offset,
                "came": _moment(part.came),
                "state": part.fate,
                "spans": [
                    {
                        "spanId": span.span_id.hex(),
                        "parentSpanId": span.parent_id.hex(),
                        "name": span.name,
                        "service": span.service,
                    }
                    for span in part.spans
                ],
            }
            for part in found.parts
        ],
    }


def _as_text(trace_id: str, found: "Held") -> Iterator[str]:
    shown = _as_json(trace_id, found)
    clock = f"clock {shown['clock']}" if found.clock else "which has not ticked yet"
    yield f"trace {trace_id}: group partition {found.partition}, {clock}"
    judged = shown["judged"]
    if judged:
        again = f", first at {judged['first']}" if judged["first"] != judged["at"] else ""
        yield (
            f"judged at {judged['at']}{again}, because {_WHY[judged['reason']]}: "
            f"{judged['spans']} spans, {judged['duplicates']} duplicates"
        )
        yield f"late spans open it again up to {judged['lateUntil']}"
    for each in judged["violations"] if judged else ():
        yield f"  {each['status']} violation {each['id']} of {each['ruleId']}: {each['message']}"
    if not judged and not found.parts:
        yield "nothing is held of it: it never came, or was judged and is past its late window"
    for part in shown["parts"]:
        yield (
            f"{part['state']}: {len(part['spans'])} spans of {part['input']} offset {part['offset']}, "
            f"came {part['came']}, in block {part['block']}"
        )
        for span in part["spans"]:
            parent = f" below {span['parentSpanId']}" if span["parentSpanId"] else ""
            yield f"  {span['spanId']}  {span['service']}: {span['name']}{parent}"


_WHY = {
    "root": "its root came, and the grace after it passed",
    "timeout": "its longest wait passed",
    "span_limit": "it had as many spans as a trace may have",
    "size_limit": "it had as many bytes as a trace may have",
    "memory": "memory ran short",
    "late": "late spans had come",
}


def _moment(time: int | None) -> str | None:
    """Unix ms as RFC 3339."""
    if not time:
        return None
    text = datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
