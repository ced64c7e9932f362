"""The timeline page as text: escaping, policy, numbers. Its behaviour is tested in tests/browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from html import unescape
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.sample_manifests import manifest, meeting, participant, segment
from worker.manifest.schema import ByEvidence, GatedMix, Manifest, Overlap, Packets
from worker.rendering.timeline.page import timeline_html
from worker.rendering.timeline.speaker import clock_time, percent, safe_url


class Elements(HTMLParser):
    """Collects every start tag with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag = self.tags[-1][0] if self.tags else ""
        if self.lasttag in self.raw and tag == self.lasttag and data.strip():
            self.raw[tag].append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def named(name: str, **more: str) -> Manifest:
    return manifest([participant(1, name, segment(1, name, [(1.0, 2.0)], 10.0, **more))], 10.0)


def policy_of(elements: Elements) -> str:
    return next(m["content"] or "" for m in elements.named("meta") if m.get("http-equiv"))


def test_the_page_is_a_function_of_the_manifest() -> None:
    assert timeline_html(meeting(5, 600)) == timeline_html(meeting(5, 600))


@pytest.mark.parametrize("speakers", [0, 1, 5, 20])
def test_each_speaker_has_a_lane_and_a_label(speakers: int) -> None:
    page = timeline_html(meeting(speakers, 600))
    elements = Elements(page)
    lanes = [svg for svg in elements.named("svg") if (svg.get("class") or "").startswith("lane h")]
    assert len(lanes) == speakers
    assert len([div for div in elements.named("div") if div.get("data-lane")]) == speakers
    assert ("Nobody spoke" in page) == (speakers == 0)


def test_the_policy_allows_this_script_and_this_style_only() -> None:
    elements = Elements(timeline_html(meeting(2, 60)))
    policy = policy_of(elements)
    (style,), (_, script) = elements.raw["style"], elements.raw["script"]
    for text in (style, script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "media-src 'self';" in policy
    assert "unsafe" not in policy
    assert not elements.named("link") and not elements.named("img")
    assert all("src" not in attributes for _, attributes in elements.tags)
    assert all(not name.startswith("on") and name != "style" for _, a in elements.tags for name in a)


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        '"\' onmouseover=alert(1) x="',
        "<!--",
        "]]>",
        "$title ${policy}",
        "a\u202eb\x00\u2028",
    ],
)
def test_hostile_names_are_shown_as_text(name: str) -> None:
    plain, hostile = Elements(timeline_html(named("Ada"))), Elements(timeline_html(named(name)))
    assert [tag for tag, _ in plain.tags] == [tag for tag, _ in hostile.tags]
    assert [sorted(a) for _, a in plain.tags] == [sorted(a) for _, a in hostile.tags]
    data = json.loads(hostile.raw["script"][0])
    assert (
        data["tracks"][1]["name"]
        == name.replace("\u202e", "").replace("\x00", " ").replace("\u2028", "").strip()
    )


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_adds_an_element(name: str, url: str) -> None:
    page = manifest(
        [participant(1, name, segment(1, name, [(1.0, 2.0)], 10.0), named_by=name)],
        10.0,
        warnings=[name],
        meeting_url=url,
    )
    plain = manifest(
        [participant(1, "Ada", segment(1, "Ada", [(1.0, 2.0)], 10.0), named_by="rpc")],
        10.0,
        warnings=["w"],
        meeting_url="u",
    )
    assert [t for t, _ in Elements(timeline_html(page)).tags] == [
        t for t, _ in Elements(timeline_html(plain)).tags
    ]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example/x", "http://x.example/a", ""]
)
def test_only_relative_and_https_audio_is_linked(url: str) -> None:
    page = timeline_html(named("Ada", url=url))
    assert not Elements(page).named("a")
    assert '"clips":[]' in page
    assert re.search(r'data-track="1"[^>]* disabled', page)


def test_presigned_audio_adds_its_host_to_the_policy() -> None:
    page = timeline_html(named("Ada", url="https://bucket.s3.example/a.webm?X-Sig=1&b=2"))
    assert "media-src 'self' https://bucket.s3.example;" in policy_of(Elements(page))
    assert "https://bucket.s3.example/a.webm?X-Sig=1&b=2" in [a["href"] for a in Elements(page).named("a")]


@pytest.mark.parametrize("host", ["a;b.example", "a b.example", "x' 'unsafe-inline", "[::1"])
def test_a_malformed_host_is_left_out_of_the_policy(host: str) -> None:
    policy = policy_of(Elements(timeline_html(named("Ada", url=f"https://{host}/a.webm"))))
    assert "media-src 'self';" in policy and "unsafe" not in policy


def test_an_incomplete_recording_says_so_first() -> None:
    page = timeline_html(manifest([], 10.0, complete=False, warnings=["The tap was deaf for 12 s."]))
    assert "This recording is incomplete: Chromium ended unexpectedly." in page
    assert page.index("incomplete") < page.index("The tap was deaf for 12 s.")


def test_a_participant_with_two_sources_is_one_lane_with_two_files() -> None:
    twice = participant(
        1, "Ada", segment(1, "Ada", [(1.0, 2.0)], 10.0), segment(2, "Ada", [(1.5, 4.0), (6.0, 7.0)], 10.0)
    )
    page = timeline_html(manifest([twice], 10.0))
    data = json.loads(Elements(page).raw["script"][0])
    assert len(data["tracks"]) == 2
    assert len(data["tracks"][1]["clips"]) == 2
    assert data["tracks"][1]["speech"] == [[1.0, 4.0], [6.0, 7.0]]
    assert "source 1001 · source 1002 · spaces/demo/devices/1" in unescape(page)


def test_tiles_and_rows_show_the_totals() -> None:
    page = timeline_html(
        manifest(
            [
                participant(1, "Ada", segment(1, "Ada", [(0.0, 30.0)], 60.0)),
                participant(2, "Bob", segment(2, "Bob", [(25.0, 35.0)], 60.0), named_by="tiles"),
            ],
            60.0,
        )
    )
    assert "<dt>Speech</dt><dd>0:35<small>58 %</small>" in page
    assert "<dt>Two or more at once</dt><dd>0:05<small>14 %</small>" in page
    assert "0:30 · 75 %" in page and "0:10 · 25 %" in page
    assert "page tiles" in page
    assert 'class="two" d="M25.000 0h5.000v1h-5.000z"' in page


@pytest.mark.parametrize("started_at", ["", "not a date", "9999-12-31T23:59:59-12:00"])
def test_an_invalid_date_does_not_stop_the_page(started_at: str) -> None:
    plain = meeting(1, 60)
    page = timeline_html(
        msgspec.structs.replace(
            plain, recording=msgspec.structs.replace(plain.recording, started_at=started_at)
        )
    )
    assert "recorded by" in page


def test_the_page_of_a_long_meeting_is_rendered_fast_and_small() -> None:
    long = meeting(20, 4 * 3600)
    begun = time.perf_counter()
    page = timeline_html(long)
    assert time.perf_counter() - begun < 20
    assert len(page) < 1_000_000


def test_clock_time_and_percent_round_as_documented() -> None:
    assert [clock_time(t) for t in (0, 59.9, 60, 3599, 3600, 14400)] == [
        "0:00",
        "0:59",
        "1:00",
        "59:59",
        "1:00:00",
        "4:00:00",
    ]
    assert [percent(a, b) for a, b in ((0, 0), (0, 5), (1, 3), (1, 20), (1, 5000), (5, 5))] == [
        "0 %",
        "0 %",
        "33 %",
        "5.0 %",
        "under 0.1 %",
        "100 %",
    ]


def test_safe_url_accepts_relative_and_https_urls() -> None:
    assert safe_url("streams/a.webm") == "streams/a.webm"
    assert safe_url("https://x.example/a") == "https://x.example/a"
    assert safe_url("https://[::1") is None


def gated_meeting() -> Manifest:
    """Ada and Bob share a second; Ada is attributed by CSRCs, Bob by captions."""
    shared = Overlap(start_seconds=2.0, end_seconds=3.0, participants=["Bob"], csrcs=[1002])
    people = []
    for number, (name, evidence) in enumerate([("Ada", "csrc"), ("Bob", "captions")], start=1):
        gated = msgspec.structs.replace(
            segment(number, name, [(1.0, 4.0)], 10.0),
            isolation="gated-mix",
            overlaps=[shared],
            attribution=[(1.0, 4.0, evidence)],
        )
        people.append(participant(number, name, gated, named_by="frames"))
    whole = manifest(people, 10.0)
    mix = GatedMix(
        note="Nothing separates <them>.",
        packets=ByEvidence(csrc=150, captions=150),
        seconds=ByEvidence(csrc=3.0, captions=3.0, none=2.0),
        shared_packets=50,
        shared_seconds=1.0,
        noise_packets=0,
        mix=Packets(received=1234),
    )
    return msgspec.structs.replace(
        whole, recording=msgspec.structs.replace(whole.recording, gated_mix=mix, platform="microsoft_teams")
    )


def test_a_gated_mix_shows_shared_stretches_and_evidence() -> None:
    page = timeline_html(gated_meeting())
    assert '<li class="note">Nothing separates &lt;them&gt;.</li>' in page
    assert page.count('<path class="shared" d="M2.000 0.8h1.000v0.2h-1.000z"/>') == 2
    assert page.count('<path class="captions" d="M1.000 0.0h3.000') == 1
    assert 'path class="csrc"' not in page and 'path class="dsh"' not in page
    assert '<span class="key captions">told by captions</span>' in page
    assert "<dt>Attributed</dt><dd>75 %<small>packets, captions, nobody</small></dd>" in page
    assert "<dd>1,234<small></small></dd>" in page
    assert '<td data-label="Shared">0:01</td>' in page
    assert "roster messages" in page and "Microsoft Teams" in page
    elements = Elements(page)
    assert len(elements.named("th")) == 13
    digest = base64.b64encode(hashlib.sha256(elements.raw["style"][0].encode()).digest()).decode()
    assert digest in policy_of(elements)


def test_separate_stems_show_no_sharing_and_no_evidence() -> None:
    page = timeline_html(meeting(2, 60))
    assert not re.search("shared|dsh|Told by|Attributed", page.split("</style>")[1])


def test_pauses_are_shown_behind_the_lanes_and_in_a_sentence() -> None:
    whole = meeting(2, 60)
    recording = msgspec.structs.replace(whole.recording, pauses=[(5.0, 12.5), (40.0, 60.0)])
    page = timeline_html(msgspec.structs.replace(whole, recording=recording))
    assert "<li>The recording was paused: 0:05–0:12, 0:40–1:00.</li>" in page
    assert page.count('<path class="paused" d="M5.000 ') == page.count(">paused</span>") == 1
    elements = Elements(page)
    digest = base64.b64encode(hashlib.sha256(elements.raw["style"][0].encode()).digest()).decode()
    assert digest in policy_of(elements)
    assert "paused" not in timeline_html(whole)
