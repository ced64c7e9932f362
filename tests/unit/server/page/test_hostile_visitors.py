"""Requests that no browser makes get a page that says no, and no error of the server."""

from __future__ import annotations

import pytest

from tests.support.api import KEY, MEETING, Api
from tests.support.page_visitor import ORIGIN, Visitor
from worker.server.page.sessions import COOKIE

HOSTILE = (
    "%00",
    "%ff",
    "%ed%a0%80",
    "..",
    "%2e%2e%2f%2e%2e",
    "%2Fetc%2Fpasswd",
    "a" * 5000,
    "9" * 400,
    "%d9%a3",
    "%0d%0aX:y",
    "%5c",
    "%3Cscript%3E",
)
"""Segments of a path, and values of a query: NUL, what is no UTF-8, ways up, digits of other scripts, markup."""

FORM = {b"Content-Type": b"application/x-www-form-urlencoded"}

HEADERS = (
    b"",
    b"\xff",
    b"http://[",
    b"//",
    b"http://[::1",
    b"a" * 5000,
    b"http://\xc3\xbc",
    b"..." * 9,
    b"a.1.b.c",
)


async def test_hostile_paths_and_queries_get_pages(api: Api) -> None:
    async with api.client() as client:
        bot_id = (await client.post("/api/v1/bots/create_bot", json={"meeting_link": MEETING})).json()[
            "bot_id"
        ]
    api.record(bot_id)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        for word in HOSTILE:
            for path in (
                f"/?cursor={word}",
                f"/login?to={word}",
                f"/bots/{word}",
                f"/bots/{word}/delete",
                f"/bots/{bot_id}/files/{word}",
                f"/bots/{bot_id}/files/attempts/{word}",
                f"/assets/{word}/page.css",
                f"/assets/x/{word}",
            ):
                answer = await visitor.get(path)
                assert answer.status_code in {200, 303, 400, 404}, path[:80]
                assert "<script>" not in answer.text


@pytest.mark.parametrize("value", HEADERS)
async def test_hostile_headers_get_pages(api: Api, value: bytes) -> None:
    async with Visitor(api) as visitor:
        key = f"key={KEY}".encode()
        answer = await visitor.client.post("/login", content=key, headers={**FORM, b"Origin": value})
        assert answer.status_code == 403
        for path in ("/", "/live"):
            cookie = {b"Cookie": f"{COOKIE}=".encode() + value}
            assert (await visitor.client.get(path, headers=cookie)).status_code in {303, 401}


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"key=%ff%fe", b"key=%ED%A0%80", b"&".join([b"a=1"] * 50), b"key=" + b"x" * 70_000, b"\0"],
)
async def test_bodies_that_are_no_forms_are_refused(api: Api, body: bytes) -> None:
    headers = {**FORM, b"Origin": ORIGIN.encode()}
    async with Visitor(api) as visitor:
        answer = await visitor.client.post("/login", content=body, headers=headers)
        assert answer.status_code in {400, 403}
        assert "set-cookie" not in answer.headers
        await visitor.sign_in()
        for path in ("/", "/logout", "/bots/x/delete", "/bots/x/commands/leave"):
            assert (await visitor.client.post(path, content=body, headers=headers)).status_code in {400, 403}
