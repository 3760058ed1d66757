"""Compiles the conditions of a clause, and sees to it that every alias is known where it stands."""

from dataclasses import dataclass, replace

from dsl import nodes as n
from dsl.aggregate import aggregate, is_root, of_root, of_trace, split_field
from dsl.comparison import All, Compared, Says, Side
from dsl.condition import And, Apart, Condition, Not, Operands, Or, Some
from dsl.fields import RESERVED, field_of
from dsl.operand import Operand, arithmetic, constant, literal, of_alias, of_span, test_of
from dsl.predicate import Predicate, alias_field, known_field, member, predicate
from dsl.related import Related
from dsl.run import Env, Run, Search
from dsl.scope import Scope
from dsl.selector import Selector, is_selector, selector, side
from dsl.trace import Span
from dsl.values import truthy


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause, ready to be searched; `named` are the aliases that it names for all of itself."""

    kind: str
    condition: Apart
    named: tuple[str, ...]


def clause(kind: str, node: n.Node, scope: Scope) -> Clause:
    """Compile a clause; the aliases that it names are visible in the scope afterwards."""
    before = scope.aliases
    compiled = _search(node, scope)
    return Clause(kind, compiled, scope.aliases[len(before) :])


def _search(node: n.Node, scope: Scope) -> Apart:
    """A condition as a search of its own: what names its last span counts the combinations."""
    search = Search()
    before, scope.binders = scope.binders, []
    compiled = condition(node, scope)
    if scope.binders:
        scope.binders[-1].mark.search = search
    scope.binders = before
    return Apart(compiled, search)


def condition(node: n.Node, scope: Scope) -> Condition:  # noqa: C901 one case a node
    """Compile a condition; aliases that it names are visible in `scope` afterwards."""
    match node:
        case n.Nested():
            return condition(node.item, scope)
        case n.And():
            return _and(node, scope)
        case n.Or():
            return Or(node, tuple(_apart(item, scope) for item in node.items))
        case n.Not():
            return Not(node, _apart(node.item, scope))
        case n.Relation():
            return _relation(node, scope)
        case n.Compare():
            return _comparison(node, scope)
        case n.Exists():
            return _exists(node, scope)
        case n.In():
            left = _side(node.item, scope)
            return Says(node, left, member(node, left.operand, scope))
        case n.Call(fun="all"):
            return _all(node, scope)
        case n.Call() | n.Arithmetic() | n.Number() | n.Duration():
            what = f"'{node.fun}' is a number: it" if isinstance(node, n.Call) else "a number"
            scope.wrong(node, f"{what} has to be compared, as with > 3")
            return Some(node, Selector(_nothing))
    if _is_field(node, scope):
        return _truth(node, scope)
    return _some(node, scope)


def _and(node: n.And, scope: Scope) -> Condition:
    operands: list[Operands] = []
    for item in node.items:
        used, scope.used = scope.used, set()
        before = scope.aliases
        compiled = condition(item, scope)
        reads = frozenset(scope.used)
        used |= reads
        scope.used = used
        operands.append(Operands(compiled, reads, frozenset(scope.aliases[len(before) :])))
    return And(node, tuple(operands), _plan(operands, frozenset(scope.aliases)))


def _plan(operands: list[Operands], aliases: frozenset[str]) -> tuple[Condition, ...]:
    """The items as they are searched: `x.id == y.id` narrows the later of the two as it is chosen."""
    plan: list[Condition] = []
    for operand in operands:
        if not (isinstance(operand.item, Compared) and _joins(operand.item, plan, aliases)):
            plan.append(operand.item)
    return tuple(plan)


def _joins(compared: Compared, plan: list[Condition], aliases: frozenset[str]) -> bool:
    """Whether the equality could become a join of a selector chosen before it."""
    sides = [_alias_side(node, aliases) for node in (compared.node.left, compared.node.right)]
    if compared.node.op != "==" or compared.left.operand.unit != compared.right.operand.unit:
        return False
    for number in reversed(range(len(plan))):
        item = plan[number]
        if isinstance(item, Related) and set(item.aliases) & {side[0] for side in sides if side}:
            return False
        for one, other in (sides, sides[::-1]):
            if one and other and one[0] != other[0] and isinstance(item, Some) and item.alias == one[0]:
                test = _join(one[1], *other)
                if test is None:
                    return False
                plan[number] = replace(item, selector=item.selector.where(test))
                return True
    return False


def _alias_side(node: n.Node, aliases: frozenset[str]) -> tuple[str, n.Node] | None:
    """An alias and its field's node, if that is what the node is."""
    match node:
        case n.Name(text=text) if "." in text and text.partition(".")[0] in aliases:
            first, _, rest = text.partition(".")
            return first, n.Name(node.start, node.end, rest)
        case n.Bracket(item=n.Name(text=alias), key=key) if alias in aliases:
            return alias, n.Text(node.start, node.end, key)
    return None


def _join(here: n.Node, alias: str, there: n.Node) -> Predicate | None:
    fields = [
        field_of(each.text if isinstance(each, n.Name) else getattr(each, "value", ""),
                 quoted=isinstance(each, n.Text))
        for each in (here, there)
    ]  # fmt: skip
    one, other = fields
    if one is None or other is None or one.each or other.each:
        return None
    mine, theirs = of_span(one), of_alias(alias, other)
    node = n.Compare(here.start, here.end, "==", here, there)
    test = test_of(node, mine, theirs, Scope())

    def holds(run: Run, span: Span, env: Env) -> bool:
        return test(run, mine.read(run, span, env), theirs.read(run, None, env))

    return Predicate(holds, free=False, join=(mine, theirs))


def _apart(node: n.Node, scope: Scope) -> Condition:
    """Compile what names spans for itself alone: under `not`, or in one branch of `or`."""
    return _search(node, scope.apart())


def _relation(node: n.Relation, scope: Scope) -> Condition:
    left, first = _operand(node.left, scope)
    used, scope.used = scope.used, set()
    right, second = _operand(node.right, scope)
    dependent = first is not None and first in scope.used
    used |= scope.used
    scope.used = used
    found = Related(node, left, right, (first, second), dependent)
    if first or second:
        scope.binders.append(found)
    return found


def _operand(node: n.Node, scope: Scope) -> tuple[Selector, str | None]:
    """A side of a relation, with the alias that it names."""
    if isinstance(node, n.Nested) and isinstance(node.item, n.As | n.Nested):
        return _operand(node.item, scope)
    if isinstance(node, n.As):
        found = side(node.item, scope)
        _bind(node, scope)
        return found, node.alias
    return side(node, scope), None


def _bind(node: n.As, scope: Scope) -> None:
    alias = node.alias
    place = n.Name(node.end - len(alias), node.end, alias)
    if alias in scope.aliases or alias in scope.lets:
        scope.wrong(place, f"'{alias}' names something already")
    elif alias in RESERVED:
        scope.wrong(place, f"'{alias}' is a word of the language: choose another name")
    scope.aliases = (*scope.aliases, alias)


def _some(node: n.Node, scope: Scope) -> Condition:
    if not is_selector(node, scope):
        scope.wrong(node, "this is neither a span nor something that is said about the trace")
        return Some(node, Selector(_nothing))
    alias = node.alias if isinstance(node, n.As) else None
    found = Some(node, selector(node.item if isinstance(node, n.As) else node, scope), alias)
    if isinstance(node, n.As):
        _bind(node, scope)
        scope.binders.append(found)
    return found


def _is_field(node: n.Node, scope: Scope) -> bool:
    """Whether the node, alone, is a field: of an alias, in brackets, or after parentheses."""
    match node:
        case n.Name(text=text):
            first, _, rest = text.partition(".")
            return bool(rest) and (first in scope.aliases or text.startswith("trace.root."))
        case n.Bracket() | n.FieldOf():
            return True
    return False


def _truth(node: n.Node, scope: Scope) -> Condition:
    found = _side(node, scope)
    if found.operand.each:
        return Says(node, found, lambda run, value: any(map(truthy, value)))
    return Says(node, found, lambda run, value: truthy(value))


def _exists(node: n.Exists, scope: Scope) -> Condition:
    found = _side(node.item, scope)
    if found.of is not None:
        scope.warn(node, "asks whether some such span has the field: .where(… exists) says so plainly")
    if found.operand.each:
        return Says(node, found, lambda run, value: any(each is not None for each in value))
    return Says(node, found, lambda run, value: value is not None)


_ALL_TAKES = "'all' takes a selector, and what is said of each: all(db.query, duration < 1s)"


def _all(node: n.Call, scope: Scope) -> Condition:
    if not is_selector(node.item, scope):
        scope.wrong(node.item, _ALL_TAKES)
        return Some(node, Selector(_nothing))
    found = selector(node.item, scope)
    if node.second is None or node.by is not None:
        scope.wrong(node, _ALL_TAKES)
        return All(node, found, found)
    return All(node, found, found.where(predicate(node.second, scope)))


def _comparison(node: n.Compare, scope: Scope) -> Condition:
    left, right = _side(node.left, scope), _side(node.right, scope, right=True)
    return Compared(node, left, right, test_of(node, left.operand, right.operand, scope))


def _side(node: n.Node, scope: Scope, *, right: bool = False, reckoning: bool = False) -> Side:  # noqa: C901
    """One side of a comparison about the trace."""
    match node:
        case n.Nested():
            return replace(_side(node.item, scope, right=right, reckoning=reckoning), node=node)
        case n.Number() | n.Duration():
            return Side(node, literal(node))
        case n.Text() if right and not reckoning:
            return Side(node, constant(node.value))
        case n.Call():
            operand, found = aggregate(node, scope)
            return Side(node, operand, counted=(found,))
        case n.Arithmetic():
            return _arithmetic(node, scope, right)
        case n.Bracket(item=n.Name(text=alias)) if alias in scope.aliases:
            return Side(node, alias_field(alias, field_of(node.key, quoted=True), scope))
        case n.Bracket() if is_root(node.item):
            return Side(node, of_root(field_of(node.key, quoted=True), scope))
        case n.Name():
            return _name_side(node, scope, right and not reckoning)
        case n.Bracket() | n.FieldOf():
            return _field_side(node, scope)
    scope.wrong(node, _unfit(node))
    return Side(node, constant(None))


def _arithmetic(node: n.Arithmetic, scope: Scope, right: bool) -> Side:
    sides = [_side(item, scope, right=right, reckoning=True) for item in node.items]
    fields = [each for each in sides if each.of is not None]
    if len(fields) > 1:
        scope.wrong(fields[1].node, "at most one field of a selector on each side: name the span with 'as'")
    operand = arithmetic(node, [each.operand for each in sides], scope)
    counted = tuple(selector for each in sides for selector in each.counted)
    return Side(node, operand, fields[0].of if fields else None, counted)


def _name_side(node: n.Name, scope: Scope, word: bool) -> Side:
    """A name: a field of an alias or of a selector, a number of the trace, or, on the right, a word."""
    text = node.text
    first, _, rest = text.partition(".")
    if first in scope.aliases:
        if not rest:
            scope.wrong(node, f"'{first}' is a span: name one of its fields, as {first}.amount")
            return Side(node, constant(None))
        return Side(node, alias_field(first, known_field(node, rest, scope), scope))
    if text.startswith("trace."):
        return Side(node, of_trace(node, scope))
    if rest and scope.hidden(node):
        return Side(node, constant(None))
    if rest:
        return _field_side(node, scope)
    return Side(node, _undotted(node, scope, word))


def _undotted(node: n.Name, scope: Scope, word: bool) -> Operand:
    text = node.text
    if word and text in ("true", "false"):
        return constant(text == "true")
    if text in RESERVED:
        scope.wrong(node, f"'{text}' is a word of the language: in quotes it is text")
    elif text in scope.lets:
        scope.wrong(node, f"'{text}' is a selector: name a field, as {text}.amount")
    elif not word:
        scope.wrong(node, f"'{text}' of which span? trace.has({text} > …), or payment.{text}")
    else:
        return constant(text)
    return constant(None)


def _field_side(node: n.Node, scope: Scope) -> Side:
    split = split_field(node, scope)
    assert split is not None, node
    item, field = split
    if not is_selector(item, scope):
        scope.wrong(item, "a field needs a span before it")
        return Side(node, constant(None))
    found = selector(item, scope)
    return Side(node, of_span(field) if field else constant(None), found)


def _unfit(node: n.Node) -> str:
    if isinstance(node, n.Text):
        return 'a span has to be compared by a field, as "GET /".duration > 1s'
    if isinstance(node, n.Relation):
        return "relations and comparisons do not chain: use parentheses and 'and'"
    return "a number, or a field of a span, is needed here"


def _nothing(run: Run, env: Env) -> tuple[Span, ...]:
    return ()
