from __future__ import annotations

import msgspec
import pytest

from tests.support.job_parts import result_of
from worker.contracts.status import OutcomeKind
from worker.jobs.disposition import Disposition, disposition_of


@pytest.mark.parametrize(
    ("kind", "disposition"),
    [
        (OutcomeKind.RECORDED, Disposition.DONE),
        (OutcomeKind.NOT_RECORDED, Disposition.DONE),
        (OutcomeKind.NOT_ADMITTED, Disposition.DONE),
        (OutcomeKind.FAILED, Disposition.FAILED),
    ],
)
def test_a_job_with_a_result_is_done_unless_it_failed(kind: OutcomeKind, disposition: Disposition) -> None:
    result = result_of(kind)
    assert disposition_of(result) is disposition
    read_again = msgspec.json.decode(msgspec.json.encode(result), type=type(result))
    assert disposition_of(read_again) is disposition
