from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.support.api import MEETING, Api
from tests.support.page_visitor import Visitor, location
from worker.server.app import build_app
from worker.server.demo_link import DEMO_LINK
from worker.settings import DemoMeeting

FORMS = (("/api/v1/bots/create_bot", "meeting_link"), ("/api/v1/bot/", "meeting_url"))


@pytest.mark.parametrize(("path", "field"), FORMS)
@pytest.mark.parametrize("link", [DEMO_LINK, DEMO_LINK.rstrip("/"), f" {DEMO_LINK}"])
async def test_the_link_to_the_demo_meeting_is_refused_without_one(
    api: Api, path: str, field: str, link: str
) -> None:
    async with api.client() as client:
        answer = await client.post(path, json={field: link})
    assert answer.status_code == 400
    assert "expected a Google Meet link" in answer.text
    assert api.store.list("") == []


@pytest.mark.parametrize(("path", "field"), FORMS)
async def test_the_link_to_the_demo_meeting_is_that_of_the_call_which_stands_for_it(
    api: Api, path: str, field: str
) -> None:
    api.app = build_app(replace(api.services, demo=DemoMeeting(link=MEETING, command=("play",))), api.desk)
    async with api.client() as client:
        for link, status in (
            (DEMO_LINK, 201),
            (DEMO_LINK.rstrip("/"), 201),
            ("https://meet.google.com/xyz-defg-hij", 201),
            (f"{DEMO_LINK}other", 400),
            ("https://demo.localhost.example/", 400),
            (7, 400),
        ):
            answer: httpx.Response = await client.post(path, json={field: link})
            assert answer.status_code == status, link
    assert [job.meeting_url for job in api.desk.jobs] == [
        MEETING,
        MEETING,
        "https://meet.google.com/xyz-defg-hij",
    ]


async def test_the_page_takes_the_link_to_the_demo_meeting_as_the_routes_do(api: Api) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        assert (await visitor.send(link=DEMO_LINK, name="", when="")).status_code == 400
    api.app = build_app(replace(api.services, demo=DemoMeeting(link=MEETING, command=("play",))), api.desk)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        assert location(await visitor.send(link=DEMO_LINK, name="", when="")) == "/"
        assert (await visitor.send(link=f"{DEMO_LINK}other", name="", when="")).status_code == 400
    assert [job.meeting_url for job in api.desk.jobs] == [MEETING]
