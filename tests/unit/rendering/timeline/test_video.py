"""The parts of the timeline page about video, as text. How the player behaves is tested in tests/browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.sample_manifests import manifest, meeting, participant, segment, shown_segment, video
from worker.manifest.schema import Manifest, VideoStreams
from worker.rendering.timeline.page import timeline_html


def with_video(whole: Manifest, *streams: VideoStreams) -> Manifest:
    return msgspec.structs.replace(whole, video_streams=list(streams))


def tags(page: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, sorted(name for name, _ in attrs)))

    Tags().feed(page)
    return found


def one(name: str = "Ada", kind: str = "webcam", url: str | None = None, **more: str | int) -> Manifest:
    changed = msgspec.structs.replace(shown_segment(name, [(-0.5, 2.0), (4.0, 11.0)], url=url), **more)
    return with_video(manifest([], 10.0), video(1, name, changed, kind=kind))


def test_without_video_the_page_is_as_it_was() -> None:
    page = timeline_html(meeting(3, 60))
    assert timeline_html(with_video(meeting(3, 60))) == page
    assert not re.search("video|stage", page)


def test_lanes_are_under_their_speaker_and_those_of_others_at_the_end() -> None:
    people = [
        participant(number, name, segment(number, name, [(1.0, 2.0)], 10.0))
        for number, name in ((1, "Ada"), (2, "Bob"))
    ]
    page = timeline_html(
        with_video(
            manifest(people, 10.0),
            video(3, "Eve", shown_segment("Eve", [(0.0, 4.0)]), kind="webcam"),
            video(1, "Ada", shown_segment("Ada", [(0.0, 4.0)]), kind="webcam"),
            video(1, "Ada", shown_segment("Ada", [(5.0, 6.0)]), kind="screenshare"),
        )
    )
    assert re.findall(r'aria-label="When ([^"]*) (?:speaks|is shown)"', page) == [
        "anybody",
        "Ada",
        "camera of Ada",
        "screen of Ada",
        "Bob",
        "camera of Eve",
    ]
    hues = re.findall(r'class="lane (?:video )?(h\d+)', page)
    assert hues[0] == hues[1] == hues[2] and len(set(hues)) == 3
    assert "<dt>Cameras</dt><dd>2<small>1 screen</small></dd>" in page


def test_a_lane_is_within_the_recording_and_the_data_are_not() -> None:
    page = timeline_html(one())
    assert '<path d="M0.000 0h2.000v1h-2.000zM4.000 0h6.000v1h-6.000z"/>' in page
    (data,) = json.loads(re.findall(r'id="videos">(.*?)</script>', page)[0])
    assert data["shown"] == [[-0.5, 2.0], [4.0, 11.0]]
    assert data["clips"][0]["start"] == -0.5
    assert (data["track"], data["screen"]) == (None, False)


def test_the_policy_allows_the_players_script_and_the_hosts_of_its_files() -> None:
    page = timeline_html(one(url="https://bucket.example/a.mp4?X=1"))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    scripts = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "https://bucket.example;" in policy


def test_the_row_sums_up_the_files() -> None:
    page = timeline_html(one(frames=142, lost=2, codec="vp9"))
    cells = dict(re.findall(r'data-label="([^"]*)" class="[^"]*">(.*?)</td>', page))
    assert cells["Shown"] == "0:09" and cells["Size"] == "640×360" and cells["Frames/s"] == "14.9"
    assert (cells["Lost"], cells["Owner known from"], cells["Format"]) == ("2", "the stream&#x27;s id", "vp9")
    assert cells["Files"].startswith('<a href="video/Ada_')


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:video/mp4,x", "//evil.example/x", "http://x.example/a"]
)
def test_only_relative_and_https_files_are_linked_and_played(url: str) -> None:
    page = timeline_html(one(url=url))
    assert "<a " not in page
    assert '"clips":[]' in page.split('id="videos"')[1]
    assert re.search(r'data-video="0"[^>]* disabled', page)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_no_text_adds_an_element(text: str) -> None:
    hostile = one(text, text, codec=text, owner_evidence=text, filename=text)
    plain = one("Ada", "webcam")
    assert tags(timeline_html(hostile)) == tags(timeline_html(plain))


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--", '" onfocus="alert(1)'])
def test_hostile_names_are_shown_as_text(name: str) -> None:
    page = timeline_html(one(name))
    assert tags(page) == tags(timeline_html(one()))
    (data,) = json.loads(re.findall(r'id="videos">(.*?)</script>', page)[0])
    assert data["name"] == f"{name} · camera"
