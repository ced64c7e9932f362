"""Faults of who is told to be in a call live, and of live messages."""

from __future__ import annotations

from typing import Final

from tests.mutations.mutation import Mutation

PEOPLE: Final = "worker/streaming/live_people.py"
PEOPLE_TEST: Final = "tests/unit/streaming/test_live_people.py"
CALL: Final = "worker/streaming/live_call.py"
CALL_TEST: Final = "tests/unit/streaming/test_live_call.py"
FORMS_TEST: Final = "tests/unit/contracts/test_live_forms.py"
NUMBERS_TEST: Final = "tests/unit/manifest/test_person_numbers.py"


def _mutation(breaks: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(breaks, file, old, new, tests, browser=())


LIVE_PEOPLE: Final = (
    _mutation(
        "the bot's own tile joins",
        PEOPLE,
        "        if not self._knows_us:\n            return\n",
        "",
        PEOPLE_TEST,
        CALL_TEST,
    ),
    _mutation(
        "who leaves goes on speaking",
        PEOPLE,
        "        if number in self._speaking:\n            self._stop_speaking(member)\n",
        "",
        PEOPLE_TEST,
    ),
    _mutation(
        "last words bring back who has left",
        PEOPLE,
        "if device.is_us or device.parent_id is None or not device.status.is_here:",
        "if device.is_us:",
        PEOPLE_TEST,
    ),
    _mutation(
        "comfort noise is speech",
        PEOPLE,
        "        if self._noise.is_alone(packet.source, packet.position & 0xFFFF_FFFF, packet.payload):\n"
        "            return\n",
        "",
        PEOPLE_TEST,
    ),
    _mutation(
        "a name found late is not told before the roster changes again",
        PEOPLE,
        "            person = self._person(device.device_id)\n            if person != member.person",
        "            person = member.person\n            if person != member.person",
        PEOPLE_TEST,
    ),
    _mutation(
        "an unknown speaker stays beside whom it turned out to be",
        PEOPLE,
        "        self._follow(packet.source, person, at)\n",
        "",
        PEOPLE_TEST,
    ),
    _mutation(
        "a large roster is read for each of its messages",
        PEOPLE,
        "pause = REFRESH_PAUSE * len(self._roster.devices)",
        "pause = 0",
        PEOPLE_TEST,
    ),
    _mutation(
        "speech goes on through a pause",
        PEOPLE,
        "            case RecordingPaused():\n                self.be_silent()\n",
        "",
        PEOPLE_TEST,
    ),
    _mutation(
        "without a receiver of packets nobody is told to speak",
        CALL,
        "            opus=True,\n",
        "            opus=opus,\n",
        CALL_TEST,
    ),
    _mutation(
        "later attempts count from their own beginning",
        CALL,
        "self._relative_zero = relative_zero",
        "self._relative_zero = None",
        CALL_TEST,
    ),
    _mutation(
        "one message says how far another's sound is a speaker's own",
        "worker/contracts/live_recall.py",
        "self._prepared.get((person, isolation))",
        "self._prepared.get((person, None))",
        FORMS_TEST,
    ),
    _mutation(
        "a long name is cut within a character",
        "worker/contracts/live_meetstream.py",
        'encoded = encoded[:_LONGEST].decode("utf-8", "ignore").encode()',
        "encoded = encoded[:_LONGEST]",
        FORMS_TEST,
    ),
    _mutation(
        "two participants of one hash are one",
        "worker/manifest/person_numbers.py",
        "        while number in self._taken:\n            number = number % LARGEST + 1\n",
        "",
        NUMBERS_TEST,
        "tests/unit/manifest/test_merge_meetings.py",
    ),
)
