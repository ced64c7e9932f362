from __future__ import annotations

import msgspec.inspect
import pytest

from worker.contracts.json_body import JobError
from worker.contracts.validation import check, ignored_fields


def test_a_form_is_described_once_and_not_for_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    class Form(msgspec.Struct):
        name: str = ""

    described: list[object] = []
    describe = msgspec.inspect.type_info

    def counted(form: object) -> msgspec.inspect.Type:
        described.append(form)
        return describe(form)

    monkeypatch.setattr(msgspec.inspect, "type_info", counted)
    for _ in range(3):
        assert ignored_fields({"name": "x", "other": 1}, Form) == ["other"]
        with pytest.raises(JobError):
            check({"name": 1}, Form)
    assert described == [Form]
