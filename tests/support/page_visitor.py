"""A browser without a window: somebody who visits the server's page, asked without a network."""

from __future__ import annotations

import re
from html import unescape

import httpx

from tests.support.api import KEY, Api

HOST = "api.example"
ORIGIN = f"http://{HOST}"


class Visitor:
    """Sends what a browser sends, and keeps its cookies."""

    def __init__(self, api: Api, **headers: str) -> None:
        self.api = api
        self.base = api.services.prefix
        self.client = api.client(None, **headers)

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def post(self, path: str, *, origin: str | None = ORIGIN, **fields: str) -> httpx.Response:
        headers = {} if origin is None else {"Origin": origin}
        return await self.client.post(path, data=fields, headers=headers)

    async def sign_in(self, key: str = KEY) -> httpx.Response:
        return await self.post("/login", key=key)

    async def token(self, path: str = "/") -> str:
        """The token of the forms on a page."""
        return field((await self.get(path)).text, "token")

    async def send(self, **fields: str) -> httpx.Response:
        """Fills in the form on the first page, and sends it."""
        html = (await self.get("/")).text
        return await self.post("/", token=field(html, "token"), once=field(html, "once"), **fields)


def field(html: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None, html
    return unescape(found[1])


def location(answer: httpx.Response) -> str:
    """Where an answer leads to by GET."""
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]
