"""`betrace dev`: the whole pipeline in one process on the embedded broker, with spans that keep arriving."""

from pathlib import Path

EXAMPLE_RULES = Path(__file__).parent.parent / "deploy" / "rules" / "shop.yaml"
