"""The document of the API says all that its routes answer: requests that schemathesis makes of it."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.support.api import KEY, MEETING, Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
"""Not those of what a schema would take: a body of the right form can have a link that is none."""

EXAMPLES = 5
"""Requests of each route."""


async def test_no_made_up_request_gets_an_undocumented_answer_or_a_server_error(tmp_path: Path) -> None:
    api = Api(tmp_path, limits={"create": 100_000, "list": 100_000, "retrieve": 100_000})
    async with api.client() as client:
        made = (await client.post("/api/v1/bot", json={"meeting_url": MEETING})).json()["id"]
        later = {"meeting_url": MEETING, "join_at": "2027-01-01T10:00:00Z"}
        scheduled = (await client.post("/api/v1/bot", json=later)).json()["id"]
    api.record(made)
    schema = schemathesis.openapi.from_asgi("/docs/openapi.json", api.app)
    routes = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(routes) > 30
    for route in routes:
        # Each is asked with wrong keys as well, which wait after too many.
        api.steady += 60
        ask(route, [made, scheduled])


def ask(route: Any, bots: list[str]) -> None:
    numbers = count()

    @given(case=route.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers_as_documented(case: Any) -> None:
        # A made-up id is never one of a bot.
        number = next(numbers)
        if "bot_id" in case.path_parameters and number % 2:
            case.path_parameters["bot_id"] = bots[number // 2 % 2]
        case.call_and_validate(headers={"Authorization": f"Token {KEY}"}, checks=CHECKS)

    answers_as_documented()
