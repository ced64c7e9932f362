from __future__ import annotations

import asyncio
import os
import signal

import pytest

from worker.recording.signals import SIGNALS, stop_signals


async def send(number: signal.Signals) -> None:
    """Sends a signal to this process, and lets the loop handle it."""
    os.kill(os.getpid(), number)
    # The signal's handler wakes the loop by a socket, which the loop reads in its next turns.
    for _ in range(20):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("number", SIGNALS)
async def test_the_first_signal_completes_the_future_with_its_name(number: signal.Signals) -> None:
    with stop_signals() as stopped:
        assert not stopped.done()
        await send(number)
        assert stopped.result() == number.name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_repeated_signals_of_a_process_manager_change_nothing(number: signal.Signals) -> None:
    with stop_signals() as stopped:
        await send(signal.SIGTERM)
        for _ in range(3):
            await send(number)
        assert stopped.result() == "SIGTERM"


async def test_only_a_second_sigint_is_hard() -> None:
    with stop_signals() as stopped:
        await send(signal.SIGINT)
        assert stopped.result() == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


async def test_the_first_sigint_after_a_drain_is_not_hard() -> None:
    with stop_signals() as stopped:
        await send(signal.SIGTERM)
        await send(signal.SIGINT)
        assert stopped.result() == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


async def test_sigterm_after_a_sigint_is_not_hard() -> None:
    with stop_signals() as stopped:
        await send(signal.SIGINT)
        await send(signal.SIGTERM)
        assert stopped.result() == "SIGINT"


async def test_handlers_are_gone_after_the_block() -> None:
    with stop_signals() as stopped:
        pass
    assert stopped.cancelled()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
