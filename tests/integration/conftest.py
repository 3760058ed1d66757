"""Fixtures of tests on a real broker."""

import pytest

from tests.integration.collector import built


@pytest.fixture(scope="session")
def otelcol() -> str:
    """The path of a stock Collector."""
    return built()
