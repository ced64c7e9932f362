from __future__ import annotations

import pytest

from worker.lifecycle.page_view import Scene, View
from worker.platforms.signs import judge_sign_in
from worker.reasons import Reason


@pytest.mark.parametrize(
    ("reason", "signed_in", "expected"),
    [
        (Reason.SIGN_IN_REQUIRED, False, Reason.SIGN_IN_REQUIRED),
        (Reason.SIGN_IN_REQUIRED, True, Reason.SIGN_IN_FAILED),
        (Reason.DENIED_BY_HOST, True, Reason.DENIED_BY_HOST),
    ],
)
def test_a_sign_in_page_means_a_failed_sign_in_for_an_account(
    reason: Reason, signed_in: bool, expected: Reason
) -> None:
    view = View(scene=Scene.REFUSED, reason=reason, detail="Sign in")
    seen = judge_sign_in(view, signed_in=signed_in)
    assert (seen.scene, seen.reason, seen.detail) == (Scene.REFUSED, expected, "Sign in")
