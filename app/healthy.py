"""Asks for health: `python -m app.healthy [URL]...` ends with 0 if every URL answers 200.

Without a URL, this container's worker or API has to answer. It loads nothing but the standard library, as
containers run it every few seconds.
"""

import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence

_OWN = ("http://127.0.0.1:9464/healthz", "http://127.0.0.1:12011/healthz", "https://127.0.0.1:12011/healthz")
_PATIENCE = 4.0  # seconds
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


def main(urls: Sequence[str]) -> int:
    """0, or 1 with what is wrong on standard error."""
    problems = [found for url in urls or _OWN if (found := problem(url))]
    if not problems or (not urls and len(problems) < len(_OWN)):
        return 0
    print("\n".join(problems), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
