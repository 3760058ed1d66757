"""Rule texts in the older syntax, said in today's language: words first, then which spans they are about."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from dsl import nodes as n
from dsl.compile import check
from dsl.format import duration, formatted, quoted
from dsl.judge import judge
from dsl.layout import layout
from dsl.parse import ParseError, parse
from dsl.rule import Rule, Test
from dsl.scope import Problem
from dsl.short import ShortFormError, trace_of

_STEPS = 100_000
_LONGEST = 10_000  # characters of an older text; its language allowed no more
_STRING = r'"(?:\\.|[^"\\\n])*"'
_SKIP = rf"(?P<skip>{_STRING}|//[^\n]*)"
_COMPARES = r"==|!=|>=|<=|>|<"
_WORDS = r"contains|starts_with|ends_with|matches"
_NAME = re.compile(r"[A-Za-z_](?:\w|-(?=\w))*(?:\.[A-Za-z_](?:\w|-(?=\w))*)*", re.ASCII)
_SPECIAL = re.compile(rf"\b(?P<fun>has|count)\(\s*(?P<name>[^\s()\"<>]+)\s*\)|{_SKIP}")
_NOT_IN_NAMES = re.compile(r"[/:@$%?&*#]")
_INTRINSIC = re.compile(r"(span|event|link|instrumentation):[A-Za-z]+|.*(==|!=|&&).*")
_KEYWORDS = (
    "exists|before|after|overlaps|within|of|inside|encloses|child|parent|sibling|by|any|root|all|let|as|"
    "starts_with|ends_with|sum|avg|min|max|p50|p90|p95|p99|distinct"
)
_KEYWORD = re.compile(
    rf"(?P<before>(?:==|!=|\bwhere\(|\bhas\(|\bcount\(|[\[,]|\b(?:and|or|not)\b)\s*)(?P<word>{_KEYWORDS})"
    rf"(?=\s*(?:[),\]]|$|\s(?:and|or)\b|{_COMPARES}|\s(?:in|matches|contains)\b))|{_SKIP}"
)
_FIELDS = {
    "name": "span:name",
    "operation_name": "span:name",
    "service": "service",
    "service_name": "service",
    "duration": "span:duration",
    "status": "span:status",
    "kind": "span:kind",
    "span_id": "span:id",
    "parent_id": "span:parentID",
}
_OF_SPAN = re.compile(
    rf"(?P<has>\bspan\.has\(\s*attributes?\.(?P<asked>[\w.\-]+)\s*\))"
    rf"|\bspan\.attributes(?:\[\"(?P<key>[^\"\n]*)\"\]|\.(?P<plain>[A-Za-z_]\w*))"
    rf"(?:\s*(?P<op>{_COMPARES})\s*\"(?P<scalar>-?\d+(?:\.\d+)?|true|false)\")?"
    rf"|\bspan\.(?P<choice>status|kind)\s*(?P<choice_op>==|!=)\s*\"?(?P<chosen>[A-Za-z]+)\"?"
    rf"|\bspan\.duration\s*(?P<duration_op>{_COMPARES})\s*(?P<ns>\d+)(?![\w.])"
    rf"|(?<![\w.])(?P<first_ns>\d+)\s*(?P<first_op>{_COMPARES})\s*span\.duration\b"
    rf"|\bspan\.(?P<field>{'|'.join(_FIELDS)})\b"
    r"|\btrace\.(?P<all>all)\s*\("
    r"|(?P<lost>\btrace\.(?:id|spans|has_before|has_after)\b|\bspan\.trace_id\b|#\s*span\b)"
    r"|(?P<sign>=~|&&|\|\||!(?![=]))"
    r"|(?P<comment>(?<!\S)--)"
    rf"|{_SKIP}"
)
_SIGNS = {"=~": "matches", "&&": "and", "||": "or", "!": "not "}
_METHOD = re.compile(rf":(?P<word>{_WORDS})\s*\(\s*(?P<text>{_STRING})\s*\)|{_SKIP}")
_COMPARED = re.compile(rf"\s*(?:{_COMPARES}|=~|:|in\b|exists\b|not\s+in\b|[+*/\-]|(?:{_WORDS})\b)")
_COMPARING = re.compile(rf"(?:{_COMPARES}|=~|[+*/\-]|\b(?:{_WORDS}))\s*$")
_LOST = {
    "trace.id": "a rule judges one trace and cannot ask for its id",
    "trace.spans": "say which spans: count(any) > 5, any.where(…)",
    "trace.has_before": "write 'A before B', such as auth.check before data.access",
    "trace.has_after": "write 'A after B', such as audit.log after data.access",
    "span.trace_id": "a rule judges one trace and cannot ask for its id",
}


@dataclass(frozen=True, slots=True)
class Age:
    """How sure it is that a text is older: `likely` by its rule's other keys, `certain` by its own."""

    likely: bool = False
    certain: bool = False


class Untold(Exception):
    """An older text that cannot be said today; the text says what to write."""


def problems(rule: Rule) -> list[Problem]:
    """All that is wrong with a rule's condition, or surely not meant."""
    try:
        return check(rule, parse(rule.condition))[1]
    except ParseError as refused:
        return [refused.problem]


def today(rule: Rule, age: Age, refused: bool) -> str | None:
    """The rule's text in today's words; None where it is of today, or is no older text.

    A text that today's language reads (`refused` is false) is left alone unless it surely is an older one.
    Untold for one that surely is and cannot be said.
    """
    certain = age.certain or "span.attributes[" in re.sub(_STRING, "", rule.condition)
    if not (refused or certain) or len(rule.condition) > _LONGEST:
        return None
    try:
        made = _rewritten(rule.condition.strip(), age.likely or certain, certain)
    except ParseError as problem:
        if certain and _OF_SPAN.search(rule.condition) and not refused:
            raise Untold(problem.problem.message) from None
        return None
    wrong = [each for each in problems(Rule(rule.id, made)) if each.severity == "error"]
    if wrong and certain and not refused:
        raise Untold(wrong[0].message)
    return None if wrong or made == rule.condition.strip() else made


def on_one_line(text: str) -> str:
    """A rule's text on one line, without its comments."""
    condition = parse(text)
    lets = [f"let {let.name} = {formatted(let.value)}" for let in condition.lets]
    clauses = [f"{kind} {{ {formatted(node)} }}" for kind, node in condition.clauses]
    return " ".join([*lets, *(clauses if condition.pattern is None else [formatted(condition.pattern)])])


def invariant(rule: Rule) -> str | None:
    """The other reading of a pattern `A and B`: where there is A, B has to be. None for any other rule."""
    condition = parse(rule.condition)
    node = condition.pattern
    if not isinstance(node, n.And) or condition.lets:
        return None
    if any(isinstance(each, n.Not | n.As) for each in n.walk(condition)):
        return None
    asked = " and ".join(formatted(item) for item in node.items[1:])
    try:
        return layout(f"when {{ {formatted(node.items[0])} }} always {{ {asked} }}")
    except ParseError:  # larger, or deeper, than a rule may be
        return None


def violated(rule: Rule, condition: str, example: Test) -> bool:
    """Whether an example trace violates a condition; False where it is no trace."""
    try:
        trace = trace_of(example.trace)
    except ShortFormError:
        return False
    compiled, found = check(Rule(rule.id, condition), parse(condition))
    return not any(each.severity == "error" for each in found) and (
        judge(compiled, trace, _STEPS).outcome == "violated"
    )


def _rewritten(text: str, likely: bool, certain: bool) -> str:
    for change in (_special_names, _where_after_count, _bare_has):
        text = change(text)
    if likely:
        text = _backslashes(_keywords(text))
    return _lifted(_methods(_fields(text))) if certain else text


def _outside(pattern: re.Pattern[str], make: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace, but not in texts and comments."""
    return pattern.sub(lambda match: match[0] if match["skip"] else make(match), text)


def _special_names(text: str) -> str:
    def make(match: re.Match[str]) -> str:
        name = match["name"]
        plain = _INTRINSIC.fullmatch(name) or not _NOT_IN_NAMES.search(name)
        return match[0] if plain else f"{match['fun']}({quoted(name)})"

    return _outside(_SPECIAL, make, text)


def _bare_has(text: str) -> str:
    return _outside(re.compile(rf"(?<![\w.])has\s*\(|{_SKIP}"), lambda match: "trace.has(", text)


def _where_after_count(text: str) -> str:
    """`count(a).where(p)` as `count(a.where(p))`."""
    at = 0
    while found := re.compile(r"\bcount\s*\(").search(text, at):
        at = found.end()
        closing = _closing(text, found.end())
        where = re.compile(r"\s*\.\s*where\s*\(").match(text, closing + 1) if closing else None
        if closing and where and (end := _closing(text, where.end())):
            asked = text[where.end() : end]
            text = f"{text[:closing].rstrip()}.where({asked})){text[end + 1 :]}"
            at = found.start()
    return text


def _closing(text: str, at: int) -> int | None:
    """Where the parenthesis opened before `at` is closed."""
    depth = 1
    for match in re.compile(rf"{_STRING}|[()]").finditer(text, at):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth == 0:
            return match.start()
    return None


def _keywords(text: str) -> str:
    return _outside(_KEYWORD, lambda m: f'{m["before"]}"{m["word"]}"', text)


def _backslashes(text: str) -> str:
    """The older language knew no escapes but \\" in a text."""
    known = re.compile(r'\\(u[0-9a-fA-F]{4}|[nt"\\]|.)')

    def plain(match: re.Match[str]) -> str:
        return match[0] if match[1] in 'nt"\\' or len(match[1]) > 1 else f"\\\\{match[1]}"

    return re.sub(_STRING, lambda match: known.sub(plain, match[0]), text)


def _methods(text: str) -> str:
    return _outside(_METHOD, lambda match: f" {match['word']} {match['text']}", text)


def _fields(text: str) -> str:
    return _outside(_OF_SPAN, _field, text)


def _field(match: re.Match[str]) -> str:  # noqa: C901 one case a form
    if match["lost"]:
        hint = _LOST.get(match["lost"], "a text's length cannot be asked for")
        raise Untold(f"'{match['lost']}' cannot be said: {hint}")
    if match["has"]:
        return f"{_attribute(match['asked'])} exists"
    if match["choice"]:
        return f"span:{match['choice']} {match['choice_op']} {match['chosen'].lower()}"
    if match["ns"]:
        return f"span:duration {match['duration_op']} {duration(int(match['ns']))}"
    if match["first_ns"]:
        return f"{duration(int(match['first_ns']))} {match['first_op']} span:duration"
    if match["field"]:
        return _FIELDS[match["field"]]
    if match["all"]:
        return "all(any, "
    if match["sign"]:
        return _SIGNS[match["sign"]]
    if match["comment"]:
        return "//"
    return _asked(match)


def _asked(match: re.Match[str]) -> str:
    """An attribute: compared, on the right of a comparison, or alone, which asked whether it is there."""
    key = match["plain"] if match["key"] is None else match["key"]
    name = _attribute(key)
    before, after = match.string[: match.start()], match.string[match.end() :]
    if match["op"]:
        return f"{name} {match['op']} {match['scalar']}"
    if _COMPARING.search(before):
        if name.startswith('"'):
            raise Untold(f"the attribute {name} cannot stand on the right: turn the comparison round")
        return name
    return name if _COMPARED.match(after) else f"{name} exists"


def _attribute(key: str) -> str:
    return f"span.{key}" if _NAME.fullmatch(key) else quoted(key)


def _lifted(text: str) -> str:
    """What was said of a span, without saying which, is asked of any one span."""
    parsed = parse(text)
    roots = [node for _, node in parsed.clauses] if parsed.pattern is None else [parsed.pattern]
    for node in reversed(roots):
        if _kinds(node) != {"trace"}:
            text = text[: node.start] + _lift(node) + text[node.end :]
    return text


def _lift(node: n.Node) -> str:
    kinds = _kinds(node)
    if kinds == {"span"}:
        return f"trace.has({formatted(node.item if isinstance(node, n.Nested) else node)})"
    if kinds == {"trace"}:
        return formatted(node)
    match node:
        case n.Nested(item=item):
            return f"({_lift(item)})"
        case n.Or(items=items):
            return " or ".join(map(_lift, items))
        case n.And(items=items):
            own = [formatted(item) for item in items if _kinds(item) == {"span"}]
            others = [item for item in items if _kinds(item) != {"span"}]
            if not (own and any(len(_kinds(item)) > 1 for item in others)):
                whole = [f"trace.has({' and '.join(own)})"] if own else []
                return " and ".join(whole + [_lift(item) for item in others])
    raise Untold("one span and the trace are mixed here: say which spans, such as any.where(…), one by one")


def _kinds(node: n.Node) -> set[str]:
    """Whether a condition is about one span, the trace, or parts of it about either."""
    match node:
        case n.And(items=items) | n.Or(items=items):
            return set().union(*map(_kinds, items))
        case n.Not(item=item) | n.Nested(item=item):
            return _kinds(item)
        case n.Exists(item=item) | n.In(item=item):
            return {"span"} if _is_field(item) else {"trace"}
        case n.Compare(left=left, right=right):
            return {"span"} if _is_field(left) or _is_field(right, left=False) else {"trace"}
    return {"span"} if isinstance(node, n.Name) and _is_field(node) else {"trace"}


def _is_field(node: n.Node, left: bool = True) -> bool:
    if isinstance(node, n.Arithmetic | n.Nested):
        return any(_is_field(part, left) for part in n.parts(node))
    if isinstance(node, n.Name):
        return node.text.startswith(("span:", "span.")) or (left and node.text == "service")
    return left and isinstance(node, n.Text)
