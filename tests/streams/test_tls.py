import subprocess
from pathlib import Path

import pytest

from streams.tls import BadFile, client_context, server_context
from tests.certificates import Authority, authority


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority, once for all tests."""
    return authority(tmp_path_factory.mktemp("certificates"), "root")


def test_a_certificate_with_its_key_is_taken(root: Authority) -> None:
    mine = root.sign("me")
    assert client_context("kafka.tls", root.cert, mine.cert, mine.key).check_hostname
    server_context("api.tls", mine.cert, mine.key)


def test_a_file_that_is_wrong_is_told_with_its_setting(root: Authority, tmp_path: Path) -> None:
    mine, other = root.sign("me"), root.sign("other")
    text, none, closed = tmp_path / "text", tmp_path / "none", tmp_path / "closed.key"
    text.write_text("s3cret")
    encrypt = ["openssl", "pkcs8", "-topk8", "-in", str(mine.key), "-out", str(closed), "-passout", "pass:x"]
    subprocess.run(encrypt, check=True)
    cases = (
        (text, mine.cert, mine.key, f"kafka.tls.ca_file: {text} holds no certificate in PEM"),
        (none, mine.cert, mine.key, f"kafka.tls.ca_file: {none} cannot be read: No such file or directory"),
        (None, text, mine.key, f"kafka.tls.cert_file: {text} holds no certificate in PEM"),
        (None, mine.cert, text, f"kafka.tls.key_file: {text} holds no private key in PEM"),
        (None, mine.cert, tmp_path, f"kafka.tls.key_file: {tmp_path} cannot be read: Is a directory"),
        (None, mine.cert, closed, f"kafka.tls.key_file: {closed} is encrypted: it has to be without a pass"),
        (None, mine.cert, other.key, f"{mine.cert} and {other.key} do not belong together"),
    )
    for ca, cert, key, said in cases:
        with pytest.raises(BadFile) as refused:
            client_context("kafka.tls", ca, cert, key)
        assert said in str(refused.value)
        assert "s3cret" not in str(refused.value)


def test_a_key_that_is_damaged_is_told(root: Authority, tmp_path: Path) -> None:
    mine, damaged = root.sign("me"), tmp_path / "damaged.key"
    lines = mine.key.read_text().splitlines()
    damaged.write_text("\n".join([lines[0], *lines[3:]]))
    with pytest.raises(BadFile, match="cannot be used together") as refused:
        server_context("api.tls", mine.cert, damaged)
    assert lines[3] not in str(refused.value)
