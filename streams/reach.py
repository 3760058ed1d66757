"""Says why the brokers cannot be reached, and what to do, by looking at them as a client would."""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import aiokafka.errors
from confluent_kafka import KafkaError, Message

from streams.config import Kafka
from streams.kafka import ssl_context

_PORT = 9092  # where a broker's address names none
_PATIENCE = 2.0  # seconds for a connection to come about
_ALERT = 0.5  # seconds in which a broker that dislikes a client certificate says so
_OTHER_HOST = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)  # X509_V_ERR_…: self-signed, or signed by one that is not known
_RIGHTS = "docs/security.md tells the rights that a user needs"
_REPLICAS = "set kafka.replication_factor to what your brokers are enough for"
_DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)


class Unreachable(Exception):
    """No answer from Kafka; the text says why and what to do."""


class Refused(Unreachable):
    """No answer because of the settings of the connection: waiting does not help."""


class Reason(NamedTuple):
    """Why there is no answer."""

    text: str
    refused: bool = False

    def problem(self) -> Unreachable:
        """As an exception."""
        return Refused(self.text) if self.refused else Unreachable(self.text)


@dataclass(slots=True)
class Heard:
    """What librdkafka says of its connections, being its `error_cb`."""

    login: str | None = None  # why the login was refused, if it was that last
    last: str | None = None
    unread: str | None = None  # why a consumer was given no records, if it was that last

    def __call__(self, error: KafkaError) -> None:
        """Note an error."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            return
        self.last = error.str().rpartition(" (after ")[0] or error.str()
        refused = error.code() == KafkaError._AUTHENTICATION
        self.login = self.last.partition(": SASL ")[2] or self.last if refused else None

    def answered(self) -> None:
        """Forget what was wrong with connections, as there was an answer."""
        self.login = self.last = None

    def records(self, messages: Iterable[Message]) -> list[Message]:
        """Those that a consumer was given; of what is none, the error is noted."""
        found: list[Message] = []
        for message in messages:
            if (error := message.error()) is None:
                found.append(message)
            else:
                self.unread = f"{message.topic()} cannot be read: {explained(error)}"
        self.unread = None if found else self.unread
        return found


def explained(error: KafkaError) -> str:
    """A broker's error, with what to do about rights or brokers that are missing."""
    few = error.code() == KafkaError.INVALID_REPLICATION_FACTOR
    hint = _RIGHTS if error.code() in _DENIED else _REPLICAS if few else ""
    return f"{error.str().rstrip('.')}; {hint}" if hint else error.str()


def unreachable(problem: aiokafka.errors.KafkaError) -> Unreachable:
    """What made aiokafka fail."""
    hint = f"; {_RIGHTS}" if getattr(problem, "errno", None) in _DENIED else ""
    return Unreachable(f"Kafka failed: {problem}{hint}")


def why(kafka: Kafka, heard: Heard) -> Reason:
    """The reason for what was not answered. Blocks for at most some seconds a broker."""
    if heard.login is not None:
        said = f"Kafka at {', '.join(kafka.brokers)} refuses the login of {kafka.username} ({heard.login})"
        settings = "kafka.sasl.username, kafka.sasl.password_file and kafka.sasl.mechanism"
        return Reason(f"{said}: look at {settings}", refused=True)
    found = [reason for broker in kafka.brokers if (reason := _look(kafka, broker))]
    return next((reason for reason in found if reason.refused), found[0] if found else _silent(kafka, heard))


def _silent(kafka: Kafka, heard: Heard) -> Reason:
    """They can be connected to, but nothing comes of it."""
    at = ", ".join(kafka.brokers)
    if heard.last is not None:
        return Reason(f"no answer from Kafka at {at}: {heard.last}")
    hint = "" if kafka.mechanism else ", or it wants a login: kafka.security.protocol would be SASL_SSL"
    return Reason(f"no answer from Kafka at {at}: it takes the connection and says nothing in time{hint}")


def _look(kafka: Kafka, broker: str) -> Reason | None:
    """What a connection to a broker shows; None if it is as it should be."""
    address = urlsplit(f"//{broker}")
    try:
        host, port = address.hostname or broker, address.port or _PORT
        connection = socket.create_connection((host, port), _PATIENCE)
    except socket.gaierror:
        return Reason(f"no answer from Kafka at {broker}: no such host; look at kafka.brokers")
    except (OSError, ValueError) as problem:
        said = (getattr(problem, "strerror", None) or str(problem)).lower()
        return Reason(f"no answer from Kafka at {broker}: {said}")
    with connection:
        context = ssl_context(kafka)
        if context is not None:
            return _handshake(kafka, broker, host, connection, context)
        if _speaks_tls(connection):
            hint = "set kafka.security.protocol to SASL_SSL or SSL"
            return Reason(f"Kafka at {broker} speaks TLS: {hint}", refused=True)
    return None


def _handshake(
    kafka: Kafka, broker: str, host: str, connection: socket.socket, context: ssl.SSLContext
) -> Reason | None:
    try:
        with context.wrap_socket(connection, server_hostname=host) as wrapped:
            wrapped.settimeout(_ALERT)
            wrapped.recv(1)
    except TimeoutError:
        return None
    except ssl.SSLCertVerificationError as problem:
        return Reason(f"Kafka at {broker} shows a certificate {_fault(problem)}", refused=True)
    except ssl.SSLError as problem:
        if "ALERT" in (problem.reason or ""):
            return Reason(f"Kafka at {broker} {_client_certificate(kafka, problem)}", refused=True)
        return _no_tls(kafka, broker)
    except OSError:
        return _no_tls(kafka, broker)
    return None


def _no_tls(kafka: Kafka, broker: str) -> Reason:
    text = f"Kafka at {broker} speaks no TLS, and kafka.security.protocol is {kafka.protocol}"
    return Reason(f"{text}: take the port of a TLS listener for kafka.brokers", refused=True)


def _fault(problem: ssl.SSLCertVerificationError) -> str:
    said = problem.verify_message.rstrip(".")
    if problem.verify_code in _OTHER_HOST:
        return f"for another host ({said}): write into kafka.brokers the name that it is for"
    if problem.verify_code in _UNKNOWN_AUTHORITY:
        return f"that is not trusted ({said}): kafka.tls.ca_file has to hold the authority that signed it"
    return f"that cannot be accepted: {said}"


def _client_certificate(kafka: Kafka, problem: ssl.SSLError) -> str:
    said = (problem.reason or "").lower().replace("_", " ")
    if kafka.cert_file is None:
        return f"wants a client certificate ({said}): set kafka.tls.cert_file and kafka.tls.key_file"
    return f"does not accept {kafka.cert_file} ({said}): look at kafka.tls.cert_file"


def _speaks_tls(connection: socket.socket) -> bool:
    """Whether a TLS handshake comes about; nothing is sent over it, so nothing is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except ssl.SSLError as problem:
        return "ALERT" in (problem.reason or "")
    except OSError:
        return False
    return True
