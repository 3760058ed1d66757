"""The metrics of a worker, each with its meaning; those of each rule are in `streams.health`.

Labels are bounded: never a trace id.
"""

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("betrace_kafka_records", "Input records by what became of them", ["topic", "outcome"])
RECEIVED = Counter("betrace_spans_received", "Spans read from the input topics")
REJECTED = Counter("betrace_spans_rejected", "Spans dead-lettered, by reason", ["reason"])
OWN = Counter("betrace_own_spans", "Spans that BeTrace emitted itself, seen on the input and dropped")
UNVERIFIED = Counter(
    "betrace_unverified_spans", "Spans whose span.signature.verified is false or absent", ["mark"]
)
JUDGED = Counter("betrace_spans_judged", "Distinct spans of judged traces")
DUPLICATES = Counter("betrace_duplicate_spans", "Copies of a span id in a judged trace")
LATE = Counter(
    "betrace_late_spans",
    "Spans of traces that were judged before: reopened, or too late (window, evicted, over_limit)",
    ["outcome"],
)
CLOSED = Counter("betrace_traces_closed", "Judged traces, by why then", ["reason"])
DEAD_LETTERS = Counter("betrace_dead_letter_records", "Records written to the dead-letter topic", ["reason"])
FUTURE_RECORDS = Counter(
    "betrace_future_records", "Input records stamped ahead of now or not at all: they come at the clock"
)

IN_FLIGHT = Gauge("betrace_traces_in_flight", "Traces waiting for more spans")
RETAINED = Gauge("betrace_traces_retained", "Judged traces that late spans can still reopen")
RETAINED_CUT = Counter(
    "betrace_retained_cut_bytes", "Blocks dropped before their late window ended, as too much was retained"
)
STATE_BYTES = Gauge("betrace_state_bytes", "Blocks kept, in flight and retained")
CONSUMER_LAG = Gauge(
    "betrace_kafka_consumer_lag", "Records of inputs and blocks not read yet", ["topic", "partition"]
)
CLOCK_LAG = Gauge(
    "betrace_input_clock_lag_seconds", "Now less an input partition's watermark", ["topic", "partition"]
)
CLOCK_STALLED = Gauge(
    "betrace_clock_stalled_seconds", "How long the clock of the slowest group partition has not moved"
)
LAST_COMMIT = Gauge("betrace_last_commit_timestamp_seconds", "When a record was last acknowledged")

RULES_LOADED = Gauge("betrace_rules_loaded", "Enabled rules that this process judges by")
RULES_OFFSET = Gauge("betrace_rules_log_offset", "Offset up to which the rules log has been read")
DISABLED = Counter(
    "betrace_rules_disabled", "Rules that this worker had disabled, as they were cut off often", ["rule_id"]
)
VIOLATIONS = Counter("betrace_violations", "Violations found", ["rule_id", "severity"])
PUBLISHED = Counter("betrace_violations_published", "Violation records written, by outcome", ["outcome"])
DETECTION_DELAY = Histogram(
    "betrace_detection_delay_seconds",
    "From the judging tick's record to the published violation",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


EVIDENCE = Counter(
    "betrace_evidence_spans", "Spans written to the topic of evidence: broken, held, acts", ["kind"]
)
ACTS = Counter(
    "betrace_compliance_acts",
    "Acts of BeTrace itself that a control asks for",
    ["operation", "outcome"],
)
ACTS_UNTOLD = Counter(
    "betrace_compliance_acts_untold", "Spans of such acts that were not written, as Kafka was away for long"
)
EXPORTED = Counter(
    "betrace_export_spans",
    "Spans of evidence by what the endpoint did with them: taken, rejected, refused; or unreadable",
    ["outcome"],
)
EXPORT_FAILURES = Counter("betrace_export_failures", "Requests that the endpoint did not take")
EXPORT_STALLED = Gauge(
    "betrace_export_stalled_seconds", "For how long the endpoint has taken nothing of what there is"
)
REDACTED = Counter(
    "betrace_redactions", "Values hidden on their way out, by what they were", ["kind", "strategy"]
)
REDACTION_FAILED = Counter(
    "betrace_redaction_failures", "Values that could not be redacted, and left as [REDACTED:error]"
)


def forget(topic: str, partition: int) -> None:
    """Show no more of a partition that is another worker's now."""
    for gauge in (CONSUMER_LAG, CLOCK_LAG):
        gauge.remove(topic, str(partition))
