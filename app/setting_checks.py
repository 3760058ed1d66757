"""What settings have to agree on: whether they do, and what is said where they do not."""

from urllib.parse import urlsplit

from app.setting_groups import (
    ApiSettings,
    EvidenceSettings,
    KafkaSettings,
    RedactionSettings,
    TraceSettings,
    WorkerSettings,
)
from streams.disguise import KEYED
from streams.topics import Topics

Checks = tuple[tuple[object, str], ...]

_LOOPBACK = ("127.", "localhost:", "[::1]:")


def of_kafka(kafka: KafkaSettings) -> Checks:
    """Logins, certificates and topics."""
    sasl, secured = kafka.security.protocol.startswith("SASL"), kafka.security.protocol.endswith("SSL")
    tls = kafka.tls
    inputs = [topic.name for topic in kafka.input_topics]
    own = Topics(kafka.group).all & set(inputs)
    return (
        (len(inputs) == len(set(inputs)), "kafka.input_topics names a topic twice"),
        (not own, f"kafka.input_topics names what BeTrace writes itself: {', '.join(own)}"),
        (sasl == (kafka.sasl.mechanism is not None), "kafka.sasl.mechanism goes with a SASL protocol"),
        (not sasl or kafka.sasl.username, "a SASL protocol needs kafka.sasl.username"),
        (not sasl or kafka.sasl.password_file, "a SASL protocol needs kafka.sasl.password_file"),
        (
            (tls.cert_file is None) == (tls.key_file is None),
            "kafka.tls.cert_file and kafka.tls.key_file go together",
        ),
        (
            secured or not (tls.ca_file or tls.cert_file),
            "kafka.tls.* goes with kafka.security.protocol SSL or SASL_SSL",
        ),
    )


def of_traces(trace: TraceSettings, worker: WorkerSettings) -> Checks:
    """Windows and limits."""
    return (
        (trace.root_grace <= trace.max_wait, "trace.root_grace is longer than trace.max_wait"),
        (trace.tick <= trace.root_grace, "trace.tick is longer than trace.root_grace"),
        (
            trace.remember >= trace.max_wait + trace.late_window + trace.late_grace,
            "trace.remember is shorter than trace.max_wait, late_window and late_grace together: "
            "a late span would begin a second trace",
        ),
        (
            trace.max_bytes <= worker.max_retained_bytes,
            "trace.max_bytes is larger than worker.max_retained_bytes: one trace would not fit",
        ),
        (not 0 < worker.watchdog < 5 * trace.tick, "worker.watchdog is shorter than five trace.tick"),
    )


def of_api(api: ApiSettings) -> Checks:
    """Who may reach it, and how."""
    return (
        (
            api.listen.startswith(_LOOPBACK) or api.tokens_file,
            "api.listen is not on loopback: that needs api.tokens_file",
        ),
        (
            (api.tls.cert_file is None) == (api.tls.key_file is None),
            "api.tls.cert_file and api.tls.key_file go together",
        ),
        (
            not api.trust_user_header or api.tokens_file,
            "api.trust_user_header names a token of api.tokens_file",
        ),
    )


def of_evidence(evidence: EvidenceSettings) -> Checks:
    """Where it is exported to."""
    url, tls = evidence.otlp_endpoint or "", evidence.tls
    beside = [tls.ca_file, tls.cert_file, tls.key_file, evidence.otlp_headers_file]
    return (
        (url or not any(beside), "evidence.tls.* and .otlp_headers_file go with evidence.otlp_endpoint"),
        (
            url.startswith("https:") or not url or not any(beside[:3]),
            "evidence.tls.* goes with an evidence.otlp_endpoint that begins with https:",
        ),
        (
            (tls.cert_file is None) == (tls.key_file is None),
            "evidence.tls.cert_file and evidence.tls.key_file go together",
        ),
        (
            evidence.otlp_protocol == "http" or not urlsplit(url).path.strip("/"),
            "evidence.otlp_endpoint has a path, which goes with evidence.otlp_protocol http",
        ),
        (
            evidence.enabled or not url,
            "evidence.otlp_endpoint is set, and evidence.enabled is not: there is nothing to export",
        ),
    )


def of_redaction(redaction: RedactionSettings) -> Checks:
    """Strategies that need a key."""
    keyed = sorted(KEYED & redaction.uses())
    return (
        (
            redaction.key_file or not keyed,
            f"redaction.key_file is needed by {', '.join(keyed)}: openssl rand -out redaction.key 32",
        ),
    )
