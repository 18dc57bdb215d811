"""A server that speaks as much of Stripe's API as top-ups need; the client library is the real one.

Nothing here is ours: it stands for the provider, whose real cards no test may charge.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, dict[str, Any]]


class PaymentProvider:
    """The server.

    Attributes:
        url: Its base address.
        cards: The ids of each customer's cards.
        outcomes: What becomes of a card's payment: `succeeded` (where nothing is said), another
            status, `declined`, `error` (500), or `lost` (taken, but the connection ends without an
            answer).
        payments: Payments and checks that were made, once each, in order.
        requests: Method, path, form, headers of everything that came in.
        cancelled: Ids of payments that were cancelled.
        gate: Payments wait while it is clear; with the outcome `held` they have been made by then.
        intents: What a list shows: everything that was made, by its path, oldest first.
        page: Entries of a list's page at most.
    """

    def __init__(self) -> None:
        self.cards: dict[str, list[str]] = {}
        self.outcomes: dict[str, str] = {}
        self.payments: list[dict[str, str]] = []
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.cancelled: list[str] = []
        self.intents: dict[str, list[dict[str, Any]]] = {}
        self.page = 100
        self.gate = threading.Event()
        self.gate.set()
        self._replies: dict[str, Reply] = {}
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers.get("content-length", 0))).decode())

            def answer(self, form: str) -> None:
                given = {key: values[0] for key, values in parse_qs(form).items()}
                headers = {key.lower(): value for key, value in self.headers.items()}
                path = urlsplit(self.path).path
                provider.requests.append((self.command, path, given, headers))
                listing = self.command == "GET" and path.endswith("_intents")
                answered = provider.listed if listing else provider.reply
                reply = answered(path, given, headers)
                if reply is None:
                    self.close_connection = True
                    return
                status, content = reply
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.gate.set()
        self.close()

    def close(self) -> None:
        """Listen no more; a second time does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Reply | None:
        if headers.get("authorization") != "Bearer sk_test_secret":
            return 401, _error("invalid_request_error", "Invalid API Key provided")
        if path == "/v1/payment_methods":
            assert form["type"] == "card"
            cards = [
                {"id": card, "object": "payment_method", "type": "card"}
                for card in self.cards.get(form["customer"], [])
            ]
            return 200, {"object": "list", "data": cards, "has_more": False, "url": path}
        if path.endswith("/cancel"):
            identifier = path.split("/")[-2]
            self.cancelled.append(identifier)
            return 200, {"id": identifier, "object": path.split("/")[2][:-1], "status": "canceled"}
        if path in {"/v1/payment_intents", "/v1/setup_intents"}:
            if self.outcomes.get(form["payment_method"]) != "held":
                self.gate.wait(30)
            return self._pay(path, form, headers["idempotency-key"])
        return 404, _error("invalid_request_error", f"Unrecognized request URL {path}")

    def _pay(self, path: str, form: dict[str, str], key: str) -> Reply | None:
        card = form["payment_method"]
        outcome = self.outcomes.get(card, "succeeded")
        with self._lock:
            known = key in self._replies
            if not known:
                self._replies[key] = self._decide(path, form, outcome)
            reply = self._replies[key]
        if outcome == "held":
            self.gate.wait(30)
        return None if outcome == "lost" else reply

    def listed(self, path: str, form: dict[str, str], headers: dict[str, str]) -> Reply:
        """Return a page of a customer's payments, newest first."""
        if headers.get("authorization") != "Bearer sk_test_secret":
            return 401, _error("invalid_request_error", "Invalid API Key provided")
        every = [
            intent
            for intent in reversed(self.intents.get(path, []))
            if intent["customer"] == form["customer"]
            and intent["created"] >= int(form["created[gte]"])
        ]
        if "starting_after" in form:
            places = [
                place for place, one in enumerate(every) if one["id"] == form["starting_after"]
            ]
            every = every[places[0] + 1 :]
        data = every[: min(self.page, int(form["limit"]))]
        if form.get("expand[0]") != "data.latest_charge":
            data = [
                {**intent, "latest_charge": "ch_1"} if "latest_charge" in intent else intent
                for intent in data
            ]
        return 200, {"object": "list", "data": data, "has_more": data != every, "url": path}

    def _decide(self, path: str, form: dict[str, str], outcome: str) -> Reply:
        if outcome == "declined":
            error = _error("card_error", "Your card was declined.", code="card_declined")
            return 402, error
        if outcome == "error":
            return 500, _error("api_error", "Something went wrong")
        kind = "pi" if path == "/v1/payment_intents" else "seti"
        identifier = f"{kind}_{len(self.payments) + 1}"
        status = "succeeded" if outcome in {"lost", "held"} else outcome
        if status == "succeeded":
            self.payments.append(form)
        made = {
            "id": identifier,
            "object": path.split("/")[2][:-1],
            "status": status,
            "created": int(time.time()),
            "customer": form["customer"],
            "metadata": {
                name: form[f"metadata[{name}]"] for name in ("user_id", "transaction_key")
            },
        }
        if kind == "pi":
            received = int(form["amount"]) if status == "succeeded" else 0
            charge = {"id": "ch_1", "object": "charge", "amount_refunded": 0, "disputed": False}
            made |= {"amount_received": received, "latest_charge": charge}
        self.intents.setdefault(path, []).append(made)
        return 200, {"id": identifier, "object": path.split("/")[2][:-1], "status": status}


def _error(kind: str, message: str, **more: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, **more}}
