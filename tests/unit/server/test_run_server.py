from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from meetstream import AsyncMeetStream, MeetStream
from meetstream import _errors as errors

from tests.support.api import MEETING, Api
from tests.support.first_line import first_line
from tests.support.local_server import LocalServer
from worker.cli import main as cli
from worker.server.keys import key_sha256
from worker.server.local_key import local_key

BODY = {"meeting_link": MEETING, "bot_name": "Notes", "audio_separate_streams": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LocalServer]:
    with LocalServer(folder / "data", "--prefix", "/r.recall.ai") as server:
        yield server


@pytest.fixture(scope="module")
def recorder(folder: Path) -> Api:
    """Writes into the server's folder as a worker does."""
    return Api(folder)


def test_meetstreams_own_client_works_unchanged(server: LocalServer, recorder: Api) -> None:
    with MeetStream(api_key=server.key, base_url=f"{server.url}/api/v1", max_retries=0) as client:
        use(client, server, recorder)
    wrong = MeetStream(api_key="wrong", base_url=f"{server.url}/api/v1", max_retries=0)
    with wrong, pytest.raises(errors.PermissionError):
        wrong.bots.list()


def use(client: MeetStream, server: LocalServer, recorder: Api) -> None:
    created = client.bots.create(dict(BODY), idempotency_key="once")
    bot_id = created["bot_id"]
    assert client.bots.create(dict(BODY), idempotency_key="once")["bot_id"] == bot_id, "507 is a success"
    with pytest.raises(errors.ConflictError):
        client.bots.create({**BODY, "bot_name": "Other"}, idempotency_key="once")
    assert bot_id in [bot["bot_id"] for bot in client.bots.list()["bots"]]
    assert client.bots.status(bot_id)["status"] == "Scheduled"
    for call in (client.bots.audio, client.bots.audio_streams, client.bots.recording_streams):
        with pytest.raises(errors.NotReadyError):
            call(bot_id)
    manifest = recorder.record(bot_id)
    assert client.bots.wait_for_audio(bot_id)["audio_url"].startswith(server.url)
    streams = client.bots.audio_streams(bot_id)
    segment = streams["participants"][0]["streams"][0]["segments"][0]
    (_, first), *_ = manifest.segments()
    key = f"{recorder.bots.keys_of(bot_id).folder}{first.url}"
    assert httpx.get(segment["url"]).content == recorder.store.get(key).data
    assert client.bots.recording_streams(bot_id)["recording_streams_available"] is False
    assert len(client.bots.participants(bot_id)) == 2
    assert client.bots.speaker_timeline(bot_id)["chunks"]
    assert client.bots.chats(bot_id)["chats"] == []
    assert client.bots.detail(bot_id)["bot_details"]["Status"] == "Done"
    assert client.transcripts.list_for_bot(bot_id)["transcriptions"] == []
    assert client.bots.screenshots(bot_id)["screenshots"] == []
    for call in (client.bots.video, client.bots.summary):
        with pytest.raises(errors.NotFoundError):
            call(bot_id)
    with pytest.raises(errors.NotFoundError) as unknown:
        client.bots.status("unknown")
    assert (unknown.value.message, bool(unknown.value.request_id)) == ("Bot not found.", True)
    with pytest.raises(errors.NotFoundError):
        client.transcripts.get("unknown")
    with pytest.raises(errors.BadRequestError, match=r"meeting_link is required\."):
        client.bots.create({"bot_name": "Notes"})
    assert client.bots.delete_data(bot_id)["bot_id"] == bot_id
    with pytest.raises(errors.NotFoundError):
        client.bots.remove(bot_id)


def limited(server: LocalServer, folder: Path) -> str:
    """Another key of the server, which may list bots once a minute."""
    keys_file = folder / "data" / "keys.json"
    keys = [each for each in json.loads(keys_file.read_text()) if each["name"] != "limited"]
    entry = {"name": "limited", "sha256": key_sha256("a limited key"), "limits": {"list": 1}}
    keys_file.write_text(json.dumps([*keys, entry]))
    return "a limited key"


ERRORS: list[tuple[type[Exception], int, str, Callable[[Any], Any]]] = [
    (errors.BadRequestError, 400, "key", lambda client: client.bots.create({"bot_name": "Notes"})),
    (errors.AuthenticationError, 401, "", lambda client: client.bots.list()),
    (errors.PermissionError, 403, "wrong", lambda client: client.bots.list()),
    (errors.NotFoundError, 404, "key", lambda client: client.bots.audio("unknown")),
    (errors.NotFoundError, 404, "key", lambda client: client.transcripts.get("unknown")),
    (
        errors.ConflictError,
        409,
        "key",
        lambda client: client.bots.create({**BODY, "bot_name": "Other"}, idempotency_key="table"),
    ),
    (errors.RateLimitError, 429, "limited", lambda client: client.bots.list()),
]
"""An error of MeetStream's client, its status, whose key, and the call."""


async def test_meetstreams_own_clients_raise_their_error_for_each_status(
    server: LocalServer, folder: Path
) -> None:
    keys = {"key": server.key, "limited": limited(server, folder)}
    with MeetStream(api_key=server.key, base_url=f"{server.url}/api/v1", max_retries=0) as client:
        bot_id = client.bots.create(dict(BODY), idempotency_key="table")["bot_id"]
        with pytest.raises(errors.NotReadyError):
            client.bots.audio(bot_id)
    with MeetStream(api_key=keys["limited"], base_url=f"{server.url}/api/v1", max_retries=0) as client:
        assert client.bots.list()["bots"] == []
        with pytest.raises(errors.NotFoundError):
            client.bots.status(bot_id)
    for kind, status, whose, call in ERRORS:
        options: dict[str, Any] = {
            "api_key": keys.get(whose, whose) or "not sent",
            "base_url": f"{server.url}/api/v1",
            "max_retries": 0,
            "default_headers": {} if whose else {"Authorization": "Token"},
        }
        raised: list[Any] = []
        with MeetStream(**options) as client, pytest.raises(kind) as synchronous:
            call(client)
        async with AsyncMeetStream(**options) as other:
            with pytest.raises(kind) as asynchronous:
                await call(other)
        raised += [synchronous.value, asynchronous.value]
        for error in raised:
            assert error.status == status
            assert error.message
            assert error.request_id
        if status == 429:
            assert all(1 <= error.retry_after <= 60 for error in raised)


async def test_meetstreams_own_asynchronous_client_works_unchanged(
    server: LocalServer, recorder: Api
) -> None:
    async with AsyncMeetStream(api_key=server.key, base_url=f"{server.url}/api/v1", max_retries=0) as client:
        made = await asyncio.gather(*(client.bots.create(dict(BODY)) for _ in range(5)))
        ids = {each["bot_id"] for each in made}
        assert len(ids) == 5
        assert ids <= {bot["bot_id"] for bot in (await client.bots.list())["bots"]}
        bot_id = ids.pop()
        with pytest.raises(errors.NotReadyError):
            await client.bots.audio_streams(bot_id)
        recorder.record(bot_id)
        assert (await client.bots.audio_streams(bot_id))["audio_streams_available"] is True
        with pytest.raises(errors.NotFoundError):
            await client.bots.remove(bot_id)


def test_what_was_accepted_is_there_after_a_kill(tmp_path: Path) -> None:
    with LocalServer(tmp_path) as first:
        headers = {"Authorization": first.key}
        made = [
            httpx.post(f"{first.url}/api/v1/bot", json={"meeting_url": MEETING}, headers=headers).json()["id"]
            for _ in range(3)
        ]
    with LocalServer(tmp_path) as again:
        assert again.key == first.key
        page = httpx.get(f"{again.url}/api/v1/bot/", headers=headers).json()
        assert sorted(bot["id"] for bot in page["results"]) == sorted(made)
        assert httpx.get(f"{again.url}/healthz").text == "ok\n"
        assert again.stop() == 0


def test_a_stream_of_the_page_ends_in_order_when_the_server_is_told_to_stop(tmp_path: Path) -> None:
    with LocalServer(tmp_path) as server:
        with httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=30) as client:
            assert client.post("/login", data={"key": server.key}).status_code == 303
            with client.stream("GET", "/live") as answer:
                lines = answer.iter_lines()
                assert any(line.startswith("data: ") for line in lines)
                server.process.send_signal(signal.SIGTERM)
                for _ in lines:  # Raises where the connection is cut off.
                    pass
        assert server.stop() == 0


@pytest.mark.parametrize(
    "program", ["import time; print('half', end='', flush=True); time.sleep(600)", "print('half', end='')"]
)
def test_a_process_that_prints_no_line_is_ended(program: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            with pytest.raises(AssertionError, match="did not begin"):
                first_line(process, 1.0)
            assert process.returncode is not None
        finally:
            process.kill()


def test_the_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    key, keys_file = local_key(tmp_path / "data")
    assert local_key(tmp_path / "data") == (key, keys_file)
    assert len(key) == 32
    for path in (keys_file, tmp_path / "data" / "key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key not in keys_file.read_text()
    assert json.loads(keys_file.read_text())[0]["name"] == "local"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "x"), "--data, --bots: are for --local only"),
        (("--local", "--bots", "0"), "--bots 0: expected 1 to 1000"),
        (("--local", "--prefix", "a b"), "--prefix 'a b': expected a path"),
        (("--local", "--tls-cert", "x"), "expected both or none"),
        (("--local", "--trust-proxy", "proxy"), "--trust-proxy 'proxy': expected an address"),
        ((), "MEETSTEMS_API_KEYS_FILE: is not set"),
    ],
)
def test_wrong_options_are_named_in_one_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEETSTEMS_API_KEYS_FILE", raising=False)
    assert cli.main(["serve", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
