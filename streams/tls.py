"""TLS contexts from files; what is wrong with a file is told by the setting that names it."""

import ssl
from pathlib import Path


class BadFile(Exception):
    """A certificate or key that cannot be used; the text names the setting and file, never the content."""


def client_context(settings: str, ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """For a client that checks certificates and host names; without `ca` it trusts what the system does.

    `settings` is the prefix of the settings' names, such as `kafka.tls`.
    """
    context = _trusting(f"{settings}.ca_file", ca)
    if cert is not None and key is not None:
        _load(context, settings, cert, key)
    return context


def server_context(settings: str, cert: Path, key: Path) -> ssl.SSLContext:
    """For a server that shows this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load(context, settings, cert, key)
    return context


def _trusting(setting: str, file: Path | None) -> ssl.SSLContext:
    if file is None:
        return ssl.create_default_context()
    _text(setting, file)
    try:
        return ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise BadFile(f"{setting}: {file} holds no certificate in PEM") from None


def _load(context: ssl.SSLContext, settings: str, cert: Path, key: Path) -> None:
    names = (f"{settings}.cert_file", f"{settings}.key_file")
    certificate, secret = _text(names[0], cert), _text(names[1], key)
    if "-----BEGIN CERTIFICATE-----" not in certificate:
        raise BadFile(f"{names[0]}: {cert} holds no certificate in PEM")
    if "PRIVATE KEY-----" not in secret:
        raise BadFile(f"{names[1]}: {key} holds no private key in PEM")
    if "ENCRYPTED" in secret:  # OpenSSL would ask the terminal for the passphrase, and wait
        raise BadFile(f"{names[1]}: {key} is encrypted: it has to be without a passphrase")
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as problem:
        pair = problem.reason == "KEY_VALUES_MISMATCH"
        why = "do not belong together" if pair else "cannot be used together"
        raise BadFile(f"{names[0]} and {names[1]}: {cert} and {key} {why} ({problem.reason})") from None


def _text(setting: str, file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError as problem:
        raise BadFile(f"{setting}: {file} cannot be read: {problem.strerror}") from None
