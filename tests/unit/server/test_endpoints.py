from __future__ import annotations

import base64
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from meetstream.webhooks import parse_webhook, verify_webhook_signature
from standardwebhooks import Webhook, WebhookVerificationError

from worker.delivery.webhook_deliveries import Delivery
from worker.server.endpoints import Endpoints, Target, WebhooksFileError

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"t" * 24).decode().rstrip("=")
URL = "https://hooks.example/a?token=hunter2"


def written(path: Path, **content: Any) -> Path:
    file = path / "webhooks.json"
    file.write_text(json.dumps(content))
    return file


def delivery(target: Target, workspace: str = "anna") -> Delivery:
    return Delivery(
        id="msg_1",
        bot_id="b1",
        workspace=workspace,
        endpoint=target.id,
        url=target.url,
        form=target.form,
        event="bot.done",
        body='{"event":"bot.done","name":"J\\u00f6rg"}',
        created_at=0.0,
    )


def test_recalls_form_is_verified_by_the_standards_own_package(tmp_path: Path) -> None:
    endpoints = Endpoints(written(tmp_path, endpoints=[{"url": URL, "secret": SECRET}]))
    (target,) = endpoints.targets("anna", "recall", None)
    sent = delivery(target)
    headers = endpoints.headers(sent, time.time())
    assert headers is not None
    assert Webhook(SECRET).verify(sent.body, headers)["event"] == "bot.done"
    assert headers["webhook-id"] == "msg_1"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(sent.body + " ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(sent.body, headers)


def test_meetstreams_form_is_verified_by_its_own_client(tmp_path: Path) -> None:
    file = written(tmp_path, secrets={"anna": SECRET})
    endpoints = Endpoints(file)
    (target,) = endpoints.targets("anna", "meetstream", URL)
    sent = delivery(target)
    headers = endpoints.headers(sent, 1_790_000_000.7)
    assert headers is not None
    signature = headers["X-MeetStream-Signature"]
    assert parse_webhook(sent.body.encode(), signature, SECRET)["event"] == "bot.done"
    assert not verify_webhook_signature(sent.body, signature, OTHER)
    assert headers["X-MeetStream-Timestamp"] == "1790000000"
    (other,) = endpoints.targets("bob", "meetstream", URL)
    unsigned = endpoints.headers(delivery(other, "bob"), time.time())
    assert unsigned is not None
    assert "X-MeetStream-Signature" not in unsigned


def test_a_bots_own_url_is_signed_in_recalls_form_by_the_workspaces_secret(tmp_path: Path) -> None:
    endpoints = Endpoints(written(tmp_path, secrets={"anna": OTHER}))
    (target,) = endpoints.targets("anna", "recall", URL)
    sent = delivery(target)
    headers = endpoints.headers(sent, time.time())
    assert headers is not None
    Webhook(OTHER).verify(sent.body, headers)


def test_without_a_file_a_bots_own_url_is_called_unsigned() -> None:
    endpoints = Endpoints(None)
    (target,) = endpoints.targets("anna", "recall", URL)
    headers = endpoints.headers(delivery(target), 0.0)
    assert headers is not None
    assert "webhook-signature" not in headers
    assert endpoints.targets("anna", "recall", None) == []


def test_endpoints_choose_workspace_form_and_events(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        endpoints=[
            {"url": "https://a.example/", "events": ["bot.*", "recording.done"]},
            {"url": "https://b.example/", "workspace": "bob"},
            {"url": "https://c.example/", "workspace": "anna", "form": "meetstream"},
        ],
    )
    targets = Endpoints(file).targets("anna", "recall", URL)
    assert [(each.url, each.form) for each in targets] == [
        (URL, "recall"),
        ("https://a.example/", "recall"),
        ("https://c.example/", "meetstream"),
    ]
    wanted = targets[1]
    assert [
        wanted.wants(event) for event in ("bot.done", "recording.done", "recording.failed", "robot.x")
    ] == [
        True,
        True,
        False,
        False,
    ]
    assert targets[0].wants("anything.else")
    assert len({each.id for each in targets}) == 3


def test_a_changed_file_counts_at_once_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path, endpoints=[{"url": URL, "secret": SECRET}])
    endpoints = Endpoints(file)
    (target,) = endpoints.targets("anna", "recall", None)
    written(tmp_path, endpoints=[{"url": URL, "secret": OTHER}])
    os.utime(file, ns=(1, 1))
    headers = endpoints.headers(delivery(target), time.time())
    assert headers is not None, "a new secret counts for what waits"
    Webhook(OTHER).verify(delivery(target).body, headers)
    file.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert endpoints.targets("anna", "recall", None) == [target]
    assert "stay as they were" in caplog.text
    written(tmp_path, endpoints=[])
    os.utime(file, ns=(2, 2))
    assert endpoints.headers(delivery(target), 0.0) is None
    file.unlink()
    assert endpoints.targets("anna", "recall", None) == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "Input data was truncated"),
        ("[]", "Expected `object`"),
        ('{"endpoint": []}', "unknown field `endpoint`"),
        ('{"endpoints": [{"secret": "x"}]}', "missing required field `url`"),
        ('{"endpoints": [{"url": "https://a.example/", "events": []}]}', "endpoints[0].events"),
        ('{"endpoints": [{"url": "https://a.example/", "events": ["Bot Done"]}]}', "endpoints[0].events"),
        ('{"endpoints": [{"url": "https://a.example/", "form": "svix"}]}', "endpoints[0].form"),
        ('{"endpoints": [{"url": "a.example"}]}', "endpoints[0].url"),
        ('{"endpoints": [{"url": "http://2130706433/"}]}', "endpoints[0].url"),
        ('{"endpoints": [{"url": "https://a.example/", "secret": "hunter2"}]}', "endpoints[0].secret"),
        ('{"secrets": {"anna": "whsec_hunter2!"}}', "secrets['anna']"),
        ('{"secrets": {"anna": "whsec_aHVudGVyMg=="}}', "secrets['anna']"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_field_and_no_secret(
    tmp_path: Path, content: str, named: str
) -> None:
    file = tmp_path / "webhooks.json"
    file.write_text(content)
    with pytest.raises(WebhooksFileError, match="MEETSTEMS_WEBHOOKS_FILE=") as error:
        Endpoints(file)
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_missing_file_in_a_missing_folder_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(WebhooksFileError, match="cannot be read"):
        Endpoints(tmp_path / "none" / "webhooks.json")


def test_a_missing_file_in_a_folder_is_read_once_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.json"
    endpoints = Endpoints(file)
    assert endpoints.targets("anna", "recall", None) == []
    file.write_text('{"endpoints": [{"url": "https://hooks.example/a"}]}')
    (target,) = endpoints.targets("anna", "recall", None)
    assert target.url == "https://hooks.example/a"
