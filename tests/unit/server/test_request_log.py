"""Requests that no client makes by itself get answers of the API's document, and no error of the server."""

from __future__ import annotations

import pytest

from tests.support.api import MEETING, Api


@pytest.mark.parametrize("host", [b"", b"\xff", b"a b", b"a/../b", b"a\0", b"a@b", b"a" * 300])
@pytest.mark.parametrize("path", ["/api/v1/bots", "/api/v1/bot", "/download/parts/x", "/healthz"])
async def test_a_host_that_is_none_is_refused(api: Api, host: bytes, path: str) -> None:
    async with api.client() as client:
        answer = await client.get(path, headers={b"Host": host})
    assert answer.status_code == 400
    assert answer.json().keys() <= {"message", "code", "detail"}


HOSTILE = (
    "%00",
    "%ff",
    "%ed%a0%80",
    "..",
    "%2e%2e%2f%2e%2e",
    "a" * 5000,
    "1e400",
    "9" * 400,
    "٣",
    "%0d%0aX:y",
    "%5c",
)
"""Segments of a path, and values of a query: NUL, what is no UTF-8, ways up, huge numbers, digits of other scripts."""


async def test_hostile_paths_and_queries_get_documented_answers(api: Api) -> None:
    async with api.client() as client:
        paths = (await client.get("/docs/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                parameters = operation.get("parameters", [])
                places = [each["name"] for each in parameters if each["in"] == "path"]
                fields = {each["name"] for each in parameters if each["in"] == "query"}
                fields |= {"created_at_after", "join_at_before", "metadata__x"} if method == "get" else set()
                for word in HOSTILE:
                    url = path
                    for place in places:
                        url = url.replace(f"{{{place}}}", word)
                    for query in ("", *(f"?{field}={word}" for field in sorted(fields))):
                        answer = await client.request(method, f"{url}{query}")
                        if answer.request.url.path == "/":
                            # The client itself went up: it asked for the page.
                            continue
                        assert str(answer.status_code) in {*operation["responses"], "404"}, (
                            method,
                            url[:80],
                            query[:80],
                        )


HOSTILE_BODIES = (
    b"",
    b"null",
    b"[]",
    b"\xff",
    b"\0",
    b"NaN",
    b"[" * 100_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"\\ud800": 1, "a": "\\udfff"}',
    b'{"a": 1e999}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b"x" * 2_000_000,
)
HOSTILE_VALUES = (
    '"\\u0000"',
    '"\\ud800"',
    "1e308",
    "9" * 400,
    '{"\\ud800": "\\udfff"}',
    '"9999-12-31T23:59:59Z"',
    '"٣"',
    "[[]]",
)


async def test_hostile_bodies_get_documented_answers(api: Api) -> None:
    async with api.client() as client:
        later = {"meeting_url": MEETING, "join_at": "2027-01-01T10:00:00Z"}
        bot_id = (await client.post("/api/v1/bot", json=later)).json()["id"]
        paths = (await client.get("/docs/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                if "requestBody" not in operation:
                    continue
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                link = f'"meeting_link": "{MEETING}", "meeting_url": "{MEETING}"'
                bodies = [
                    f'{{{link}, "{field}": {value}}}'.encode()
                    for field in schema.get("properties", {})
                    if field not in {"meeting_link", "meeting_url"}
                    for value in HOSTILE_VALUES
                ]
                for body in (*HOSTILE_BODIES, *bodies):
                    answer = await client.request(method, path.replace("{bot_id}", bot_id), content=body)
                    assert str(answer.status_code) in operation["responses"], (method, path, body[:120])
