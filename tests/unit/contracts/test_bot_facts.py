from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.bot_facts import bot_of, related_id
from worker.contracts.recall_documents import ARTIFACTS, RECORDING

KINDS = (RECORDING, *ARTIFACTS)


@given(st.uuids(version=4))
def test_ids_of_artifacts_are_uuids_that_lead_back_to_their_bot(bot: uuid.UUID) -> None:
    made = {kind: related_id(kind, str(bot)) for kind in KINDS}
    assert len({str(bot), *made.values()}) == len(KINDS) + 1
    for kind, identifier in made.items():
        assert identifier is not None
        assert (uuid.UUID(identifier).version, uuid.UUID(identifier).variant) == (4, uuid.RFC_4122)
        assert bot_of(kind, identifier) == str(bot)


def test_what_is_no_uuid_has_no_related_id() -> None:
    assert related_id(RECORDING, "bot-1") is None
