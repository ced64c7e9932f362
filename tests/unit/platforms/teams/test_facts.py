from __future__ import annotations

import pytest

from worker.platforms.teams.facts import Facts, Notice, joined

NOTICE = Notice(text="Recording has started")
PAGE = Facts(url="https://teams.microsoft.com/v2/", language="en", elements=frozenset({"a"}), text="page")
FRAME = Facts(
    url="about:srcdoc",
    language="de",
    elements=frozenset({"b"}),
    name="Stems",
    headings=["over"],
    notices=[NOTICE],
    text="frame",
    announced="somebody came",
)


def test_a_page_without_frames_is_as_it_was_read() -> None:
    assert joined(PAGE, [], with_text=True) is PAGE


@pytest.mark.parametrize("with_text", [True, False])
def test_frames_add_elements_and_notices_and_texts_where_wanted(with_text: bool) -> None:
    facts = joined(PAGE, [FRAME, Facts(name="other")], with_text=with_text)
    assert (facts.url, facts.language, facts.name) == (PAGE.url, "en", "Stems")
    assert (facts.elements, facts.notices) == (frozenset("ab"), [NOTICE])
    assert facts.headings == (["over"] if with_text else [])
    assert ("frame" in facts.text, "somebody" in facts.announced) == (with_text, with_text)
    assert facts.text.startswith("page")
