"""REST on a real database, without a listener in front of it: requests in, responses out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin

import httpx

from autogpt_db.rest import router

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

_LINK = re.compile(r'<([^>]*)>; rel="(\w+)"')


class Rest:
    """Asks `/v1` of a service's pool.

    Attributes:
        app: Answers.
    """

    def __init__(self, service: Service, *, content: bool = False) -> None:
        self._service = service
        self.app = router(service.pool, content=content)

    def get(
        self, path: str, *, verb: str = "GET", headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """Return the response to one request; `path` is below `/v1` and stays as it is."""
        return self.send(verb, f"/v1{path}{with_query(query)}", headers)

    def send(self, verb: str, target: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Return the response to one request."""
        response: httpx.Response = self._service.run(self.sent(verb, target, headers))
        return response

    async def sent(
        self, verb: str, target: str, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Return the response to one request, on the service's own event loop."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://rest") as client:
            return await client.request(verb, target, headers=headers)

    def pages(self, path: str, **query: Any) -> Iterator[list[Any]]:
        """Yield the pages of a list, one after the other."""
        target: str | None = f"/v1{path}{with_query(query)}"
        while target is not None:
            response = self.send("GET", target)
            assert response.status_code == 200, response.text
            yield response.json()
            target = links(response).get("next")


def with_query(query: dict[str, Any]) -> str:
    return f"?{urlencode(query, doseq=True)}" if query else ""


def links(response: httpx.Response) -> dict[str, str]:
    """Return what a response links to, by relation, found from where it was asked for."""
    asked = str(response.url)
    return {
        relation: urljoin(asked, target)
        for target, relation in _LINK.findall(response.headers["link"])
    }


def filled_path(path: str, values: dict[str, str]) -> str:
    """Return a resource's path with its arguments."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), path)
