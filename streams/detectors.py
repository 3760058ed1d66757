"""Finds what is personal or secret inside a text, and by an attribute's key."""

import functools
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import phonenumbers
import re2
from stdnum import iban, luhn, numdb
from stdnum.us import ssn

KINDS: Final = ("secret", "email", "iban", "credit_card", "ssn", "phone", "ip", "name", "address")


class Hit(NamedTuple):
    """A place in a text, and what stands there."""

    start: int
    end: int
    kind: str


# Digits of all scripts, and the marks that stand between them, one character for one: places stay the same.
_PLAIN: Final = {
    code: str(value)
    for code in range(0x80, 0x1FBFA)
    if (value := unicodedata.decimal(chr(code), None)) is not None
}
_PLAIN.update(dict.fromkeys(map(ord, "‐‑‒–—−－﹣"), "-"))  # noqa: RUF001
_PLAIN.update(
    dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2009\u200a\u200b\u202f\u2060\u3000\ufeff"), " ")
)
_PLAIN.update({ord("＠"): "@", ord("．"): ".", ord("＋"): "+", ord("："): ":", ord("＝"): "="})  # noqa: RUF001
_PLAIN.update({0xFF21 + n: chr(65 + n) for n in range(26)} | {0xFF41 + n: chr(97 + n) for n in range(26)})

# One pass that nothing personal gets through: most values end here.
_HINT: Final = re2.compile(
    r"@|%40|\d(?:[^0-9A-Za-z]{0,2}\d){6}|[A-Za-z]{2}\d{2}[ -]?[0-9A-Za-z]{4}|\d+\.\d+\.\d+\.\d|"
    r"[0-9A-Fa-f]:.*:|"
    r"(?i:bearer|basic |eyj|private key|akia|asia|gh[a-z]_|github_pat|glpat|npm_|xox|sk[_-]|rk_|aiza|"
    r"pass|pwd|secret|token|api.?key|access.?key|authorization|cookie|session|"
    r"phone|mobile|fax|tel|://[^/]*:)"
)

_ESCAPED: Final = re.compile(r"\\[nrtbf]")  # of JSON within text; as long as two spaces
_IDS: Final = re2.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{32}|[0-9a-f]{64}")

_NAMED_SECRET: Final = re.compile(
    r"(?:password|passwd|passphrase|passwort|pwd|secret|token|api[_.-]?key|access[_-]?key|private[_-]?key|"
    r"authorization|session[_-]?id)"
    r"(?:\\?[\"'])?(?:\s*(?:=>?|%3D)\s*|\s*(?P<colon>:)\s*)"
    r"(?:(?P<quote>\\?[\"'])(?P<quoted>(?:(?!(?P=quote)).)+)|(?P<bare>[^\s\"'&;<>\\]+))",
    re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(
    r"(?:\?|%s|:\w+|@\w+|\$\d+|\$?\{.*|\*+|null|none|nil|true|false|undefined|\[REDACTED.*|\[FILTERED.*|"
    r"enc:v1:.*|hmac-sha256:.*|tok:.*|bearer|basic|[,.:)\]}]+)[,)\]}]*",
    re.IGNORECASE,
)
_SHAPED_SECRET: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
    r"|(?<![0-9A-Za-z])(?:eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|gh[pousr]_[0-9A-Za-z]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|npm_[0-9A-Za-z]{30,}"
    r"|xox[abeprs]-[0-9A-Za-z-]{8,}|[sr]k_(?:live|test)_[0-9A-Za-z]{10,}|sk-[\w-]{20,}|AIza[\w-]{30,})",
    re.DOTALL,
)
_SCHEME_SECRET: Final = re.compile(
    r"(?<![a-z])(?:bearer(?:\s+|%20)|basic\s+(?=\S{8}))(?P<value>[\w.~+/=:-]{6,})", re.I
)
_URL_SECRET: Final = re.compile(r"://[^\s/?#@:]{0,200}:(?P<value>[^\s/?#]{1,200})@(?=[\w\[])")
_COOKIE: Final = re.compile(
    r"(?<![a-z])(?:set-)?cookie[\"']?\s*[:=]\s*[\"']?(?P<value>[\w.-]+=[^\r\n\"']+)", re.I
)

_EMAIL: Final = re.compile(
    r"(?P<local>[\w+][\w.+'%~-]{0,63}|\"[^\"@\s]{1,62}\")(?:@|%40)"
    r"(?P<domain>(?:[\w-]{1,63}\.){1,8}(?P<top>xn--[\w-]{2,40}|[^\W\d_]{2,24}))(?![\w-])"
)
_FILES: Final = frozenset("png jpg jpeg gif svg webp js mjs ts css map json html so dll".split())  # noqa: SIM905

_EDGE: Final = r"(?<![0-9A-Za-z+])(?<![0-9A-Fa-f]-)(?<![0-9]\.)"
_CARD: Final = re.compile(
    _EDGE + r"(?:\d{13,19}|\d{4}(?P<a>[ ._-]|%20| - )\d{4}(?P=a)\d{4}(?P=a)\d{1,7}"
    r"|\d{4}(?P<b>[ ._-])\d{6}(?P=b)\d{4,5})(?![0-9A-Za-z]|[.-]\d)"
)
_SSN: Final = re.compile(_EDGE + r"\d{3}(?P<s>[ .-])\d{2}(?P=s)\d{4}(?![0-9A-Za-z]|[.-]\d)")
_IBAN: Final = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}\d{2}(?=(?:[ .-]?[0-9A-Za-z]){11})")
_PHONE_PLUS: Final = re.compile(r"(?<![\w+.])(?:\+|%2B)\d(?:[ ().\-/]{0,3}\d){6,14}(?!\d)")
_PHONE_US: Final = re.compile(
    r"(?<![\w.+-])(?:1[-. ])?(?:\(\d{3}\) ?|\d{3}(?P<p>[-. ]))\d{3}[-. ]\d{4}(?![\w-]|\.\d)"
)
_PHONE_SAID: Final = re.compile(
    r"(?<![a-z])(?:tel|phone|mobile|cell|fax|telephone)(?:[_ -]?(?:number|no))?\\?[\"']?\s*[:=]\s*\\?[\"']?"
    r"(?P<value>[+(]?\d(?:[ ().\-/]{0,3}\d){6,14})(?![\w.])",
    re.IGNORECASE,
)
_IP: Final = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]{2,39}:[0-9A-Fa-f:.]{1,39})(?![\w.]|:\w)"
)

_KEY_SECRET: Final = re.compile(
    r"passw(?:or)?d|passphrase|passwort|secret|authorization|cookie|api[_.-]?key|private[_.-]?key|token(?![a-z])",
    re.I,
)
_KEY_KINDS: Final = {
    "ssn": r"(?:^|[._-])(?:ssn|social[._-]?security(?:[._-]?(?:number|no))?)$",
    "phone": r"(?:^|[._-])(?:phone|mobile|msisdn|fax|tel|telephone|cell)(?:[._-]?(?:number|no))?$",
    "name": r"(?:^|[._-])(?:first|last|full|middle|given|family|sur|maiden|customer|person|holder)"
    r"[._-]?name$",
    "address": r"(?:street|postal|billing|shipping|home|mailing)[._-]?(?:address|code)"
    r"|(?:^|[._-])(?:street|postcode|zip)",
}
_KEYS: Final = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _KEY_KINDS.items()}


def kind_of_key(key: str) -> str | None:
    """What a key says that its value is: a secret, or what has no form of its own (names, addresses, …)."""
    if _KEY_SECRET.search(key):
        return "secret"
    return next((kind for kind, pattern in _KEYS.items() if pattern.search(key)), None)


def find(text: str, kinds: frozenset[str]) -> list[Hit]:
    """What a text holds of these kinds, in order; those that overlap are one, of the first's kind."""
    plain = text if text.isascii() else text.translate(_PLAIN)
    if "\\" in plain:
        plain = _ESCAPED.sub("  ", plain)
    if _HINT.search(plain) is None or _IDS.fullmatch(plain):
        return []
    found = [hit for kind, look in _LOOKS if kind in kinds for hit in look(plain)]
    if len(found) < 2:
        return found
    merged: list[Hit] = []
    for hit in sorted(found, key=lambda each: each.start):
        if merged and hit.start < merged[-1].end:
            before = merged[-1]
            merged[-1] = Hit(before.start, max(before.end, hit.end), before.kind)
        else:
            merged.append(hit)
    return merged


def _secrets(text: str) -> Iterator[Hit]:
    for match in _SHAPED_SECRET.finditer(text):
        yield Hit(match.start(), match.end(), "secret")
    for pattern in (_SCHEME_SECRET, _URL_SECRET, _COOKIE):
        for match in pattern.finditer(text):
            yield Hit(match.start("value"), match.end("value"), "secret")
    for match in _NAMED_SECRET.finditer(text):
        group = "bare" if match["bare"] is not None else "quoted"
        prose = group == "bare" and match["colon"] and len(match["bare"]) < 6
        if not prose and _PLACEHOLDER.fullmatch(match[group]) is None:
            yield Hit(match.start(group), match.end(group), "secret")


def _emails(text: str) -> Iterator[Hit]:
    if "@" not in text and "%40" not in text:
        return
    for match in _EMAIL.finditer(text):
        remote = match["local"] == "git" and text[match.end() : match.end() + 1] in (":", "/")
        if not remote and match["top"].lower() not in _FILES:
            yield Hit(match.start(), match.end(), "email")


def digits_of(text: str) -> str:
    """The digits of a text, of any script, as ASCII."""
    plain = text if text.isascii() else text.translate(_PLAIN)
    return "".join(c for c in plain.replace("%20", " ") if c.isdigit())


def _known_card(digits: str) -> bool:
    """Whether a number begins as those of a card scheme do, and is as long as they are."""
    two, four, size = int(digits[:2]), int(digits[:4]), len(digits)
    schemes = (
        (digits[0] == "4" and size in (13, 16, 19)),  # Visa
        ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16),  # Mastercard
        (two in (34, 37) and size == 15),  # American Express
        ((four == 6011 or two == 65 or 6440 <= four <= 6499) and 16 <= size <= 19),  # Discover
        (3528 <= four <= 3589 and 16 <= size <= 19),  # JCB
        ((3000 <= four <= 3059 or two in (36, 38, 39)) and 14 <= size <= 19),  # Diners Club
        (two == 62 and 16 <= size <= 19),  # UnionPay
        (four in (5018, 5020, 5038, 6304, 6759, 6761, 6763) and 13 <= size <= 19),  # Maestro
    )
    return any(schemes)


def _cards(text: str) -> Iterator[Hit]:
    for match in _CARD.finditer(text):
        digits = digits_of(match[0])
        if 13 <= len(digits) <= 19 and _known_card(digits) and luhn.is_valid(digits):
            yield Hit(match.start(), match.end(), "credit_card")


def _ssns(text: str) -> Iterator[Hit]:
    for match in _SSN.finditer(text):
        if ssn.is_valid(digits_of(match[0])):
            yield Hit(match.start(), match.end(), "ssn")


@functools.lru_cache(maxsize=1024)
def _iban_length(country: str) -> int:
    """How long an IBAN of a country is; 0 where there are none."""
    structure = str(numdb.get("iban").info(country + "00")[0][1].get("bban", ""))
    return 4 + sum(map(int, re.findall(r"(\d+)!", structure))) if structure else 0


def _ibans(text: str) -> Iterator[Hit]:
    for match in _IBAN.finditer(text):
        length = _iban_length(match[0][:2].upper())
        end = _end_of(text, match.start(), length)
        if end and iban.is_valid(text[match.start() : end], check_country=False):
            yield Hit(match.start(), end, "iban")


def _end_of(text: str, start: int, length: int) -> int:
    """Where so many letters and digits from `start` on end, with a mark between them at most; 0: nowhere."""
    at, seen = start, 0
    while at < len(text) and seen < length:
        if text[at].isalnum():
            seen += 1
        elif text[at] not in " .-":
            return 0
        at += 1
    return at if length and seen == length and not text[at : at + 1].isalnum() else 0


def _phones(text: str) -> Iterator[Hit]:
    for match in _PHONE_PLUS.finditer(text):
        if _possible(match[0].replace("%2B", "+"), None) and not re.match(r"\+\d{1,3}\.\d{4,}", match[0]):
            yield Hit(match.start(), match.end(), "phone")
    for match in _PHONE_US.finditer(text):
        if _possible(match[0], "US"):
            yield Hit(match.start(), match.end(), "phone")
    for match in _PHONE_SAID.finditer(text):
        yield Hit(match.start("value"), match.end("value"), "phone")


def _possible(text: str, region: str | None) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    if region is not None:
        return bool(phonenumbers.is_valid_number(number))
    reason = phonenumbers.is_possible_number_with_reason(number)
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


def _ips(text: str) -> Iterator[Hit]:
    for match in _IP.finditer(text):
        try:
            ipaddress.ip_address(match[0])
        except ValueError:
            continue
        yield Hit(match.start(), match.end(), "ip")


_LOOKS: Final[tuple[tuple[str, Callable[[str], Iterator[Hit]]], ...]] = (
    ("secret", _secrets),
    ("email", _emails),
    ("iban", _ibans),
    ("credit_card", _cards),
    ("ssn", _ssns),
    ("phone", _phones),
    ("ip", _ips),
)
