"""A server that speaks OpenAI's embeddings API: a text's embedding says which words it holds."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

DIMENSIONS = 1536


class EmbeddingProvider:
    """The server.

    Attributes:
        url: Its base URL.
        requests: The bodies that came in.
        failing: Whether it answers 500.
        short: Whether it leaves the last embedding out.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = list(words)
        self.requests: list[Any] = []
        self.failing = False
        self.short = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                provider.requests.append(body)
                reply = provider.reply(body["input"])
                self.send_response(500 if provider.failing else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def embedding(self, text: str) -> list[float]:
        found = [float(word in text.lower()) for word in self.words]
        return [*found, *[0.0] * (DIMENSIONS - len(found) - 1), 0.01]

    def reply(self, texts: list[str]) -> bytes:
        data = [
            {"object": "embedding", "index": place, "embedding": self.embedding(text)}
            for place, text in enumerate(texts)
        ]
        if self.short:
            data.pop()
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        # Out of order, as the API may.
        content = {"object": "list", "data": data[::-1], "model": "m", "usage": usage}
        return json.dumps(content).encode()
