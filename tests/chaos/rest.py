"""Asks an API that may be away."""

import json
import urllib.error
import urllib.request
from typing import Any


def ask(url: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any]:
    """The status and JSON of an answer; 0 if there is none."""
    data = None if body is None else json.dumps(body).encode()
    told = {} if data is None else {"content-type": "application/json"}
    request = urllib.request.Request(url, data, told | headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as problem:
        return problem.code, json.loads(problem.read() or b"null")
    except (OSError, ValueError):
        return 0, None


def violations(url: str) -> dict[str, Any] | None:
    """All violations that an API shows, by id; None if it does not answer."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        status, page = ask(f"{url}/api/violations?status=any&mode=any&limit=1000{cursor}")
        if status != 200:
            return None
        found |= {each["id"]: each for each in page["items"]}
        if not page["nextCursor"]:
            return found
        cursor = f"&cursor={page['nextCursor']}"


def metric(url: str, name: str) -> float | None:
    """A metric without labels; None if it is not there."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)
