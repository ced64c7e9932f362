"""Faults of ``meetstems listen``."""

from __future__ import annotations

from typing import Final

from tests.mutations.mutation import Mutation

CLI: Final = "tests/unit/cli/"
HEARD: Final = f"{CLI}test_heard.py"
SHOWN: Final = f"{CLI}test_heard_display.py"
SAVED: Final = f"{CLI}test_saved_sound.py"
LISTEN: Final = f"{CLI}test_listen.py"
RECEIVED: Final = "tests/unit/contracts/test_live_received.py"


def _mutation(breaks: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(breaks, file, old, new, tests, browser=())


LISTENING: Final = (
    _mutation(
        "base64 that is none is taken as sound",
        "worker/contracts/live_received.py",
        "validate=True",
        "validate=False",
        RECEIVED,
    ),
    _mutation(
        "a time that cannot be is taken",
        "worker/contracts/live_received.py",
        "not -_LONGEST <= relative <= _LONGEST",
        "False",
        RECEIVED,
    ),
    _mutation(
        "a text that is longer than its message is cut",
        "worker/contracts/live_received.py",
        "    if len(message) < end:\n",
        "    if len(message) < 0:\n",
        RECEIVED,
    ),
    _mutation(
        "a timestamp far ahead makes a file of any size",
        "worker/cli/heard.py",
        "if first <= late else None",
        "if first <= late or True else None",
        HEARD,
    ),
    _mutation(
        "any number of speakers is kept",
        "worker/cli/heard.py",
        "            if len(self.speakers) >= MOST_SPEAKERS:\n",
        "            if len(self.speakers) < 0:\n",
        HEARD,
    ),
    _mutation(
        "pieces of MeetStream's sound that follow each other are torn apart",
        "worker/cli/heard.py",
        "arrived - end < _CONTIGUOUS * sound.rate",
        "arrived < end",
        HEARD,
    ),
    _mutation(
        "a message without a name takes the name away",
        "worker/cli/heard.py",
        "speaker.name = who.name or speaker.name",
        "speaker.name = who.name",
        HEARD,
    ),
    _mutation(
        "names reach the terminal as they are",
        "worker/cli/heard_display.py",
        '            Text(printable(speaker.title), "bold" if speaks',
        '            Text(speaker.title, "bold" if speaks',
        SHOWN,
    ),
    _mutation(
        "words reach the terminal as they are",
        "worker/cli/heard_display.py",
        "{printable(event.text, 80)}",
        "{event.text}",
        SHOWN,
    ),
    _mutation(
        "files of one bot have lengths of their own",
        "worker/cli/saved_sound.py",
        "file.wav.close(round(ends[key.bot] * key.rate))",
        "file.wav.close()",
        SAVED,
    ),
    _mutation(
        "a file keeps its first name",
        "worker/cli/saved_sound.py",
        "            file.path = file.path.rename(path)\n",
        "            pass\n",
        SAVED,
    ),
    _mutation(
        "MeetStream's sender waits for its answer",
        "worker/cli/listen.py",
        "                if answer is not None:\n",
        "                if answer is None:\n",
        LISTEN,
    ),
    _mutation(
        "a display that fails ends the connection",
        "worker/cli/listen.py",
        "    except Exception as error:  # noqa: BLE001 - a closed stream",
        "    except KeyError as error:  # a closed stream",
        LISTEN,
    ),
)
