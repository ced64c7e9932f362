from __future__ import annotations

import hmac
import ipaddress
import json
import logging
from pathlib import Path

import httpx
import pytest

from tests.support.api import KEY, OTHER_KEY, Api
from worker.delivery.object_store import StoreUnavailableError
from worker.server.keys import Keys, KeysError, key_sha256
from worker.server.rate_limits import RateLimits
from worker.server.wrong_keys import PER_MINUTE

MEETSTREAM, RECALL = "/api/v1/bots", "/api/v1/bot/"


async def test_a_key_is_taken_with_and_without_token(api: Api) -> None:
    async with api.client(None) as client:
        for form in ("{}", "Token {}", "token {}", "Token   {}", "TOKEN {} "):
            for path in (MEETSTREAM, RECALL):
                answer = await client.get(path, headers={"authorization": form.format(KEY)})
                assert answer.status_code == 200, form


async def test_without_a_key_both_answer_401(api: Api) -> None:
    async with api.client(None) as client:
        for headers in ({}, *({"authorization": form} for form in ("", "Token", "Token "))):
            meetstream = await client.get(MEETSTREAM, headers=headers)
            recall = await client.get(RECALL, headers=headers)
            assert (meetstream.status_code, meetstream.json()) == (
                401,
                {"message": "Authentication credentials were not provided."},
            )
            assert (recall.status_code, recall.json()["code"]) == (401, "authentication_failed")


async def test_a_wrong_key_is_403_for_meetstream_and_401_for_recall(api: Api) -> None:
    wrong = ["wrong", "Token wrong", f"Bearer {KEY}", KEY[:-1], KEY + "x", key_sha256(KEY), "é"]
    async with api.client(None) as client:
        for form in wrong:
            headers = {b"authorization": form.encode()}
            meetstream = await client.get(MEETSTREAM, headers=headers)
            recall = await client.get(RECALL, headers=headers)
            assert (meetstream.status_code, meetstream.json()) == (403, {"message": "Invalid token."})
            assert (recall.status_code, recall.json()) == (
                401,
                {"code": "authentication_failed", "detail": "Invalid API token"},
            )


async def test_every_route_but_health_and_downloads_needs_a_key(api: Api) -> None:
    async with api.client(None) as client:
        paths = (await client.get("/docs/openapi.json")).json()["paths"]
        asked = 0
        for path, operations in paths.items():
            for method in operations:
                if path.startswith(("/healthz", "/download", "/docs")):
                    continue
                url = (
                    path.replace("{bot_id}", "x").replace("{recording_id}", "x").replace("{artifact_id}", "x")
                )
                answer = await client.request(method, url.replace("{transcript_id}", "x"))
                assert answer.status_code == 401, (method, path)
                asked += 1
    assert asked > 40


async def test_a_key_that_is_used_up_waits(tmp_path: Path) -> None:
    api = Api(tmp_path, limits={"list": 2})
    async with api.client() as client:
        for path in (MEETSTREAM, RECALL):
            assert (await client.get(path)).status_code == 200
        meetstream, recall = await client.get(MEETSTREAM), await client.get(RECALL)
        assert (meetstream.status_code, meetstream.json()) == (429, {"message": "Request was throttled."})
        assert (recall.status_code, recall.json()["code"]) == (429, "throttled")
        assert meetstream.headers["retry-after"] == "30"
        assert (await client.get("/api/v1/bots/x/status")).status_code == 404, "others have their own limit"
        api.steady += 30
        assert (await client.get(MEETSTREAM)).status_code == 200
        assert (await client.get(MEETSTREAM)).status_code == 429
    async with api.client(OTHER_KEY) as client:
        assert (await client.get(MEETSTREAM)).status_code == 200


def from_address(api: Api, address: str, key: str, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(api.app, raise_app_exceptions=False, client=(address, 40_000)),
        base_url="http://api.example",
        headers={"authorization": key, **headers},
    )


async def statuses(api: Api, address: str, *keys: str, path: str = MEETSTREAM, **headers: str) -> list[int]:
    """Of a request with each key from an address."""
    found = []
    for key in keys:
        async with from_address(api, address, key, **headers) as client:
            found.append((await client.get(path)).status_code)
    return found


ONE, OTHER = "192.0.2.1", "192.0.2.2"
GUESSES = [f"guess {number}" for number in range(PER_MINUTE)]


async def test_after_too_many_wrong_keys_of_an_address_not_even_a_right_one_is_found(api: Api) -> None:
    assert await statuses(api, ONE, *GUESSES[: PER_MINUTE // 2]) == [403] * (PER_MINUTE // 2)
    assert await statuses(api, ONE, *GUESSES[: PER_MINUTE // 2], path=RECALL) == [401] * (PER_MINUTE // 2)
    async with from_address(api, ONE, OTHER_KEY) as client:
        meetstream, recall = await client.get(MEETSTREAM), await client.get(RECALL)
    assert (meetstream.status_code, meetstream.json()) == (429, {"message": "Request was throttled."})
    assert (recall.status_code, recall.json()["code"]) == (429, "throttled")
    assert meetstream.headers["retry-after"] == recall.headers["retry-after"] == "3"
    assert await statuses(api, OTHER, OTHER_KEY) == [200]
    api.steady += 3
    assert await statuses(api, ONE, "guess", OTHER_KEY) == [403, 429], "one more guess"
    api.steady += 3
    assert await statuses(api, ONE, OTHER_KEY, "guess", KEY) == [200, 403, 429]


async def test_a_key_that_was_right_before_is_not_locked_out_by_others_of_its_address(api: Api) -> None:
    assert await statuses(api, ONE, KEY, *GUESSES, KEY) == [200, *[403] * PER_MINUTE, 200]
    assert await statuses(api, ONE, OTHER_KEY, KEY) == [429, 200]
    api.write_keys()
    assert await statuses(api, ONE, KEY) == [403], "and is looked up each time"


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("a socket", "a socket", "another"),
    ],
)
async def test_what_one_client_can_choose_of_its_address_makes_no_other(
    api: Api, one: str, same: str, other: str
) -> None:
    await statuses(api, one, *GUESSES)
    assert await statuses(api, same, KEY) == [429]
    assert await statuses(api, other, KEY) == [200]


async def test_behind_a_trusted_proxy_its_clients_are_counted_and_behind_another_the_proxy(
    tmp_path: Path,
) -> None:
    api = Api(tmp_path, trusted=[ipaddress.ip_network("10.0.0.0/8")])
    for proxy, expected in (("10.0.0.1", 200), ("192.0.2.9", 429)):
        for number, guess in enumerate(GUESSES):
            await statuses(api, proxy, guess, **{"x-forwarded-for": f"198.51.100.1, 203.0.113.{number % 2}"})
        assert await statuses(api, proxy, KEY, **{"x-forwarded-for": "198.51.100.1"}) == [expected]


async def test_a_missing_key_is_no_guess(api: Api) -> None:
    assert await statuses(api, ONE, *[""] * 2 * PER_MINUTE, KEY) == [*[401] * 2 * PER_MINUTE, 200]


def test_a_minutes_requests_may_come_at_once_or_evenly() -> None:
    now = [0.0]
    limits = RateLimits(lambda: now[0])
    assert [limits.take("a", "list", 60) for _ in range(61)] == [None] * 60 + [1]
    for _ in range(100):
        now[0] += 1.0
        assert limits.take("a", "list", 60) is None
        assert limits.take("a", "list", 60) == 1
    now[0] += 1e6
    assert [limits.take("a", "list", 60) for _ in range(61)] == [None] * 60 + [1]


async def test_keys_are_read_again_when_the_file_changes(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with api.client("new") as client:
        assert (await client.get(MEETSTREAM)).status_code == 403
        api.write_keys({"name": "anna", "sha256": key_sha256("new")})
        assert (await client.get(MEETSTREAM)).status_code == 200
        for wrong in ("{", '[{"name": "Anna!", "sha256": "x"}]', '[{"name": "a", "sha256": "", "typo": 1}]'):
            with caplog.at_level(logging.ERROR):
                api.keys_file.write_text(wrong)
                assert (await client.get(MEETSTREAM)).status_code == 200, "the keys stay"
        assert "the keys stay as they were" in caplog.text
        api.keys_file.unlink()
        assert (await client.get(MEETSTREAM)).status_code == 200
        api.write_keys()
        assert (await client.get(MEETSTREAM)).status_code == 403


def test_a_file_without_keys_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot be read: No such file"):
        Keys(tmp_path / "keys.json")
    (tmp_path / "keys.json").write_text('[{"name": "a"}]')
    with pytest.raises(KeysError, match="missing required field `sha256`"):
        Keys(tmp_path / "keys.json")


def test_all_keys_are_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    path.write_text(
        json.dumps([{"name": f"k{number}", "sha256": key_sha256(f"{number}")} for number in range(5)])
    )
    compared = []
    real = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    keys = Keys(path)
    for key, name in (("0", "k0"), ("4", "k4"), ("x", None)):
        compared.clear()
        found = keys.find(key)
        assert (found and found.name) == name
        assert len(compared) == 5


async def test_a_store_that_does_not_answer_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("S3: the secret bucket's name")

    monkeypatch.setattr(api.store, "get", fail)
    async with api.client() as client:
        for path, fields in (("/api/v1/bots/x/status", {"message"}), ("/api/v1/bot/x", {"code", "detail"})):
            answer = await client.get(path)
            assert (answer.status_code, set(answer.json()), answer.headers["retry-after"]) == (
                503,
                fields,
                "5",
            )
            assert "secret" not in answer.text


async def test_an_error_of_ours_tells_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(api.store, "get", fail)
    async with api.client() as client:
        answer = await client.get("/api/v1/bots/x/status")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error."})
    assert "ZeroDivisionError" in caplog.text
