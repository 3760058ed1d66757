"""Certificates for tests, made with openssl: an authority, and what it has signed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate and its key, PEM; `store` holds both, as a Kafka broker wants them."""

    cert: Path
    key: Path

    @property
    def store(self) -> Path:
        """One file with the key and the certificate."""
        file = self.cert.with_suffix(".store.pem")
        file.write_text(self.key.read_text() + self.cert.read_text())
        return file


@dataclass(frozen=True)
class Authority:
    """A certificate that signs others."""

    own: Certificate

    @property
    def cert(self) -> Path:
        """What clients are to trust."""
        return self.own.cert

    def sign(self, name: str, *alternatives: str) -> Certificate:
        """A certificate of that common name, for hosts such as `DNS:localhost` and `IP:127.0.0.1`."""
        names = ["-addext", f"subjectAltName={','.join(alternatives)}"] if alternatives else []
        own = ["-CA", str(self.own.cert), "-CAkey", str(self.own.key), "-addext", "basicConstraints=CA:FALSE"]
        return _made(self.cert.parent, name, *own, *names)


def authority(folder: Path, name: str) -> Authority:
    """A new authority, with its files in a folder."""
    return Authority(_made(folder, name))


def _made(folder: Path, name: str, *more: str) -> Certificate:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", *_NEW, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(cert), *more]
    subprocess.run(command, check=True, capture_output=True)
    return Certificate(cert, key)
