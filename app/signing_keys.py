"""Where the keys come from that stored spans are verified by: a file, Vault or OpenBao, AWS KMS."""

import base64
import hashlib
import hmac
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from streams.signature import derived, key_info
from streams.signature_check import KeyUnavailable, UnknownKey

_ID = re.compile(r"(?P<name>.+)/(?P<version>[1-9][0-9]{0,8})/(?P<epoch>[0-9T:Z-]{10,17})")
_TIMEOUT = 10.0  # seconds for an answer
_ABSENT = (400, 404)

Mac = Callable[[str, int, bytes], bytes]
"""HMAC-SHA256 of a message under the key of a name and version; raises UnknownKey or KeyUnavailable."""


@dataclass(slots=True)
class SigningKeys:
    """Derives keys by their ids, each once. Only the names in `tenants` are looked up."""

    mac: Mac
    tenants: Mapping[str, str]
    _known: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def __call__(self, version: str, key_id: str) -> bytes:
        known = self._known.get((version, key_id))
        if known is None:
            found = _ID.fullmatch(key_id)
            if not found or found["name"] not in self.tenants:
                raise UnknownKey(key_id)
            info = key_info(self.tenants[found["name"]], found["epoch"], version)
            known = self.mac(found["name"], int(found["version"]), info)
            self._known[version, key_id] = known
        return known


def of_master(master: bytes) -> Mac:
    """Keys below a master, as provider `local` and mode `wrapped` have them."""
    return lambda name, version, message: derived(master, message)


def of_vault(address: str, mount: str, key: str | None, token: str) -> Mac:
    """Keys of a transit engine; `key` is its name there, if not that in key ids."""

    def mac(name: str, version: int, message: bytes) -> bytes:
        url = f"{address.rstrip('/')}/v1/{mount}/hmac/{quote(key or name)}/sha2-256"
        body = {"input": base64.b64encode(message).decode(), "key_version": version}
        answer = _post(url, json.dumps(body).encode(), {"X-Vault-Token": token}, "Vault")
        return base64.b64decode(str(answer["data"]["hmac"]).rpartition(":")[2])

    return mac


@dataclass(frozen=True, slots=True)
class AwsLogin:
    """Credentials, as AWS's own tools put them into the environment."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def of_aws(arn: str, login: AwsLogin, endpoint: str | None, now: Callable[[], float]) -> Mac:
    """Keys of AWS KMS, by GenerateMac. The region is that of the ARN."""
    region = arn.split(":")[3]
    url = endpoint or f"https://kms.{region}.amazonaws.com/"

    def mac(name: str, version: int, message: bytes) -> bytes:
        text = base64.b64encode(message).decode()
        body = json.dumps({"KeyId": arn, "Message": text, "MacAlgorithm": "HMAC_SHA_256"}).encode()
        moment = datetime.fromtimestamp(now(), UTC)
        headers = signed_headers(url, body, region, login, moment)
        return base64.b64decode(_post(url, body, headers, "AWS KMS")["Mac"])

    return mac


def signed_headers(url: str, body: bytes, region: str, login: AwsLogin, moment: datetime) -> dict[str, str]:
    """The headers of a request to AWS KMS, signed by Signature Version 4 as AWS documents it."""
    time = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{region}/kms/aws4_request"
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urlsplit(url).netloc,
        "x-amz-date": time,
        "x-amz-target": "TrentService.GenerateMac",
    }
    if login.session_token:
        headers["x-amz-security-token"] = login.session_token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n{urlsplit(url).path or '/'}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{login.secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = f"Credential={login.access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return headers | {"authorization": f"AWS4-HMAC-SHA256 {signature}"}


def _post(url: str, body: bytes, headers: dict[str, str], whose: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=_TIMEOUT) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as problem:
        text = problem.read(500).decode(errors="replace").strip()
        if problem.code in _ABSENT and whose == "Vault":
            raise UnknownKey(text) from None
        raise KeyUnavailable(f"{whose} answers {problem.code}: {text}") from None
    except (OSError, ValueError) as problem:
        raise KeyUnavailable(f"{whose} at {url} does not answer: {problem}") from None
