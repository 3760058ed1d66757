"""A real Kafka with TLS, client certificates, SASL and access rights, beside its plain listener."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tests.certificates import Authority, Certificate, authority
from tests.kafka import Kafka, Listener, Security, free_ports

USER, PASSWORD = "betrace", "corr3ct-horse.battery!staple"
STRANGER = "stranger"  # who may log in, and nothing else
_SETTINGS = """\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.ssl.ssl.client.auth=required
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_{user}="{password}" user_{stranger}="{password}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
RIGHTS = {"TOPIC": ("READ", "WRITE", "CREATE", "DESCRIBE"), "GROUP": ("READ",)}
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class SecureKafka:
    """The broker, and what its clients are given."""

    kafka: Kafka
    authority: Authority
    client: Certificate  # of the user CN=betrace
    tls: str  # address where a client certificate is asked for
    sasl: str  # address where a name and a password are asked for


def secure_kafka(folder: Path) -> SecureKafka:
    """A broker that is not started yet. Its certificate is for `localhost` alone, not for 127.0.0.1."""
    root = authority(folder, "root")
    ports = free_ports(2)
    settings = _SETTINGS.format(
        store=root.sign("broker", "DNS:localhost").store,
        ca=root.cert,
        user=USER,
        password=PASSWORD,
        stranger=STRANGER,
        scram=_SCRAM,
    )
    scram = [f"SCRAM-SHA-{size}=[name={USER},password={PASSWORD}]" for size in (256, 512)]
    listeners = (Listener("SSL", ports[0]), Listener("SASL_SSL", ports[1]))
    options = tuple(word for each in scram for word in ("--add-scram", each))
    return SecureKafka(
        Kafka(folder, Security(listeners, settings, options)),
        root,
        root.sign(USER),
        *(f"localhost:{port}" for port in ports),
    )


def allow(address: str, user: str, prefix: str, rights: Mapping[str, Sequence[str]] = RIGHTS) -> None:
    """Give a user rights, those that `docs/security.md` names, on what begins with a prefix."""
    bindings = [
        AclBinding(
            ResourceType[kind],
            prefix,
            ResourcePatternType.PREFIXED,
            f"User:{user}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for kind, operations in rights.items()
        for operation in operations
    ]
    client = AdminClient({"bootstrap.servers": address})  # must outlive its futures
    for made in client.create_acls(bindings).values():
        made.result(30)
