from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tests.support.live_senders import endpoint
from worker.contracts.live_endpoints import LiveForm
from worker.safe_text import Secret
from worker.streaming.request_headers import request_headers, user_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLawS"

REFUSED = [
    *("Host", "connection", "Upgrade", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Content-Length"),
    *("Content-Type", "User-Agent", "Expect", "Proxy-Authorization", "Proxy-Connection"),
    *("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"),
    *("webhook-id", "Webhook-Timestamp", "WEBHOOK-SIGNATURE", "X-MeetStream-Signature"),
    *("", "a b", "a:", "é", "a\r\nb", "a\n"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_headers_of_the_connection_and_of_signatures_cannot_be_set(name: str) -> None:
    assert user_headers({name: "a", "X-Kept": "b"}) == {"x-kept": "b"}


@pytest.mark.parametrize("value", ["a\r\nX-Injected: b", "a\n", "\x00", "\x7f", "\u2028", "x" * 5_000])
def test_a_malformed_value_is_left_out(value: str) -> None:
    assert user_headers({"X-Bad": value, "X-Kept": "b"}) == {"x-kept": "b"}


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_no_header_begins_another_one(headers: dict[str, str]) -> None:
    for name, value in user_headers(headers).items():
        line = f"{name}: {value}\r\n".encode("latin-1")
        assert line.count(b"\r") == line.count(b"\n") == 1
        assert line.split(b":")[0] == name.encode("ascii")


def test_a_signature_is_ours_whatever_the_user_sets() -> None:
    where = endpoint("wss://live.example/", headers={"webhook-signature": "a", "Authorization": "b"})
    now = time.time()
    headers = request_headers(where, "msg_1", now, "{}", Secret(SECRET))
    assert headers == {
        "authorization": "b",
        "user-agent": "meetstems",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now)),
        "webhook-signature": headers["webhook-signature"],
    }
    Webhook(SECRET).verify("{}", headers)


def test_meetstreams_webhooks_are_signed_in_its_own_form() -> None:
    where = endpoint("https://live.example/", form=LiveForm.MEETSTREAM)
    headers = request_headers(where, "msg_1", 1_700_000_000.0, "{}", Secret("whsec_a"))
    assert headers["X-MeetStream-Timestamp"] == "1700000000"
    assert headers["X-MeetStream-Signature"].startswith("sha256=")
    assert "webhook-signature" not in headers
