"""An HTTP server for tests, which notes what is posted to it."""

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tests.certificates import Certificate

Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


class Web:
    """An HTTP server that notes what comes, and answers as it is told."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.seen: list[tuple[str, str | None, bytes]] = []
        self.answer: Answer = (200, {}, b"")
        self.closes = False  # what it answered on, without saying so
        self.answer_to: Callable[[bytes], Answer] = lambda _: self.answer
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.seen.append((self.path, self.headers["x-scope-orgid"], body))
                status, headers, answer = outer.answer_to(body)
                self.send_response(status)
                self.close_connection = outer.closes
                for name, value in (headers | {"content-length": str(len(answer))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate.cert, certificate.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"localhost:{self.server.server_address[1]}"


@contextlib.contextmanager
def serving(web: Web) -> Iterator[Web]:
    thread = threading.Thread(target=web.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.server.shutdown()
        web.server.server_close()
