"""What becomes of a value that must not be shown: masked, hashed, cut, replaced by a token, encrypted."""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from stdnum import iban, luhn

from streams.detectors import digits_of

KEYED = frozenset({"hash", "tokenize", "encrypt"})  # the strategies that need a key
KEY_BYTES = 32
ENCRYPTED = "enc:v1:"
_NONCE = 12
_KEY_ID = 4
_TRUNCATED = 8  # characters that `truncate` keeps


class NotEncrypted(Exception):
    """A text that this key does not open; it says why."""


def redact(text: str, kind: str) -> str:
    """A word in its place."""
    return f"[REDACTED:{kind}]"


def truncate(text: str, length: int = _TRUNCATED) -> str:
    """The first characters; never all of them."""
    return text[: min(length, len(text) // 2)] + "…"


def mask(text: str, kind: str) -> str:
    """Shape kept, content hidden."""
    if kind == "email":
        return _masked_email(text)
    if kind in ("credit_card", "phone", "ssn"):
        return _stars(text, shown=4 if len(digits_of(text)) > 6 else 0)
    if kind == "secret":
        return "***"
    if kind == "iban":
        return text[:2] + _stars(text[2:], shown=4)
    return _stars(text, shown=0)


def _stars(text: str, shown: int) -> str:
    """Stars for letters and digits but for the last `shown` of them."""
    hidden = sum(map(str.isalnum, text)) - shown
    out = []
    for character in text:
        if character.isalnum():
            out.append("*" if hidden > 0 else character)
            hidden -= 1
        else:
            out.append(character)
    return "".join(out)


def _masked_email(text: str) -> str:
    at = next((mark for mark in ("@", "＠", "%40") if mark in text), "")  # noqa: RUF001
    local, _, domain = text.rpartition(at) if at else (text, "", "")
    name, _, top = domain.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***.{top}" if name else _stars(text, shown=0)


def hashed(text: str, kind: str, key: bytes) -> str:
    """A keyed digest: without the key no value can be tried."""
    return f"hmac-sha256:{_digest(text, 'hash', key).hex()[:32]}"


def tokenize(text: str, kind: str, key: bytes) -> str:
    """The same token for the same value; of the same form where that is known."""
    make = _TOKENS.get(kind)
    return make(text, key) if make else f"tok:{_digest(text, kind, key).hex()[:16]}"


def _digest(text: str, purpose: str, key: bytes) -> bytes:
    return hmac.digest(key, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), "sha256")


def _digits(text: str, kind: str, key: bytes) -> Iterator[str]:
    """Endless digits that follow from a value."""
    seed, turn = _digest(text, kind, key), 0
    while True:
        block = hashlib.sha256(seed + turn.to_bytes(4, "big")).digest()
        yield from (str(byte % 10) for byte in block if byte < 250)
        turn += 1


def _laid_out(digits: str, text: str) -> str:
    """Digits in the places of a text's digits."""
    left = iter(digits)
    return "".join(next(left, "") if c.isdigit() else c for c in text.replace("%20", " "))


def _card_token(text: str, key: bytes) -> str:
    value = digits_of(text)
    made = _digits(value, "credit_card", key)
    body = "400000" + "".join(next(made) for _ in range(len(value) - 7))
    return _laid_out(body + luhn.calc_check_digit(body), text)


def _ssn_token(text: str, key: bytes) -> str:
    made = _digits(digits_of(text), "ssn", key)
    return _laid_out("9" + "".join(next(made) for _ in range(8)), text)  # none begins with 9


def _phone_token(text: str, key: bytes) -> str:
    value = digits_of(text)
    made = _digits(value, "phone", key)
    return _laid_out("999" + "".join(next(made) for _ in range(len(value) - 3)), text)  # no country


def _iban_token(text: str, key: bytes) -> str:
    value = "".join(filter(str.isalnum, text)).upper()
    made = _digits(value, "iban", key)
    body = "".join(next(made) if c.isdigit() else "ABCDEFGHIJ"[int(next(made))] for c in value[4:])
    left = iter(value[:2] + iban.calc_check_digits(f"{value[:2]}00{body}") + body)
    return "".join(next(left) if c.isalnum() else c for c in text)


def _email_token(text: str, key: bytes) -> str:
    return f"{_digest(text.replace('%40', '@').lower(), 'email', key).hex()[:12]}@redacted.invalid"


_TOKENS: dict[str, Callable[[str, bytes], str]] = {
    "credit_card": _card_token,
    "ssn": _ssn_token,
    "phone": _phone_token,
    "iban": _iban_token,
    "email": _email_token,
}


def key_id(key: bytes) -> bytes:
    """Which key it was, told without telling the key."""
    return hashlib.sha256(b"betrace key id" + key).digest()[:_KEY_ID]


def encrypt(text: str, key: bytes, nonce: bytes | None = None) -> str:
    """`enc:v1:` and base64 of the key's id, a nonce that is fresh by default, and AES-256-GCM."""
    nonce = os.urandom(_NONCE) if nonce is None else nonce
    about = key_id(key)
    sealed = AESGCM(key).encrypt(nonce, text.encode("utf-8", "surrogatepass"), about)
    return ENCRYPTED + base64.b64encode(about + nonce + sealed).decode()


def decrypt(text: str, key: bytes) -> str:
    """What `encrypt` sealed; NotEncrypted for another key or a text that was changed."""
    try:
        raw = base64.b64decode(text.removeprefix(ENCRYPTED), validate=True)
    except ValueError:
        raise NotEncrypted("no value that BeTrace has encrypted") from None
    about, nonce, sealed = raw[:_KEY_ID], raw[_KEY_ID : _KEY_ID + _NONCE], raw[_KEY_ID + _NONCE :]
    if about != key_id(key):
        raise NotEncrypted(f"encrypted by another key, of the id {about.hex()}")
    try:
        return AESGCM(key).decrypt(nonce, sealed, about).decode("utf-8", "surrogatepass")
    except InvalidTag:
        raise NotEncrypted("the value was changed") from None
