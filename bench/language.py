"""How fast rules are parsed, compiled and judged: `python -m bench.language`."""

import statistics
import time

from dsl.compile import compile_rule, rule_set
from dsl.files import load
from dsl.run import MAX_COMBINATIONS
from dsl.short import trace_of
from dsl.trace import Trace

RUNS = 3
_RULE = """\
  - id: rule-{n}
    condition: |
      when   {{ payment{n}.charge_card.where(amount > {n} and currency == USD) as charge }}
      always {{ payment{n}.fraud_check.where(order_id == charge.order_id) before charge }}
      never  {{ payment{n}.bypass_validation inside charge }}
"""


def many(count: int) -> str:
    """A rule file of that many rules."""
    return "rules:\n" + "".join(_RULE.format(n=n) for n in range(count))


def timed(what: str, work: object) -> None:
    """Print the median of some runs, in seconds of CPU."""
    assert callable(work)
    took = []
    for _ in range(RUNS):
        start = time.process_time()
        said = work()
        took.append(time.process_time() - start)
    every = ", ".join(f"{each:.3f}" for each in took)
    print(f"{what:<52} {statistics.median(took):8.3f} s  ({every}){'  ' + said if said else ''}")


def main() -> None:
    """Run all."""
    for count in (1000, 10_000):
        text = many(count)
        loaded = load([("bench", text)])
        assert len(loaded.rules) == count
        timed(f"load {count:,} rules: YAML, parse, check", lambda text=text: load([("bench", text)]) and None)
        timed(
            f"compile {count:,} rules, as a worker does",
            lambda rules=loaded.rules: rule_set(map(compile_rule, rules), 1_000_000) and None,
        )
    one = loaded.rules[0]
    timed("compile one changed rule", lambda: compile_rule(one) and None)
    judged()


def judged() -> None:
    """Several aliases and a trace of 100,000 spans: they have to end, and to say if they were cut off."""
    spans = [
        {"name": f"n{i % 5}", "id": f"s{i}", "start": f"{i}us", "attributes": {"k": i % 97}}
        for i in range(100_000)
    ]
    trace: Trace = trace_of(spans)
    for text in (
        "when { any as x and any as y and any as z } always { missing }",
        "when { any.where(k > 3) as x and any.where(k > 5) as y and any.where(k < 90) as z } always { any }",
        "when { n1 as x and n2.where(k == x.k) as y and n3.where(k == y.k) as z } always { z before x }",
        "when { n1 before n2 and n3 inside n4 } always { count(any overlaps any) > 5 }",
    ):
        rules = rule_set(
            map(compile_rule, load([("b", f"rules: [{{id: r, condition: '{text}'}}]")]).rules), 1_000_000
        )

        def run(rules: object = rules) -> str:
            (verdict,) = rules.judge(trace, every=True)  # type: ignore[attr-defined]
            return f"{verdict.outcome} {verdict.reason or ''}{'truncated' if verdict.truncated else ''}"

        timed(text[:52], run)
    print(f"(at most {MAX_COMBINATIONS:,} combinations)")


if __name__ == "__main__":
    main()
