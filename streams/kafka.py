"""The one builder of Kafka client settings: for confluent-kafka here, for Faust in the worker."""

import ssl
from typing import Any

from streams.config import Kafka
from streams.tls import client_context

TALKATIVE = "aiokafka.conn"  # a logger that at debug writes requests whole: passwords, and records


def client_settings(kafka: Kafka, **more: Any) -> dict[str, Any]:
    """librdkafka settings that reach the brokers; `more` (in librdkafka's own names) is added."""
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(kafka.brokers),
        "security.protocol": kafka.protocol,
        "sasl.mechanism": kafka.mechanism,
        "sasl.username": kafka.username,
        "sasl.password": kafka.password,
        "ssl.ca.location": kafka.ca_file and str(kafka.ca_file),
        "ssl.certificate.location": kafka.cert_file and str(kafka.cert_file),
        "ssl.key.location": kafka.key_file and str(kafka.key_file),
    }
    return {key: value for key, value in settings.items() if value is not None} | more


def ssl_context(kafka: Kafka) -> ssl.SSLContext | None:
    """The TLS context of the asyncio clients, or None where the protocol is without TLS.

    BadFile for a file that cannot be used; librdkafka is to be given only what was tried here.
    """
    if kafka.protocol not in ("SSL", "SASL_SSL"):
        return None
    return client_context("kafka.tls", kafka.ca_file, kafka.cert_file, kafka.key_file)


def asyncio_settings(kafka: Kafka) -> dict[str, Any]:
    """aiokafka's settings that reach the brokers."""
    settings: dict[str, Any] = {
        "bootstrap_servers": list(kafka.brokers),
        "security_protocol": kafka.protocol,
        "sasl_mechanism": kafka.mechanism,
        "sasl_plain_username": kafka.username,
        "sasl_plain_password": kafka.password,
        "ssl_context": ssl_context(kafka),
    }
    return {key: value for key, value in settings.items() if value is not None}


def faust_credentials(kafka: Kafka) -> Any:
    """Faust's `broker_credentials`: SASL, TLS, or None for a plain connection."""
    import faust

    if kafka.mechanism is not None:
        return faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password,
            mechanism=kafka.mechanism,
            ssl_context=ssl_context(kafka),
        )
    context = ssl_context(kafka)
    return faust.SSLCredentials(context=context) if context else None
