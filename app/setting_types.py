"""How durations, sizes, addresses, URLs and lists are written in settings."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, WithJsonSchema

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZES = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def seconds(value: Any) -> Any:
    """Seconds of a duration such as 250ms or 2h; ValueError says what one looks like."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d)\s*", str(value))
    if found is None:
        raise ValueError("a duration is a number and a unit: 250ms, 1.5s, 5m, 1h, 30d")
    return float(found[1]) * UNITS[found[2]]


def _bytes(value: Any) -> Any:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(value))
    if found is None or found[2] not in _SIZES:
        raise ValueError("a size is a number and a unit: 900kB, 20 MiB, 1GiB")
    return round(float(found[1]) * _SIZES[found[2]])


def listed(value: Any) -> Any:
    """The items of a text that commas part; all else as it is."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _address(value: Any) -> Any:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address is host:port, such as 127.0.0.1:12011")
    return str(value)


def url(value: Any) -> Any:
    """The URL of an endpoint, or None; ValueError says what one looks like."""
    if value is not None and not _is_url(str(value)):
        raise ValueError("a URL is http(s)://host:port, without a user, such as http://tempo:4317")
    return value


def _is_url(text: str) -> bool:
    try:
        port = urlsplit(text).port
    except ValueError:
        return False
    return port != 0 and re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", text) is not None


def _text(pattern: str, example: str) -> WithJsonSchema:
    """How such a value is written in a file."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Seconds = Annotated[
    float, BeforeValidator(seconds), _text(r"^\s*\d+(\.\d+)?\s*(ns|us|ms|s|m|h|d)\s*$", "30s")
]
Bytes = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\s*\d+(\.\d+)?\s*([kMG]i?B|KiB|B)?\s*$"}),
]
Address = Annotated[str, BeforeValidator(_address), _text(r"^.+:\d{1,5}$", "127.0.0.1:12011")]
Url = Annotated[str, BeforeValidator(url), _text(r"^https?://[^/?#\s@]+(/[^?#\s]*)?$", "http://tempo:4317")]
