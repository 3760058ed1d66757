"""The one door through which values leave a process: what is personal or secret stays inside."""

import fnmatch
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dsl.said import Said, Shown, shown
from streams import acts, disguise, metrics
from streams.config import Policy
from streams.detectors import KINDS, find, kind_of_key

MAX_TEXT = 2048  # characters of a text value or message
_MARGIN = 4096  # characters looked at beyond, as what begins before the cut may end after it
_KEYS = 10_000  # whose rule is remembered, and names
_SHORT = 100  # characters of a name that is remembered
_NUMBER = 10**8  # a number from here on may be one of a card


class _Removed:
    """Stands for a value that is not there any more."""


REMOVED: Final = _Removed()


class _Rule(NamedTuple):
    """What a key alone decides: how its values leave, and what they are said to be."""

    strategy: str
    kind: str


class Redaction:
    """A policy, ready to use."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._globs = [
            (re.compile(fnmatch.translate(rule.match)), rule.strategy) for rule in self._policy.keys
        ]
        self._how: dict[str, str] = {str(kind): how for kind, how in self._policy.detectors.items()}
        self._kinds = frozenset(k for k in KINDS if self._how.get(k, "keep") != "keep")
        self._of_key: dict[str, _Rule | None] = {}
        self._names: dict[str, str] = {}

    def leaving(self, key: str, value: Any) -> Any:
        """A value on its way out, by its key: redacted, text cut to a bound, bytes in hex; perhaps `REMOVED`.

        What cannot be redacted does not leave.
        """
        try:
            return self._leaving(key, value)
        except Exception:  # whatever went wrong: the value stays inside
            metrics.REDACTION_FAILED.inc()
            acts.record(acts.REDACTION_FAILED)
            return "[REDACTED:error]"

    def text(self, text: str) -> str:
        """A text of which nothing is known, such as a line of a log: detectors alone, and not cut."""
        try:
            return self._detected(text, len(text))
        except Exception:  # as above
            metrics.REDACTION_FAILED.inc()
            acts.record(acts.REDACTION_FAILED)
            return "[REDACTED:error]"

    def attributes(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Attributes as they leave, and the keys of those that were removed."""
        left = {key: self.leaving(key, value) for key, value in values.items()}
        removed = [key for key, value in left.items() if value is REMOVED]
        return {key: value for key, value in left.items() if value is not REMOVED}, removed

    def name(self, text: str) -> str:
        """The name of a span or a service: it has no key, and there are few, so they are remembered."""
        known = self._names.get(text)
        if known is not None:
            return known
        left = self.leaving("", text)
        made = left if isinstance(left, str) else "[REDACTED]"
        if len(self._names) < _KEYS and len(text) <= _SHORT:
            self._names[text] = made
        return made

    def said(self, parts: Said) -> str:
        """A sentence: its words as they are, the values in it as they leave."""
        text = "".join(part if isinstance(part, str) else self._shown(part) for part in parts)
        return _cut(text)

    def _shown(self, part: Shown) -> str:
        left = self.leaving(part.key, part.value)
        return "[REDACTED]" if left is REMOVED else shown(left, part.unit)

    def _leaving(self, key: str, value: Any) -> Any:
        rule = self._rule(key)
        if rule is not None and value is not None:
            return self._ruled(rule, value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if isinstance(value, bytes):
            return self._bytes(value)
        if isinstance(value, Mapping):
            return self._mapping(key, value)
        if isinstance(value, list | tuple):
            return [item for each in value if (item := self._leaving(key, each)) is not REMOVED]
        return value

    def _text(self, value: str) -> Any:
        made = _cut(self._detected(value[: MAX_TEXT + _MARGIN], MAX_TEXT))
        return REMOVED if not made and value else made

    def _number(self, value: float) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if abs(value) < _NUMBER or value != int(value):
            return value
        text = str(int(value))
        made = self._detected(text, len(text))
        return value if made == text else made

    def _bytes(self, value: bytes) -> str:
        text = value[: MAX_TEXT + _MARGIN].decode("utf-8", "replace")
        made = self._detected(text, len(text))
        return _cut(value[:MAX_TEXT].hex()) if made == text else _cut(made)

    def _mapping(self, key: str, value: Mapping[Any, Any]) -> dict[str, Any]:
        left = {
            self._detected(str(k), MAX_TEXT): self._leaving(f"{key}.{k}" if key else str(k), v)
            for k, v in value.items()
        }
        return {k: v for k, v in left.items() if v is not REMOVED}

    def _rule(self, key: str) -> _Rule | None:
        """What the key decides; None leaves it to the detectors."""
        try:
            return self._of_key[key]
        except KeyError:
            if len(self._of_key) >= _KEYS:
                self._of_key.clear()
            made = self._of_key[key] = self._decide(key)
            return made

    def _decide(self, key: str) -> _Rule | None:
        kind = kind_of_key(key) if key else None
        for pattern, wanted in self._globs:
            if pattern.fullmatch(key):
                return _Rule(wanted, kind or "value")
        if kind == "secret":
            strategy = self._how.get("secret", "redact")
            return _Rule("redact" if strategy == "keep" else strategy, "secret")
        return _Rule(self._how[kind], kind) if kind in self._kinds and kind else None

    def _ruled(self, rule: _Rule, value: Any) -> Any:
        """A value whose key decides: lists and mappings item by item where they are kept, else as one."""
        if rule.strategy == "remove":
            metrics.REDACTED.labels("key", "remove").inc()
            acts.record(acts.DATA_REDACTED)
            return REMOVED
        if rule.strategy == "keep":
            return _plain(value)
        if isinstance(value, list | tuple):
            return [self._ruled(rule, item) for item in value]
        if isinstance(value, Mapping):
            return {self._detected(str(k), MAX_TEXT): self._ruled(rule, v) for k, v in value.items()}
        text = value if isinstance(value, str) else shown(_plain(value))
        hits = find(text, frozenset(KINDS)) if rule.kind == "value" else []
        whole = len(hits) == 1 and (hits[0].start, hits[0].end) == (0, len(text))
        metrics.REDACTED.labels("key", rule.strategy).inc()
        acts.record(acts.DATA_REDACTED)
        return _cut(self._disguised(text, hits[0].kind if whole else rule.kind, rule.strategy))

    def _detected(self, text: str, until: int) -> str:
        """A text up to a place, with what detectors find that begins before it replaced whole."""
        hits = find(text, self._kinds)
        if not hits:
            return text if len(text) <= until else text[: until - 1] + "…"
        out, at = [], 0
        for hit in hits:
            if hit.start >= until:
                break
            strategy = self._how[hit.kind]
            made = self._disguised(text[hit.start : hit.end], hit.kind, strategy)
            metrics.REDACTED.labels(hit.kind, strategy).inc()
            acts.record(acts.DATA_REDACTED)
            out += [text[at : hit.start], made]
            at = hit.end
        return "".join(out) + text[at:until] + ("…" if len(text) > until else "")

    def _disguised(self, text: str, kind: str, strategy: str) -> str:
        if strategy == "mask":
            return disguise.mask(text, kind)
        if strategy == "truncate":
            return disguise.truncate(text)
        if strategy in disguise.KEYED and self._policy.key:
            key = self._policy.key
            if strategy == "encrypt":
                return disguise.encrypt(text, key)
            return (disguise.hashed if strategy == "hash" else disguise.tokenize)(text, kind, key)
        return "" if strategy == "remove" else disguise.redact(text, kind)


def _plain(value: Any) -> Any:
    """A value as JSON can tell it, not redacted."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, bytes):
        return _cut(value[:MAX_TEXT].hex())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


DEFAULT: Final = Redaction()
