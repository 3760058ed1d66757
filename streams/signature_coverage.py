"""The text of `span.signature.coverage`: what a signature covers, as it says itself."""

import re
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import unquote_to_bytes

from streams.signature import PROFILES, Selection

_BITS = re.compile(r"0x[0-9a-f]{1,8}")
_NOT_ENCODED = re.compile(r"=|%(?![0-9A-Fa-f]{2})")


class BadCoverage(ValueError):
    """A text that names no coverage."""


def read(text: str) -> Selection:
    """The selection that a text names; BadCoverage if it names none."""
    coverage, *rest = text.split(";")
    resource_keys: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    if rest and rest[0].startswith("r="):
        resource_keys = _keys(rest.pop(0)[2:])
    if rest and rest[0].startswith("x="):
        exclude = _keys(rest.pop(0)[2:])
        if not exclude:
            raise BadCoverage("x= excludes nothing")
    if rest:
        raise BadCoverage(f"{rest[0]} is no part of a coverage")
    return Selection(bits(coverage), resource_keys, exclude)


def bits(text: str) -> int:
    """The bits that a profile's name, or 0x and the bits, stands for; BadCoverage for neither."""
    if text in PROFILES:
        return int(PROFILES[text])
    if not _BITS.fullmatch(text):
        raise BadCoverage(f"{text} is none of {', '.join(PROFILES)}, or 0x and the bits in lowercase hex")
    return int(text, 16)


def written(selection: Selection) -> str:
    """The text that names a selection."""
    named = {int(value): name for name, value in PROFILES.items()}
    text = named.get(selection.coverage, f"0x{selection.coverage:x}")
    if selection.resource_keys is not None:
        text += f";r={_joined(selection.resource_keys)}"
    return text + (f";x={_joined(selection.exclude)}" if selection.exclude else "")


def _joined(keys: Sequence[str]) -> str:
    return ",".join(re.sub("[%,;=]", lambda found: f"%{ord(found[0]):02X}", key) for key in keys)


def _keys(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    if _NOT_ENCODED.search(text):
        raise BadCoverage(f"{text} is not percent-encoded")
    try:
        keys = tuple(unquote_to_bytes(part).decode() for part in text.split(","))
    except UnicodeDecodeError:
        raise BadCoverage(f"{text} is no UTF-8") from None
    if any(later <= earlier for earlier, later in pairwise(keys)):
        raise BadCoverage(f"the keys {text} are out of order")
    return keys
