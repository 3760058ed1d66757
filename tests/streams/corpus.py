"""Personal values in context, and what only looks like them, by a seed from public formats and test numbers.

Nothing in it is of a person. Card numbers are those that payment providers publish for tests, and others of
the same ranges; IBANs are the examples of the SWIFT registry, and others with right check digits; phone
numbers are of ranges for fiction, or made up; e-mail domains are those of RFC 2606. Check digits are reckoned
here: nothing is shared with what is tested.
"""

import random
import string
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Sample(NamedTuple):
    """A text; `value` stands in it and is of a kind, or there is none."""

    text: str
    value: str
    kind: str


_CARDS = [
    "4111111111111111",
    "4242424242424242",
    "4012888888881881",
    "4000056655665556",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "2223000048400011",
    "378282246310005",
    "371449635398431",
    "378734493671000",
    "6011111111111117",
    "6011000990139424",
    "6011981111111113",
    "3056930009020004",
    "36227206271667",
    "30569309025904",
    "38520000023237",
    "3566002020360505",
    "3530111333300000",
    "6200000000000005",
    "6759649826438453",
]
_IBANS = [
    "AD1200012030200359100100",
    "AE070331234567890123456",
    "AL47212110090000000235698741",
    "AT611904300234573201",
    "BE68539007547034",
    "BG80BNBG96611020345678",
    "BH67BMAG00001299123456",
    "BR1800360305000010009795493C1",
    "CH9300762011623852957",
    "CY17002001280000001200527600",
    "CZ6508000000192000145399",
    "DE89370400440532013000",
    "DK5000400440116243",
    "EE382200221020145685",
    "ES9121000418450200051332",
    "FI2112345600000785",
    "FR1420041010050500013M02606",
    "GB29NWBK60161331926819",
    "GE29NB0000000101904917",
    "GI75NWBK000000007099453",
    "GR1601101250000000012300695",
    "HR1210010051863000160",
    "HU42117730161111101800000000",
    "IE29AIBK93115212345678",
    "IL620108000000099999999",
    "IS140159260076545510730339",
    "IT60X0542811101000000123456",
    "KW81CBKU0000000000001234560101",
    "LI21088100002324013AA",
    "LT121000011101001000",
    "LU280019400644750000",
    "LV80BANK0000435195001",
    "MC5811222000010123456789030",
    "NL91ABNA0417164300",
    "NO9386011117947",
    "PL61109010140000071219812874",
    "PT50000201231234567890154",
    "RO49AAAA1B31007593840000",
    "SE4550000000058398257466",
    "SI56263300012039086",
    "SK3112000000198742637541",
    "SM86U0322509800000000270100",
    "TR330006100519786457841326",
]
_PHONES = [
    "+442079460018",
    "+441134960123",
    "+12025550143",
    "+13125550199",
    "+493023125000",
    "+33140205050",
    "+390669812345",
    "+61255501234",
    "+81332015555",
    "+861065121234",
    "+5511912345678",
    "+27111234567",
]
_NAMES = [
    "ana.lima",
    "bob",
    "j.smith",
    "o'brien",
    "mary+shop",
    "x_y",
    "info",
    "zoë",
    "jürgen.groß",
    "李雷",
    "иван",
    "u123",
    "first.last",
]
_DOMAINS = [
    "example.com",
    "example.org",
    "mail.example.net",
    "shop.example.co.uk",
    "bücher.example",
    "пример.испытание",
]

_CONTEXTS: tuple[Callable[[str], str], ...] = (
    lambda v: v,
    lambda v: f"user={v} logged in",
    lambda v: f"2026-03-04T05:06:07Z INFO checkout: refused for {v}, code 51",
    lambda v: f"https://shop.example/pay?ref=17&who={v}&lang=en",
    lambda v: f"SELECT id FROM people WHERE x = '{v}' AND day > '2026-01-01'",
    lambda v: f"INSERT INTO t VALUES (17, '{v}', 99.50)",
    lambda v: '{"who": "' + v + '", "n": 3}',
    lambda v: '{\\"who\\":\\"' + v + '\\",\\"n\\":3}',
    lambda v: f"<a href='/x'>{v}</a>",
    lambda v: f"платёж от {v} отклонён",
    lambda v: f"支付失败：{v}。请重试",  # noqa: RUF001
    lambda v: f"رفض {v} الدفع",
    lambda v: f"({v})",
    lambda v: f"[{v}]; next",
    lambda v: f"line one\n{v}\nline three",
    lambda v: f"a\\n{v}\\nb",
    lambda v: f"key:{v}",
    lambda v: f"Customer {v}.",
)
_WIDE = str.maketrans(string.digits, "０１２３４５６７８９")  # noqa: RUF001
_ARABIC = str.maketrans(string.digits, "٠١٢٣٤٥٦٧٨٩")


def positives(seed: int, number: int) -> Iterator[Sample]:
    """So many values of all kinds in turn, each in a context of its own."""
    rnd = random.Random(seed)
    makers = (_email, _card, _ssn, _iban, _secret, _phone)
    for turn in range(number):
        kind, value = makers[turn % len(makers)](rnd)
        if kind == "secret":
            yield _secret_in_context(rnd, value)
        else:
            yield Sample(rnd.choice(_CONTEXTS)(value), value, kind)


def look_alikes(seed: int, number: int) -> Iterator[str]:
    """So many texts with nothing personal in them."""
    rnd = random.Random(seed)
    for turn in range(number):
        made = _ALIKE[turn % len(_ALIKE)](rnd)
        yield rnd.choice(_CONTEXTS)(made)


def _digits(rnd: random.Random, count: int) -> str:
    return "".join(rnd.choices(string.digits, k=count))


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _email(rnd: random.Random) -> tuple[str, str]:
    value = f"{rnd.choice(_NAMES)}{rnd.choice(['', str(rnd.randrange(100))])}@{rnd.choice(_DOMAINS)}"
    how = rnd.randrange(10)
    return "email", value.replace("@", "%40") if how == 0 else value.upper() if how == 1 else value


def _card(rnd: random.Random) -> tuple[str, str]:
    value = rnd.choice(_CARDS)
    if rnd.random() < 0.5 and len(value) == 16:
        body = value[:6] + _digits(rnd, 9)
        value = next(body + last for last in string.digits if _luhn(body + last))
    if len(value) == 16 and (mark := rnd.choice(["", "", " ", "-", "."])):
        value = mark.join(value[at : at + 4] for at in range(0, 16, 4))
    return "credit_card", value.translate(rnd.choice([{}, {}, {}, {}, _WIDE, _ARABIC]))


def _ssn(rnd: random.Random) -> tuple[str, str]:
    area = rnd.choice([n for n in range(1, 900) if n != 666])
    mark = rnd.choice(["-", "-", "-", " "])
    value = f"{area:03d}{mark}{rnd.randrange(1, 100):02d}{mark}{rnd.randrange(1, 10_000):04d}"
    return "ssn", value.translate(rnd.choice([{}, {}, {}, {}, _WIDE]))


def _iban(rnd: random.Random) -> tuple[str, str]:
    value = rnd.choice(_IBANS)
    if rnd.random() < 0.5 and value[:2] in ("DE", "AT", "DK", "LT", "PL"):
        body = _digits(rnd, len(value) - 4)
        number = "".join(str(int(c, 36)) for c in body + value[:2] + "00")
        value = f"{value[:2]}{98 - int(number) % 97:02d}{body}"
    how = rnd.randrange(5)
    if how == 0:
        value = " ".join(value[at : at + 4] for at in range(0, len(value), 4))
    return "iban", value.lower() if how == 1 else value


def _phone(rnd: random.Random) -> tuple[str, str]:
    if rnd.random() < 0.4:
        number = f"{rnd.choice(['202', '312', '415'])} 555 01{_digits(rnd, 2)}".split()
        return "phone", rnd.choice(["({}) {}-{}", "{}-{}-{}", "{}.{}.{}"]).format(*number)
    value = rnd.choice(_PHONES)
    if rnd.random() < 0.5:
        value = f"{value[:3]} {value[3:6]} {value[6:]}"
    return "phone", value


def _word(rnd: random.Random, count: int, more: str = "") -> str:
    return "".join(rnd.choices(string.ascii_letters + string.digits + more, k=count))


def _secret(rnd: random.Random) -> tuple[str, str]:
    return "secret", _word(rnd, rnd.randrange(12, 40))


def _secret_in_context(rnd: random.Random, value: str) -> Sample:
    jwt = f"eyJ{_word(rnd, 20)}.eyJ{_word(rnd, 30)}.{_word(rnd, 43, '-_')}"
    shaped = (
        jwt, f"ghp_{_word(rnd, 36)}", f"AKIA{_word(rnd, 16).upper()}",
        f"xoxb-{_digits(rnd, 11)}-{_word(rnd, 24)}", f"sk_live_{_word(rnd, 24)}", f"glpat-{_word(rnd, 20)}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{_word(rnd, 64)}\n{_word(rnd, 64)}\n-----END RSA PRIVATE KEY-----",
    )  # fmt: skip
    given = (
        f"Authorization: Bearer {value}", f"authorization=Basic {value}", f"password={value}&x=1",
        f"postgres://app:{value}@db.internal:5432/shop", f"https://u:{value}@example.com/x",
        f'{{"password": "{value}"}}', f'{{\\"client_secret\\":\\"{value}\\"}}', f"api_key={value}",
        f"X-Api-Key: {value}", f"ALTER USER app WITH PASSWORD='{value}'", f"https://x.example/?access_token={value}",
        f"Cookie: sid={value}; theme=dark", f"token: {value}", f"пароль password={value} неверен",
    )  # fmt: skip
    if rnd.random() < 0.35:
        value = rnd.choice(shaped)
        return Sample(rnd.choice(_CONTEXTS)(value), value, "secret")
    return Sample(rnd.choice(given), value, "secret")


def _no_card(rnd: random.Random) -> str:
    """An order number of 16 digits that is no card's: its Luhn sum is wrong."""
    while _luhn(value := _digits(rnd, 16)):
        pass
    return value


_ALIKE: tuple[Callable[[random.Random], str], ...] = (
    _no_card,
    lambda rnd: f"ORD-{_digits(rnd, 8)}",
    lambda rnd: f"{rnd.randrange(1, 999_999)}",
    lambda rnd: str(uuid.UUID(int=rnd.getrandbits(128))),
    lambda rnd: f"2026-0{rnd.randrange(1, 9)}-1{rnd.randrange(9)}T05:12:07.{_digits(rnd, 6)}Z",
    lambda rnd: f"17{_digits(rnd, 8)}",
    lambda rnd: f"17{_digits(rnd, 11)}",
    lambda rnd: f"17{_digits(rnd, 17)}",
    lambda rnd: f"{rnd.getrandbits(128):032x}",
    lambda rnd: f"{rnd.getrandbits(64):016x}",
    lambda rnd: f"sha256:{rnd.getrandbits(256):064x}",
    lambda rnd: f"00-{rnd.getrandbits(128):032x}-{rnd.getrandbits(64):016x}-01",
    lambda rnd: f"v{rnd.randrange(20)}.{rnd.randrange(100)}.{rnd.randrange(1000)}-rc.{rnd.randrange(9)}",
    lambda rnd: f"lodash@4.{rnd.randrange(20)}.{rnd.randrange(30)}",
    lambda rnd: f"{rnd.uniform(-90, 90):.7f},{rnd.uniform(-180, 180):.7f}",
    lambda rnd: f"{rnd.uniform(0, 1e6):.6f}",
    lambda rnd: f"10.{rnd.randrange(256)}.{rnd.randrange(256)}.{rnd.randrange(256)}:80{_digits(rnd, 2)}",
    lambda rnd: f"registry.example/shop/cart:1.{rnd.randrange(99)}@sha256:{rnd.getrandbits(256):064x}",
    lambda rnd: f"git@example.com:team/repo{rnd.randrange(99)}.git",
    lambda rnd: (
        f"Mozilla/5.0 (X11; Linux x86_64) Chrome/1{_digits(rnd, 2)}.0.{_digits(rnd, 4)}.{_digits(rnd, 3)}"
    ),
    lambda rnd: f"978-{rnd.randrange(9)}-{_digits(rnd, 4)}-{_digits(rnd, 4)}-{rnd.randrange(9)}",
    lambda rnd: f"input_tokens: {_digits(rnd, 4)}, max_tokens={_digits(rnd, 4)}",
    lambda rnd: f"SELECT * FROM users WHERE password = $1 AND token = ? LIMIT {rnd.randrange(99)}",
    lambda rnd: f"pod-{_word(rnd, 10).lower()}-{_word(rnd, 5).lower()}",
    lambda rnd: f"/api/v1/orders/{_digits(rnd, 9)}/items/{_digits(rnd, 4)}",
    lambda rnd: f"0x{rnd.getrandbits(64):x}",
    lambda rnd: f"arn:aws:s3:::bucket-{_digits(rnd, 12)}/key",
    lambda rnd: f"{_digits(rnd, 4)}-{_digits(rnd, 4)}",
    lambda rnd: f"GET http://cart:80{_digits(rnd, 2)}/cart 200 {rnd.randrange(900)}ms",
    lambda rnd: f"logo@{rnd.randrange(1, 4)}x.png",
)
