"""`betrace dev` and the other commands as a person meets them."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.integration.processes import Betrace, free_port, get, until

EXAMPLES = Path(__file__).parents[2] / "deploy" / "rules" / "shop.yaml"
_BETRACE = str(Path(sys.executable).parent / "betrace")


@pytest.fixture
def betrace(tmp_path: Path) -> Betrace:
    return Betrace({"API_LISTEN": f"127.0.0.1:{free_port()}"}, tmp_path)


def test_dev_finds_a_violation_within_fifteen_seconds_and_ends_at_once(betrace: Betrace) -> None:
    began = time.monotonic()
    with betrace.start("dev") as process:
        url = f"http://{betrace.settings['API_LISTEN']}"

        def first() -> str | None:
            try:
                items = get(f"{url}/api/violations")["items"]
            except OSError:
                return None
            return items[0]["ruleId"] if items else None

        rule = until("a violation", first)
        assert time.monotonic() - began < 15
        assert rule in {r["id"] for r in get(f"{url}/api/rules")["items"]}
        assert get(url)["links"]["violations"] == "/api/violations"
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - asked < 5
    log = (betrace.folder / "dev-1.log").read_text()
    assert url in log
    assert f"{url}/api/violations/" in log
    assert "Traceback" not in log
    assert log.rstrip().endswith("stopped; nothing was kept")


def test_dev_judges_a_persons_own_traces_by_their_own_rules(betrace: Betrace) -> None:
    traces = Path(__file__).parents[1] / "data" / "otel-demo" / "traces.json"
    rules = betrace.folder / "rules.yaml"
    rules.write_text("rules: [{id: cart, condition: '\"oteldemo.CartService/GetCart\"'}]")
    with betrace.start("dev", "--traces", str(traces), "--rules", str(rules)):

        def found() -> list[str] | None:
            try:
                items = get(f"http://{betrace.settings['API_LISTEN']}/api/violations")["items"]
            except OSError:
                return None
            return [item["ruleId"] for item in items] or None

        assert set(until("a violation", found)) == {"cart"}


def test_a_port_in_use_is_one_clear_line(betrace: Betrace) -> None:
    with betrace.start("dev"):
        until("the port is taken", lambda: _listening(betrace.settings["API_LISTEN"]))
        said = betrace.refused("dev")
    address = betrace.settings["API_LISTEN"]
    assert said == f"betrace: cannot listen on {address}: Address already in use; set api.listen to another\n"


def test_a_bad_rule_file_is_told_at_its_place(betrace: Betrace) -> None:
    rules = betrace.folder / "bad.yaml"
    rules.write_text("rules:\n  - id: x\n    condition: a.where(b = 1)\n")
    assert f"{rules}:3:26: error: unexpected '=', did you mean '=='?" in betrace.refused(
        "dev", "--rules", str(rules)
    )
    assert "cannot be read" in betrace.refused("dev", "--rules", str(betrace.folder / "none.yaml"))


def test_a_wrong_setting_and_a_kafka_that_is_not_there_are_told(betrace: Betrace) -> None:
    betrace.settings["KAFKA_BROKERS"] = f"127.0.0.1:{free_port()}"
    assert "no answer from Kafka at 127.0.0.1" in betrace.refused("topics", "create")
    assert "no answer from Kafka at 127.0.0.1" in betrace.refused("worker")
    betrace.settings["TRACE_TICK"] = "soon"
    assert "BETRACE_TRACE_TICK: trace.tick: a duration" in betrace.refused("worker")


def test_check_says_what_broke_and_what_was_missing(betrace: Betrace) -> None:
    traces = betrace.folder / "trace.json"
    traces.write_text(_TRACE)
    said = betrace.run("check", "--rules", str(EXAMPLES), "--traces", str(traces), code=1)
    assert "critical charge-without-fraud-check: 1500 charged for order-17 without a fraud check" in said
    assert "charge   payment payment.charge_card  at 40.0 ms for 20.0 ms" in said
    assert "missing  payment.fraud_check.where(order_id == charge.order_id)" in said
    assert said.endswith("1 traces, 2 spans: 1 violations\n")
    for line in said.split("\n")[:4]:
        assert line in (EXAMPLES.parents[2] / "README.md").read_text()


def _listening(address: str) -> bool | None:
    try:
        get(f"http://{address}/")
    except OSError:
        return None
    return True


_TRACE = """{"resourceSpans": [{"resource": {"attributes": [
  {"key": "service.name", "value": {"stringValue": "payment"}}]}, "scopeSpans": [{"spans": [
  {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "checkout",
   "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000090000000"},
  {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203332", "name": "payment.charge_card",
   "parentSpanId": "b7ad6b7169203331",
   "startTimeUnixNano": "1700000000040000000", "endTimeUnixNano": "1700000000060000000",
   "attributes": [{"key": "amount", "value": {"intValue": "1500"}},
                  {"key": "order_id", "value": {"stringValue": "order-17"}}]}]}]}]}"""
