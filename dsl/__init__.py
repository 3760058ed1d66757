"""The rule language: grammar, parser, checks, compiler, evaluator, rule files. No Kafka, HTTP, clock or environment."""
