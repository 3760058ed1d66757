"""The rule language: grammar, parser, checks, compiler, evaluator, rule files."""
