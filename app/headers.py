"""The file of headers that go with every request to an endpoint: tokens, a tenant."""

import re
from pathlib import Path

import yaml

from app.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")


def read_headers(file: Path) -> dict[str, str]:
    """The headers of a YAML file, `name: value`; UserError says what is wrong, without any value."""
    setting = f"evidence.otlp_headers_file: {file}"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UserError(f"{setting} cannot be read: {problem.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise UserError(f"{setting} is no YAML: it holds lines such as `authorization: Bearer …`") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{setting} holds no headers: lines such as `authorization: Bearer …`")
    wrong = [str(name) for name, value in found.items() if not _is_header(name, value)]
    if wrong:
        raise UserError(f"{setting}: no header in ASCII: {', '.join(wrong)[:200]}")
    return {name: str(value) for name, value in found.items()}


def _is_header(name: object, value: object) -> bool:
    if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return bool(_NAME.fullmatch(name) and _VALUE.fullmatch(str(value)))
