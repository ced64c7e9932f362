from __future__ import annotations

import threading

import pytest

from worker.delivery.daemon_call import call_in_daemon


def test_it_gives_what_the_call_returns_or_raises() -> None:
    assert call_in_daemon(lambda: 7, "test").result(20) == 7
    with pytest.raises(ZeroDivisionError):
        call_in_daemon(lambda: 1 // 0, "test").result(20)


def test_its_thread_is_a_daemon_with_the_given_name() -> None:
    thread = call_in_daemon(threading.current_thread, "test").result(20)
    assert (thread.daemon, thread.name) == (True, "test")


def test_what_is_at_work_cannot_be_cancelled() -> None:
    released = threading.Event()
    try:
        assert not call_in_daemon(lambda: released.wait(20), "test").cancel()
    finally:
        released.set()
