"""Reads the body of a request as JSON or text; what is wrong with it is a Problem."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from app.problems import Problem

_DEEPEST = 100  # levels of a JSON body
_JSON = ("application/json", "")  # what a body without a type is taken for
_YAML = (
    *("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"),
    *("text/plain", "application/octet-stream", ""),
)


async def json_of(request: Request) -> dict[str, Any]:
    """The body, which is a JSON object."""
    _typed(request, _JSON)
    return object_of(_parsed(_decoded(await request.body())))


async def yaml_of(request: Request) -> str:
    """The body, which is the text of a rule file."""
    _typed(request, _YAML)
    text = _decoded(await request.body())
    if not text.strip():
        raise Problem(400, "the body is empty: a rule file is needed")
    return text


def object_of(value: Any, what: str = "the body") -> dict[str, Any]:
    """A value that has to be an object."""
    if not isinstance(value, dict):
        raise Problem(400, f"{what}: a JSON object is needed")
    return value


def only(given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Refuse fields other than these."""
    unknown = [name for name in given if name not in names]
    if unknown:
        raise Problem(400, f"unknown field {unknown[0][:100]}; there are {', '.join(names)}")


def _typed(request: Request, allowed: tuple[str, ...]) -> None:
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    if (
        given.strip().lower() not in allowed
        or request.headers.get("content-encoding", "identity") != "identity"
    ):
        raise Problem(415, f"the body is sent as it is, with Content-Type: {allowed[0]}")
    if "charset=" in parameters.lower() and "utf-8" not in parameters.lower():
        raise Problem(415, "the body is read as UTF-8 and as nothing else")


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if _is_deep(value):
            raise RecursionError
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        raise Problem(400, f"the body is nested more than {_DEEPEST} deep") from None
    except UnicodeEncodeError:
        raise Problem(400, "the body has half of a surrogate pair, which is no character") from None
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise Problem(400, f"the body is no JSON: {problem.msg} at {where}") from None
    except ValueError:  # of int(), for thousands of digits
        raise Problem(400, "a number of the body has too many digits") from None


def _no_constant(name: str) -> Any:
    raise Problem(400, f"the body is no JSON: {name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Problem(400, f"the number {text[:40]} of the body is too great")
    return value


def _is_deep(value: Any) -> bool:
    """Level by level, so that it takes no longer than there are values."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        lists = [
            each.values() if isinstance(each, dict) else each
            for each in level
            if isinstance(each, dict | list)
        ]
        if not lists:
            return False
        level = [each for values in lists for each in values]
    return True


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Problem(400, f"the body is not UTF-8: byte {problem.start}") from None
