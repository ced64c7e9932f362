from __future__ import annotations

from tests.support.api import OTHER_KEY, Api
from worker.server.services import SEARCHES_OF_ONE
from worker.server.shares import Shares


def test_shares_are_bounded_for_each_workspace_and_for_all() -> None:
    shares = Shares(2, 3)
    assert [shares.take("anna") for _ in range(3)] == [True, True, False]
    assert [shares.take("bob") for _ in range(2)] == [True, False]
    shares.give_back("anna")
    assert shares.take("bob")
    assert not shares.take("anna")
    shares.give_back("bob")
    assert shares.take("anna")


async def test_filtered_lists_of_one_workspace_are_bounded_and_the_bound_is_given_back(api: Api) -> None:
    path = "/api/v1/bot?platform=google_meet"
    async with api.client() as anna, api.client(OTHER_KEY) as bob:
        for _ in range(SEARCHES_OF_ONE + 1):
            assert (await anna.get(path)).status_code == 200
        for _ in range(SEARCHES_OF_ONE):
            assert api.services.searches.take("anna")
        refused = await anna.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert (await anna.get("/api/v1/bot")).status_code == 200
        assert (await bob.get(path)).status_code == 200
