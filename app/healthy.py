"""Asks for health: `python -m app.healthy [--within SECONDS] [URL]...` ends with 0 if every URL answers 200.

It asks once, or again and again until that many seconds are over. Without a URL, this
container's worker or API has to answer. It loads nothing but the standard library, as
containers run it every few seconds.
"""

import argparse
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

_OWN = ("http://127.0.0.1:9464/healthz", "http://127.0.0.1:12011/healthz", "https://127.0.0.1:12011/healthz")
_PATIENCE = 4.0  # seconds
_PAUSE = 1.0  # seconds before it is asked again
_UNCHECKED = ssl.create_default_context()  # its certificate is for others to check
_UNCHECKED.check_hostname = False
_UNCHECKED.verify_mode = ssl.CERT_NONE


def problem(url: str) -> str | None:
    """What keeps the URL from being answered with 200; None if nothing does."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE, context=_UNCHECKED):
            return None
    except urllib.error.HTTPError as answer:
        return f"{url}: {answer.code} {answer.read(300).decode(errors='replace')}"
    except (OSError, ValueError) as failed:
        return f"{url}: {failed}"


def problems(urls: Sequence[str]) -> list[str]:
    """What is wrong; of a container's own URLs one has to answer, of others each."""
    found = [told for url in urls or _OWN if (told := problem(url))]
    return found if urls or len(found) == len(_OWN) else []


def main(arguments: Sequence[str]) -> int:
    """0, or 1 with what is wrong on standard error."""
    parser = argparse.ArgumentParser(prog="python -m app.healthy")
    parser.add_argument("--within", type=float, default=0, metavar="SECONDS")
    parser.add_argument("urls", nargs="*", metavar="URL")
    given = parser.parse_args(arguments)
    end = time.monotonic() + given.within
    while (wrong := problems(given.urls)) and time.monotonic() < end:
        time.sleep(_PAUSE)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
