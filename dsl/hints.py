"""What to say of a text that does not parse: what stands there, and what was probably meant."""

import re

from dsl.scope import Problem, nearest

KEYWORDS = tuple(
    "when always never let as and or not in exists matches contains starts_with ends_with "  # noqa: SIM905
    "before after overlaps within of inside encloses child parent sibling by".split()
)
_WORD = re.compile(r"\"(?:\\.|[^\"\\\n])*\"?|[\w.:-]+|&&|\|\||\S|$")
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|(?://|#)[^\n]*')
_MEANT = {
    "=": "==",
    "&&": "and",
    "||": "or",
    "!": "not",
    "<>": "!=",
    "then": "always",
    "if": "when",
    "require": "always",
    "forbid": "never",
    "=~": "matches",
    "like": "matches",
    "preceded_by": "after",
    "followed_by": "before",
    "descendant": "inside",
    "is": "==",
}
_UNITS = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "min": "m",
    "mins": "m",
    "msec": "ms",
    "hr": "h",
}
_NEAR = 100  # characters that are looked at on either side
_CLOSING = {"(": ")", "{": "}", "[": "]"}


def syntax(text: str, at: int) -> Problem:
    """The problem of a text that could be read up to `at`, or not beyond it."""
    at += len(text[at:]) - len(text[at:].lstrip())
    found = _WORD.match(text, at)
    word = found[0] if found else ""
    for look in _LOOKS:
        problem = look(text, at, word[:_NEAR])
        if problem is not None:
            return problem
    shown = word if len(word) <= _NEAR else f"{word[:_NEAR]}…"
    seen = f"'{shown}'" if word else "the end of the rule"
    return Problem(f"unexpected {seen}", at, at + max(1, len(word)))


def _before(text: str, at: int) -> str:
    """What stands shortly before."""
    return text[max(0, at - _NEAR) : at]


def _traceql(text: str, at: int, word: str) -> Problem | None:
    stripped = text.lstrip()
    if not stripped.startswith("{"):
        return None
    start = len(text) - len(stripped)
    inner = stripped[1:].partition("}")[0].strip() or "span:status == error"
    hint = inner.replace("&&", "and").replace("||", "or").replace(" =~ ", " matches ")
    hint = re.sub(r"(?<![=!<>])=(?!=)", "==", hint)
    hint = re.sub(r"(?<![\w.])\.(?=\w)", "span.", hint)
    message = f"this looks like TraceQL: a rule says which spans, as any.where({hint})"
    return Problem(message, start, start + 1, f"any.where({hint})")


def _quotes(text: str, at: int, word: str) -> Problem | None:
    if word and word[0] in "“”„«»'`\u2018\u2019":
        return Problem(f"unexpected {word[0]}: text stands in plain double quotes", at, at + 1, '"')
    if word.startswith('"') and not (len(word) > 1 and word.endswith('"')):
        return Problem("this text is not closed: its last '\"' is missing on the line", at, at + len(word))
    return None


def _unclosed(text: str, at: int, word: str) -> Problem | None:
    if word not in ("", "when", "always", "never"):
        return None
    bare = _STRING.sub(lambda match: " " * len(match[0]), text[:at])
    opened: list[int] = []
    for match in re.finditer(r"[(){}\[\]]", bare):
        if match[0] in _CLOSING:
            opened.append(match.start())
        elif opened and _CLOSING[bare[opened[-1]]] == match[0]:
            opened.pop()
    if not opened:
        return None
    bracket = text[opened[-1]]
    where = f" before '{word}'" if word else ""
    message = f"this '{bracket}' is not closed: '{_CLOSING[bracket]}' is missing{where}"
    return Problem(message, opened[-1], opened[-1] + 1)


def _parentheses(text: str, at: int, word: str) -> Problem | None:
    """`trace.has payment` and `payment.where amount > 5`."""
    before = re.search(
        r"(trace\.has|trace\.count|[\w.\"-]*\.where|count|sum|avg|min|max|all)\s*$", _before(text, at)
    )
    if before is None or not word or word in ")}],":
        return None
    name, start = before[1], at - len(_before(text, at)) + before.start(1)
    rest = text[at:].split("\n")[0].rstrip(" }") if name.endswith(".where") else word
    message = f"'{name}' needs parentheses, did you mean '{name}({rest})'?"
    return Problem(message, start, start + len(name), f"{name}({rest})")


def _case(text: str, at: int, word: str) -> Problem | None:
    before = re.search(r"([A-Za-z_]+)\s*$", _before(text, at))
    behind = at - len(_before(text, at)) + before.start(1) if before else 0
    for seen, start in ((word, at), (before[1] if before else "", behind)):
        meant = seen.lower()
        if meant in KEYWORDS and seen not in KEYWORDS:
            return Problem(f"unexpected '{seen}', did you mean '{meant}'?", start, start + len(seen), meant)
    return None


def _duration(text: str, at: int, word: str) -> Problem | None:
    number = re.match(r"-?[\d_]+(?:\.\d+)?", word)
    if number is None:
        return None
    unit = word[number.end() :]
    if not unit and re.search(r"within\s*$", _before(text, at)):
        message = f"a duration needs a unit: {word}ms, {word}s or {word}m"
        return Problem(message, at, at + len(word), f"{word}s")
    if unit:
        known = _UNITS.get(unit.lower()) or nearest(unit, ("ns", "us", "ms", "s", "m", "h"))
        meant = f", did you mean '{number[0]}{known}'?" if known else ""
        message = f"'{unit}' is no unit: there are ns us ms s m h{meant}"
        return Problem(message, at, at + len(word), known and f"{number[0]}{known}")
    return None


def _lists(text: str, at: int, word: str) -> Problem | None:
    if word == "(" and re.search(r"\bin\s*$", _before(text, at)):
        return Problem("a list stands in brackets: [a, b]", at, at + 1, "[")
    if word == "," and re.search(r"\d\s*$", _before(text, at)):
        return Problem("unexpected ',': in a number stands '_', as in 1_000", at, at + 1, "_")
    return None


def _braces(text: str, at: int, word: str) -> Problem | None:
    before = re.search(r"\b(when|always|never)\s*$", _before(text, at))
    if before and word and word != "{":
        message = f"unexpected '{word}': what follows '{before[1]}' stands in braces, {before[1]} {{ … }}"
        return Problem(message, at, at + len(word))
    return None


def _meant(text: str, at: int, word: str) -> Problem | None:
    two = text[at : at + 2]
    meant = _MEANT.get(two if two in _MEANT else word)
    if (
        meant is None
        and word
        and word not in KEYWORDS
        and not re.search(r"[\s(]$|^$", _before(text, at) or " ")
    ):
        return None
    if meant is None and re.fullmatch(r"[A-Za-z_]+", word) and word not in KEYWORDS:
        meant = nearest(word, KEYWORDS)
    if meant is None:
        return None
    seen = two if two in _MEANT else word
    return Problem(f"unexpected '{seen}', did you mean '{meant}'?", at, at + len(seen), meant)


def _chained(text: str, at: int, word: str) -> Problem | None:
    compares = ("==", "!=", "<", ">", "<=", ">=", "matches", "contains", "starts_with", "ends_with")
    relations = ("before", "after", "overlaps", "inside", "encloses", "child", "parent", "sibling")
    if text[at : at + 2] in compares or word in compares:
        return Problem("comparisons do not chain: join two of them by 'and'", at, at + max(1, len(word)))
    if word in relations:
        message = "relations do not chain: join two of them by 'and', or name the inner one with 'let'"
        return Problem(f"unexpected '{word}': {message}", at, at + len(word))
    return None


def _forgotten(text: str, at: int, word: str) -> Problem | None:
    if (
        word in KEYWORDS
        or not re.match(r"[A-Za-z_\"]", word)
        or not re.search(r"[\w\")\]]\s+$", _before(text, at))
    ):
        return None
    if re.search(r"\b(and|or|not)\s*$", _before(text, at)):
        return None
    message = f"unexpected '{word}': is 'and', 'or' or another word missing before it?"
    return Problem(message, at, at + len(word))


_LOOKS = (
    _traceql,
    _quotes,
    _unclosed,
    _parentheses,
    _case,
    _braces,
    _duration,
    _lists,
    _chained,
    _meant,
    _forgotten,
)
