from __future__ import annotations

import re
from typing import Final

import pytest

from tests.support.memory_store import Failing, MemoryStore
from tests.support.page_files import files_of_page
from tests.support.sample_manifests import recorded, someone, video, video_segment, with_videos
from worker.delivery.bucket_layout import bot_keys
from worker.delivery.errors import RefusedError, UnavailableError
from worker.delivery.lease import LeaseLostError
from worker.jobs import publish_page as publish_page_module
from worker.jobs.publish_page import publish_page
from worker.manifest.schema import Manifest
from worker.rendering.timeline.page import timeline_html

KEYS: Final = bot_keys("", "bot-1").attempt(1)
PAGE: Final = KEYS.file("timeline.html")
SHOWN: Final = with_videos(
    recorded(1, 0.0, 10.0, someone(1, "Ada", (1.0, 2.0)), someone(2, "Grace", (2.0, 3.0))),
    video(1, "Ada", video_segment("Ada"), video_segment("Ada", 5.0, index=1)),
).manifest
FILES: Final = [
    "audio.wav",
    *(segment.url for _, segment in SHOWN.segments()),
    *(segment.url for _, segment in SHOWN.video_segments()),
]


def stored(*names: str) -> MemoryStore:
    store = MemoryStore()
    for name in names:
        store.overwrite(KEYS.file(name), b"content")
    return store


@pytest.mark.parametrize("left_out", [*FILES, None])
def test_the_page_names_what_is_there_and_nothing_else(left_out: str | None) -> None:
    there = [name for name in FILES if name != left_out]
    store = stored(*there)
    publish_page(store, KEYS, SHOWN)
    assert files_of_page(store.objects[PAGE]) == set(there)


def test_speakers_without_a_file_are_shown_all_the_same() -> None:
    store = stored("audio.wav")
    publish_page(store, KEYS, SHOWN)
    page = store.objects[PAGE].decode()
    assert len(re.findall('aria-label="When (?:Ada|Grace) speaks"', page)) == 2
    assert 'aria-label="Play Ada" disabled' in page


def test_a_page_that_says_something_else_is_replaced_and_the_same_is_not_written_again() -> None:
    store = stored(*FILES)
    store.overwrite(PAGE, b"of the files as they were sent")
    publish_page(store, KEYS, SHOWN)
    assert store.objects[PAGE] == timeline_html(SHOWN).encode()
    store.asked.clear()
    publish_page(store, KEYS, SHOWN)
    assert "put" not in {method for method, _ in store.asked}


@pytest.mark.parametrize("request_", ["list ", "get ", "put "])
@pytest.mark.parametrize("problem", [RefusedError("no"), UnavailableError("no"), OSError("disk")], ids=repr)
def test_a_page_that_cannot_be_uploaded_costs_nothing_else(request_: str, problem: Exception) -> None:
    store = stored(*FILES)
    store.before = Failing(problem, wanted=(request_,))
    publish_page(store, KEYS, SHOWN)
    assert PAGE not in store.objects


def test_a_page_that_cannot_be_made_costs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_manifest: Manifest) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(publish_page_module, "timeline_html", fail)
    store = stored(*FILES)
    publish_page(store, KEYS, SHOWN)
    assert PAGE not in store.objects


def test_a_lost_lease_ends_it() -> None:
    store = stored(*FILES)
    store.before = Failing(LeaseLostError("taken"), wanted=("put ",))
    with pytest.raises(LeaseLostError):
        publish_page(store, KEYS, SHOWN)
