"""Fuzzes the parser with atheris: `make fuzz` (an hour), or `python -m tests.fuzz -max_total_time=60`.

Whatever the bytes, a rule text and a rule file come to a rule or diagnostics, and a rule is
laid out; anything else is a crash, and the bytes that led to it are kept. It takes libFuzzer's options.
"""

import sys

import atheris

with atheris.instrument_imports(include=["dsl"]):
    from dsl.files import load, rule_of
    from dsl.hints import KEYWORDS
    from dsl.layout import layout

WORDS = (
    *KEYWORDS,
    "a",
    "x.y",
    "any",
    "count(",
    "trace.has(",
    ".where(",
    "(",
    ")",
    "{",
    "}",
    "==",
    ">",
    "5s",
    '"q"',
    "5",
)


def one(data: bytes) -> None:
    """Try one input: as text, as words of the language, as a file."""
    provider = atheris.FuzzedDataProvider(data)
    if provider.ConsumeBool():
        text = provider.ConsumeUnicode(400)
    else:
        text = " ".join(WORDS[provider.ConsumeIntInRange(0, len(WORDS) - 1)] for _ in range(40))
    rule, problems = rule_of({"id": "x", "condition": text}, version=1, source="api")
    if rule is None and not problems:
        raise AssertionError("neither a rule nor a diagnostic")
    if rule is not None:
        layout(text)
    for problem in load([("f", f"rules:\n  - id: x\n    condition: {text}\n"), ("g", text)]).diagnostics:
        problem.render()


def main() -> None:
    """Run libFuzzer."""
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
