"""A stand-in for AutoGPT's own DatabaseManager: a real HTTP server with methods that we lack."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from waiting import wait_for


class UpstreamManager:
    """The server, in a thread.

    Attributes:
        url: Where it is.
        requests: Headers and body of what came in, by arrival.
        more: Set by a test to let an answer, or the reading of a body, go on.
        seen: Names of things that happened on this side.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.more = threading.Event()
        self.seen: set[str] = set()
        methods = [self.answer, self.fail, self.stream, self.read_slowly, self.hang, self.die]
        app = Starlette(
            routes=[Route(f"/{m.__name__}", m, methods=["POST"]) for m in methods],
        )
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self._server.started, what="the upstream server")
        return self

    def __exit__(self, *_error: object) -> None:
        self.more.set()
        self._server.should_exit = True
        self._thread.join(15)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _note(self, request: Request) -> bytes:
        body = await request.body()
        self.requests.append((request.url.path, dict(request.headers), body))
        return body

    async def answer(self, request: Request) -> Response:
        body = await self._note(request)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                gzip.compress(body),
                headers={"content-encoding": "gzip"},
                media_type="application/json",
            )
        return Response(body, 201, {"x-theirs": "1"}, media_type="application/json")

    async def fail(self, request: Request) -> Response:
        await self._note(request)
        body = {"type": "NotFoundError", "args": ["no chat"], "extras": None}
        return Response(json.dumps(body), 400, media_type="application/json")

    async def stream(self, request: Request) -> Response:
        await self._note(request)

        async def pieces() -> Any:
            try:
                yield b'{"first": 1,'
                while not self.more.is_set():
                    await asyncio.sleep(0.01)
                yield b'"second": 2}'
            except asyncio.CancelledError:
                self.seen.add("stream cancelled")
                raise

        return StreamingResponse(pieces(), media_type="application/json")

    async def read_slowly(self, request: Request) -> Response:
        size = 0
        try:
            async for piece in request.stream():
                size += len(piece)
                self.seen.add("first piece")
        except ClientDisconnect:
            self.seen.add("body cut")
        return Response(str(size), media_type="application/json")

    async def hang(self, request: Request) -> Response:
        await self._note(request)
        self.seen.add("hanging")
        while not (self.more.is_set() or await request.is_disconnected()):
            await asyncio.sleep(0.01)
        if not self.more.is_set():
            self.seen.add("left")
        return Response("null", media_type="application/json")

    async def die(self, request: Request) -> Response:
        await self._note(request)

        async def pieces() -> Any:
            yield b'{"half": '
            raise ConnectionError

        return StreamingResponse(
            pieces(), headers={"content-length": "1000"}, media_type="application/json"
        )
