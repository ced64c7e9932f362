from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from tests.support.api import FILM, KEY, MEETING, OTHER_KEY, Api
from tests.support.page_visitor import HOST, Visitor, field, location
from worker.contracts.commands import Commands
from worker.reasons import Reason
from worker.server import command_box
from worker.server.keys import key_sha256
from worker.server.page.routes import SIGN_INS
from worker.server.page.sessions import COOKIE, LASTS
from worker.states import State

FAR = "2030-01-31T09:30"
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}\u202egnp.exe\u2066\x07"


async def make(api: Api, name: str = "Notes", key: str = KEY, more: dict[str, object] | None = None) -> str:
    async with api.client(key) as client:
        body = {"meeting_link": MEETING, "bot_name": name, "audio_separate_streams": True, **(more or {})}
        answer = await client.post("/api/v1/bots/create_bot", json=body)
        return str(answer.json()["bot_id"])


# ---- the key and the session


async def test_without_a_session_every_page_leads_to_the_sign_in_and_shows_nothing(api: Api) -> None:
    bot_id = await make(api)
    api.record(bot_id)
    async with Visitor(api) as visitor:
        assert location(await visitor.get("/")) == "/login"
        for path in (f"/bots/{bot_id}", f"/bots/{bot_id}/delete", f"/bots/{bot_id}/files/audio_streams.json"):
            to = urlsplit(location(await visitor.get(path)))
            assert (to.path, parse_qs(to.query)) == ("/login", {"to": [path]})
        for path in ("/", "/logout", f"/bots/{bot_id}/delete", f"/bots/{bot_id}/commands/leave"):
            assert location(await visitor.post(path)) == "/login"
        assert (await visitor.get("/live")).status_code == 401
    assert api.bots.find("anna", bot_id) is not None


async def test_the_key_is_taken_once_and_a_strict_cookie_stands_for_it(api: Api) -> None:
    async with Visitor(api) as visitor:
        answer = await visitor.sign_in()
        assert location(answer) == "/"
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={LASTS}"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert KEY not in cookie
        assert key_sha256(KEY) not in cookie
        page = await visitor.get("/")
        assert page.status_code == 200
        assert "anna" in page.text
        assert KEY not in page.text


async def test_a_wrong_key_is_refused_in_words_and_gives_no_cookie(api: Api) -> None:
    async with Visitor(api) as visitor:
        for key in ("", "key-of-nobody", KEY.upper(), f"{KEY}\0"):
            answer = await visitor.sign_in(key)
            assert answer.status_code == 403
            assert "This key is not valid." in answer.text
            assert "set-cookie" not in answer.headers


async def test_wrong_keys_are_limited_by_address_also_before_the_right_one(api: Api) -> None:
    async with Visitor(api) as visitor:
        for _ in range(SIGN_INS):
            assert (await visitor.sign_in("wrong")).status_code == 403
        answer = await visitor.sign_in()
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert "Too many tries" in answer.text
        api.steady += 60
        assert location(await visitor.sign_in()) == "/"


async def test_addresses_behind_a_trusted_proxy_have_their_own_limits(tmp_path: Path) -> None:
    api = Api(tmp_path, trusted=[LOOPBACK])
    async with Visitor(api, **{"X-Forwarded-For": "203.0.113.9, 203.0.113.1"}) as attacker:
        for _ in range(SIGN_INS + 1):
            last = await attacker.sign_in("wrong")
        assert last.status_code == 429
    async with Visitor(api, **{"X-Forwarded-For": "203.0.113.2"}) as other:
        assert (await other.sign_in()).status_code == 303


async def test_a_session_ends_by_time_by_signing_out_and_with_its_key(api: Api) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        api.now += LASTS - 1
        assert (await visitor.get("/")).status_code == 200
        api.now += 1
        assert location(await visitor.get("/")) == "/login"
        await visitor.sign_in()
        token = await visitor.token()
        assert location(await visitor.post("/logout", token=token)) == "/login"
        assert location(await visitor.get("/")) == "/login"
        await visitor.sign_in()
        api.write_keys({"name": "anna", "sha256": key_sha256("a new key")})
        assert location(await visitor.get("/")) == "/login"


async def test_a_key_of_two_workspaces_opens_a_session_of_the_one_that_it_is_taken_for(api: Api) -> None:
    api.write_keys(*({"name": name, "sha256": key_sha256(KEY)} for name in ("anna", "bob")))
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        assert "Bots of <bdi>anna</bdi>" in (await visitor.get("/")).text


async def test_a_changed_cookie_is_worth_nothing(api: Api) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        cookie = visitor.client.cookies[COOKIE]
        name, expires, nonce, signature = cookie.split(".")
        for changed in (
            "",
            "...",
            f"bob.{expires}.{nonce}.{signature}",
            f"{name}.{int(expires) + 1}.{nonce}.{signature}",
            f"{name}.{'9' * 5000}.{nonce}.{signature}",
            f"{name}.{expires}.x.{signature}",
            f"{name}.{expires}.{nonce}.{'0' * 64}",
            f"{name}.{expires}.{nonce}.",
            f"{name}.²{expires}.{nonce}.{signature}",
            f"{cookie}.x",
        ):
            visitor.client.cookies.clear()
            answer = await visitor.client.get("/", headers={b"Cookie": f"{COOKIE}={changed}".encode()})
            assert location(answer) == "/login", changed
        assert (await visitor.get("/", Cookie=f"{COOKIE}={cookie}")).status_code == 200


async def test_the_cookie_is_secure_behind_a_trusted_https_proxy_and_pages_work_under_its_prefix(
    tmp_path: Path,
) -> None:
    api = Api(tmp_path, prefix="/a/b", trusted=[LOOPBACK])
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "bots.example",
        "X-Forwarded-Prefix": "/outer",
    }
    async with Visitor(api, **headers) as visitor:
        assert location(await visitor.get("/")) == "/outer/a/b/login"
        answer = await visitor.post("/login", origin="https://bots.example", key=KEY)
        assert location(answer) == "/outer/a/b/"
        assert {"Secure", "Path=/outer/a/b"} <= set(answer.headers["set-cookie"].split("; "))
        cookie = answer.headers["set-cookie"].split(";")[0]
        page = (await visitor.get("/", Cookie=cookie)).text
        addresses = re.findall(r'(?:href|src|action|data-live)="([^"]+)"', page)
        assert len(addresses) > 5
        assert [each for each in addresses if not each.startswith(("/outer/a/b/", "#"))] == []
        assert "https://bots.example/outer/a/b/api/v1/bots/create_bot" in page


@pytest.mark.parametrize("prefix", ["", "/a/r.recall.ai"])
async def test_all_that_a_page_leads_to_is_there(tmp_path: Path, prefix: str) -> None:
    api = Api(tmp_path, prefix=prefix)
    bot_id = await make(api)
    api.record(bot_id)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        for path in ("/", f"/bots/{bot_id}", f"/bots/{bot_id}/delete", "/login"):
            page = await visitor.get(path)
            assert page.status_code == 200
            for address in set(re.findall(r'(?:href|src)="([^"#]+)"', page.text)):
                found = await visitor.client.get(f"http://{HOST}{address}")
                if found.status_code == 302:
                    found = await visitor.client.get(found.headers["location"])
                assert found.status_code == 200, address


async def test_a_link_to_a_bot_leads_there_after_the_sign_in_and_nowhere_else(api: Api) -> None:
    async with Visitor(api) as visitor:
        for to, expected in {
            "/bots/x": "/bots/x",
            "//evil.example/bots/": "/",
            "https://evil.example/bots/": "/",
            "/bots/\\evil": "/",
            "/bots/x?y=1": "/",
            "/bots/\r\nx": "/",
            "javascript:alert(1)": "/",
        }.items():
            assert location(await visitor.post("/login", key=KEY, to=to)) == expected


async def test_a_link_on_another_site_reaches_the_page_although_the_cookie_is_strict(api: Api) -> None:
    async with Visitor(api) as visitor:
        answer = await visitor.get("/bots/x", **{"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert '<meta http-equiv="refresh" content="0; url=/bots/x">' in answer.text
        assert location(await visitor.get("/bots/x", **{"Sec-Fetch-Site": "same-origin"})).startswith(
            "/login"
        )


# ---- requests from elsewhere


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", f"http://{HOST}.evil.example"])
async def test_forms_of_other_sites_change_nothing(api: Api, origin: str | None) -> None:
    bot_id = await make(api)
    async with Visitor(api) as visitor:
        assert (await visitor.post("/login", origin=origin, key=KEY)).status_code == 403
        await visitor.sign_in()
        token = await visitor.token()
        for path in ("/", "/logout", f"/bots/{bot_id}/delete", f"/bots/{bot_id}/commands/leave"):
            answer = await visitor.post(path, origin=origin, token=token, link=MEETING)
            assert answer.status_code == 403, path
            assert "set-cookie" not in answer.headers
        found = api.bots.facts("anna", bot_id)
        assert found is not None
        assert found.status is None
        assert len(api.desk.jobs) == 1


async def test_forms_without_the_sessions_own_token_change_nothing(api: Api) -> None:
    bot_id = await make(api)
    async with Visitor(api) as other:
        await other.sign_in()
        token_of_another = await other.token()
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        for token in ("", "x", token_of_another, "ü"):
            for path in ("/", "/logout", f"/bots/{bot_id}/delete", f"/bots/{bot_id}/commands/leave"):
                assert (await visitor.post(path, token=token, link=MEETING)).status_code == 403
    assert api.bots.find("anna", bot_id) is not None
    assert len(api.desk.jobs) == 1


async def test_pages_allow_nothing_from_elsewhere_and_no_script_of_their_own(api: Api) -> None:
    bot_id = await make(api)
    api.record(bot_id)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        for path in ("/", f"/bots/{bot_id}", f"/bots/{bot_id}/delete", "/login", "/bots/unknown"):
            page = await visitor.get(path)
            policy = page.headers["content-security-policy"]
            assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(
                policy.split("; ")
            )
            assert "unsafe" not in policy
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["x-content-type-options"] == "nosniff"
            assert not re.search(
                r"<script(?! type=\"module\" src=)|<style|\son\w+=|\sstyle=|javascript:", page.text
            )
            assert not re.search(r'(?:href|src)="(?:https?:)?//', page.text)


# ---- the list and the form


async def test_the_empty_list_says_how_to_send_the_first_bot(api: Api) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        page = (await visitor.get("/")).text
        assert re.search(r'id="empty">', page)
        assert "No bots yet" in page
        assert "http://api.example/api/v1/bots/create_bot" in page
        assert re.search(r'id="bots"[^>]* hidden>', page)
        assert location(await visitor.send(link=MEETING)) == "/"
        page = (await visitor.get("/")).text
        assert re.search(r'id="empty" hidden>', page)
        assert not re.search(r'id="bots"[^>]* hidden>', page)


async def test_a_bot_is_sent_as_the_form_says(api: Api) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        assert location(await visitor.send(link=f"  {MEETING} ", name="Minutes")) == "/"
        assert location(await visitor.send(link=MEETING, when=FAR)) == "/"
        assert (
            location(await visitor.send(link=MEETING, when=FAR, when_utc="2030-01-31T07:30:00.000Z")) == "/"
        )
        (job,) = api.desk.jobs
        assert (job.bot_name, job.separate_audio, job.join_at) == ("Minutes", True, None)
        bots = api.bots.page("anna", "", 10).bots
        assert sorted(facts.job.join_at or 0.0 for facts in bots) == [0.0, 1896075000.0, 1896082200.0]
        page = (await visitor.get("/")).text
        assert "Scheduled" in page
        assert 'Joins <time datetime="2030-01-31T09:30:00+00:00">31 Jan 2030, 09:30 UTC</time>' in page


async def test_a_form_that_is_sent_twice_sends_one_bot_and_a_changed_one_another(api: Api) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        html = (await visitor.get("/")).text
        fields = {"token": field(html, "token"), "once": field(html, "once"), "link": MEETING}
        for _ in range(2):
            assert location(await visitor.post("/", **fields)) == "/"
        assert len(api.desk.jobs) == 1
        assert location(await visitor.post("/", **fields, name="Other")) == "/"
        assert [job.bot_name for job in api.desk.jobs] == ["Meetstems", "Other"]
        assert location(await visitor.send(link=MEETING)) == "/"
        assert len(api.desk.jobs) == 3


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({"link": ""}, "link", "Enter the meeting’s link, like https://meet.google.com/"),
        ({"link": "https://zoom.us/j/1"}, "link", "This is no link to a Google Meet or Microsoft Teams call"),
        ({"link": HOSTILE}, "link", "This is no link to a Google Meet or Microsoft Teams call"),
        (
            {"link": "https://x/" + "y" * 9000},
            "link",
            "This is no link to a Google Meet or Microsoft Teams call",
        ),
        ({"link": MEETING, "name": "a\u202eb"}, "name", "Expected 1 to 100 printable characters."),
        ({"link": MEETING, "name": "n" * 101}, "name", "Expected 1 to 100 printable characters."),
        ({"link": MEETING, "when": "tomorrow"}, "when", "Expected a time like 2026-01-31T09:30:00Z."),
        ({"link": MEETING, "when": "2020-01-31T09:30"}, "when", "This time is over."),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_what_was_written_stays(
    api: Api, fields: dict[str, str], name: str, text: str
) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        answer = await visitor.send(**fields)
        assert answer.status_code == 400
        error = re.search(rf'id="{name}-error"><bdi>([^<]*)</bdi>', answer.text)
        assert error is not None
        assert error[1].startswith(text)
        assert re.search(
            rf'id="{name}"[^>]*aria-describedby="{name}-error {name}-hint" aria-invalid="true"', answer.text
        )
        assert answer.text.count("aria-invalid") == 1
        assert "<script>" not in answer.text
        assert not set("\u202e\u2066\x07") & set(answer.text)
        assert api.desk.jobs == []


async def test_older_bots_are_on_further_pages(api: Api) -> None:
    ids = []
    for _ in range(51):
        api.now += 1
        ids.append(await make(api))
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        first = (await visitor.get("/")).text
        assert re.findall(r'<li class="bot" id="bot-([^"]+)"', first) == ids[:0:-1]
        older = re.search(r'href="(/\?cursor=[^"]+)">Older', first)
        assert older is not None
        second = (await visitor.get(older[1])).text
        assert re.findall(r'<li class="bot" id="bot-([^"]+)"', second) == ids[:1]
        assert "data-live" not in second
        assert (await visitor.get("/?cursor=x")).status_code == 400


async def test_limits_of_the_key_hold_for_its_pages(tmp_path: Path) -> None:
    api = Api(tmp_path, limits={"list": 2})
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        answers = [await visitor.get("/") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert "retry-after" in answers[2].headers
        assert "Too many" in answers[2].text


# ---- a bot's page


async def test_another_workspaces_bot_is_unknown_on_every_route(api: Api) -> None:
    bot_id = await make(api, "Private", OTHER_KEY)
    manifest = api.record(bot_id)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        assert bot_id not in (await visitor.get("/")).text
        token = await visitor.token()
        file = next(segment.url for _, segment in manifest.segments())
        for path in ("", "/delete", "/files/timeline.html", "/files/audio_streams.json", f"/files/{file}"):
            answer = await visitor.get(f"/bots/{bot_id}{path}")
            assert (answer.status_code, "Private" in answer.text) == (404, False), path
        for path in ("/delete", "/commands/leave"):
            assert (await visitor.post(f"/bots/{bot_id}{path}", token=token)).status_code == 404
    assert api.bots.find("bob", bot_id) is not None


async def test_a_recorded_bots_page_has_its_history_players_and_downloads(api: Api) -> None:
    bot_id = await make(api)
    manifest = api.record(bot_id, speakers=3)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        page = (await visitor.get(f"/bots/{bot_id}")).text
        labels = re.findall(r"<li><b>([^<]+)</b> <time", page)
        assert labels[:5] == ["Sent", "Joining", "In the waiting room", "In the call", "Recording"]
        assert "The meeting has ended." in page
        players = re.findall(r'<audio [^>]*src="([^"]+)" aria-label="Audio of ([^"]+)"', page)
        assert [whose for _, whose in players] == [
            "everyone",
            *(person.participant_name for person in manifest.participants),
        ]
        for (url, _), (_, segment) in zip(players[1:], manifest.segments(), strict=True):
            leads = await visitor.client.get(f"http://{HOST}{url}")
            assert leads.status_code == 302
            signed = leads.headers["location"]
            assert {"expires", "signature"} <= set(parse_qs(urlsplit(signed).query))
            assert (await visitor.client.get(signed)).content.endswith(segment.filename.encode())
        timeline = await visitor.get(f"/bots/{bot_id}/files/timeline.html")
        assert "Ada Lovelace" in timeline.text
        assert timeline.headers["content-security-policy"] == "frame-ancestors 'none'"
        assert (await visitor.get(f"/bots/{bot_id}/files/audio_streams.json")).json()["bot_id"] == bot_id
        assert "In the call" in page
        assert "Ada Lovelace</bdi> began to speak" in page
        for secret in ("record.json", "lease.json", "../record.json", "attempts/0001/tape/part-000000.mcap"):
            assert (await visitor.get(f"/bots/{bot_id}/files/{secret}")).status_code == 404


async def test_videos_are_listed_and_can_be_downloaded(api: Api) -> None:
    bot_id = await make(api, more={"video_separate_streams": True})
    manifest = api.record(bot_id)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        page = (await visitor.get(f"/bots/{bot_id}")).text
        assert "Camera · 0:10" in page
        for stream, segment in manifest.video_segments():
            assert f"<bdi>{stream.participant_name}</bdi>" in page
            path = f"/bots/{bot_id}/files/{segment.url}"
            assert f'href="{path}" download="{segment.filename}"' in page
            leads = await visitor.get(path)
            assert leads.status_code == 302
            assert (await visitor.client.get(leads.headers["location"])).content.startswith(FILM)


async def test_words_of_people_are_shown_and_never_obeyed(api: Api) -> None:
    bot_id = await make(api, more={"custom_attributes": {"<b>": HOSTILE}, "<i>x</i>": 1})
    manifest = api.record(bot_id)
    text = api.store.get(api.bots.keys_of(bot_id).audio_streams).data.decode()
    for name in ("Ada Lovelace", "Grace Hopper"):
        text = text.replace(name, HOSTILE.replace('"', '\\"').replace("\x07", "\\u0007"))
    text = (
        text.replace(manifest.recording.ended_detail, "<img src=x>", 1)
        if manifest.recording.ended_detail
        else text
    )
    api.store.put(api.bots.keys_of(bot_id).audio_streams, text.encode(), content_type="application/json")
    api.enter(
        bot_id,
        State.JOINING,
        State.FATAL,
        reason=Reason.INTERNAL_ERROR,
        message=HOSTILE,
        audio_status="Success",
    )
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        for path in ("/", f"/bots/{bot_id}", f"/bots/{bot_id}/delete", f"/bots/{bot_id}/files/timeline.html"):
            page = (await visitor.get(path)).text
            assert "<script>alert" not in page, path
            assert "<i>x" not in page, path
            assert not set("\u202e\u2066\x07") & set(page), path
        page = (await visitor.get(f"/bots/{bot_id}")).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "{{7*7}}" in page


async def test_a_passcode_in_the_link_is_not_shown(api: Api) -> None:
    link = "https://teams.microsoft.com/meet/2123456789012?p=SecretPasscode1"
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        assert location(await visitor.send(link=link)) == "/"
        (job,) = api.desk.jobs
        for path in ("/", f"/bots/{job.bot_id}", f"/bots/{job.bot_id}/delete"):
            page = (await visitor.get(path)).text
            assert "Microsoft Teams" in page
            assert "SecretPasscode1" not in page


@pytest.mark.parametrize(
    ("states", "buttons", "refused"),
    [
        ([], ["Cancel"], []),
        ([State.JOINING], ["Leave", "Pause", "Send message"], ["Pause", "Send message"]),
        ([State.JOINING, State.IN_CALL_NOT_RECORDING], ["Leave", "Start recording", "Send message"], []),
        (
            [State.JOINING, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING],
            ["Leave", "Pause", "Send message"],
            [],
        ),
        ([State.JOINING, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING, State.LEAVING], [], []),
    ],
)
async def test_a_bot_has_buttons_for_what_it_can_be_told(
    states: list[State], buttons: list[str], refused: list[str], api: Api
) -> None:
    bot_id = await make(api)
    if states:
        api.enter(bot_id, *states)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        page = (await visitor.get(f"/bots/{bot_id}")).text
    card = page.partition('id="bot-commands"')[2].partition("</section>")[0] if buttons else ""
    assert re.findall(r"<button[^>]*>([^<]+)", card) == buttons
    assert re.findall(r"<button disabled aria-describedby=\"refusal-\d\">([^<]+)", page) == refused


@pytest.mark.parametrize(
    ("name", "kind"),
    [("leave", "leave"), ("pause", "pause"), ("resume", "resume"), ("message", "send_message")],
)
async def test_a_button_gives_the_bot_its_command(
    name: str, kind: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_box, "ACKNOWLEDGED_WITHIN", 0.0)
    bot_id = await make(api)
    api.enter(bot_id, State.JOINING, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        token = await visitor.token(f"/bots/{bot_id}")
        path = f"/bots/{bot_id}/commands/{name}"
        assert location(await visitor.post(path, token=token, text=" Hello ")) == f"/bots/{bot_id}"
    stored = api.store.get(api.bots.keys_of(bot_id).commands).data
    (command,) = msgspec.json.decode(stored, type=Commands).commands
    assert (command.kind, command.message) == (kind, "Hello" if name == "message" else "")


async def test_a_bot_that_waits_can_be_cancelled_and_a_refusal_is_shown(api: Api) -> None:
    waiting, early = await make(api), await make(api)
    api.enter(early, State.JOINING)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        token = await visitor.token(f"/bots/{early}")
        answer = await visitor.post(f"/bots/{early}/commands/pause", token=token)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert "The bot is not in the call yet." in answer.text
        assert (await visitor.post(f"/bots/{early}/commands/dance", token=token)).status_code == 404
        empty = await visitor.post(f"/bots/{early}/commands/message", token=token, text=" ")
        assert (empty.status_code, "The message is empty." in empty.text) == (400, True)
        assert (
            location(await visitor.post(f"/bots/{waiting}/commands/leave", token=token)) == f"/bots/{waiting}"
        )
        page = (await visitor.get(f"/bots/{waiting}")).text
        assert "Not recorded" in page
        assert "The bot was told to leave." in page
        assert "Nothing was recorded." in page


async def test_a_bot_is_deleted_after_a_question_unless_it_works(api: Api) -> None:
    done, busy = await make(api), await make(api)
    api.record(done)
    api.enter(busy, State.JOINING)
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        token = await visitor.token(f"/bots/{done}/delete")
        answer = await visitor.post(f"/bots/{busy}/delete", token=token)
        assert answer.status_code == 409
        assert "The bot is still at work." in answer.text
        assert location(await visitor.post(f"/bots/{done}/delete", token=token)) == "/"
        assert (await visitor.get(f"/bots/{done}")).status_code == 404
        assert done not in (await visitor.get("/")).text


async def test_errors_are_pages_and_tell_nothing_of_the_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Visitor(api) as visitor:
        await visitor.sign_in()
        answer = await visitor.get("/bots/..%2f..%2fx")
        assert answer.status_code == 404
        answer = await visitor.get("/bots/unknown")
        assert (answer.status_code, "There is no such bot." in answer.text) == (404, True)

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a secret of the inside")

        monkeypatch.setattr(api.bots, "facts", fail)
        answer = await visitor.get("/bots/unknown")
        assert (answer.status_code, "secret" in answer.text) == (500, False)
        assert answer.headers["content-type"].startswith("text/html")


async def test_the_page_is_not_in_the_document_of_the_api(api: Api) -> None:
    async with api.client() as client:
        paths = (await client.get("/docs/openapi.json")).json()["paths"]
    assert [path for path in paths if not path.startswith(("/api/", "/download/", "/healthz"))] == []
