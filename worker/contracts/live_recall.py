"""Recall.ai's live messages (pure).

Source: Recall.ai's guide "How to get Separate Audio per Participant (Realtime)" and its page "Real-Time Event Payloads"
(docs.recall.ai). For mixed audio that page names the artifact ``audio_mixed``, another one ``audio_mixed_raw``: it is there
under both names, as a receiver reads one of them.

Extensions of ours, which receivers do not get unless they ask for them, or ignore: ``audio_separate_opus.data``, whose buffer
is one Opus packet, with its ``position`` and ``samples`` (at 48 kHz, of meeting time); ``realtime_endpoint.gap``, which says
how many ``seconds`` of sound were left out; and in a participant's ``extra_data`` ``isolation``, with sound, and ``attempt``.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any, Final

from worker.contracts.bot_facts import endpoint_kind, related_id
from worker.contracts.live_endpoints import (
    AUDIO_MIXED,
    AUDIO_OPUS,
    AUDIO_SEPARATE,
    GAP,
    PARTICIPANT_EVENTS,
    LiveEndpoint,
)
from worker.contracts.live_items import (
    Action,
    Isolation,
    LiveEvent,
    LiveItem,
    LiveMix,
    LiveOpus,
    LivePcm,
    LivePerson,
    LiveStart,
)
from worker.contracts.live_moments import SAMPLE_RATE, Moments
from worker.contracts.recall_participant import participant_document
from worker.contracts.text_values import json_text, text_values, well_formed
from worker.manifest.person_numbers import number_of_source
from worker.platforms.registry import Platform

MOST_REPEATED_METADATA: Final = 4 * 1024
"""Bytes of JSON; more metadata of an endpoint and its bot is in events only. Messages of sound come 50 times a second."""

MOST_PREPARED: Final = 1_000
"""Participants whose JSON is kept; then it is made anew."""


class RecallForm:
    """Makes an endpoint's messages, as JSON. What is the same in all of them is made once."""

    def __init__(
        self, endpoint: LiveEndpoint, bot_id: str, platform: Platform, metadata: dict[str, Any], attempt: int
    ) -> None:
        bot_id = well_formed(bot_id)
        self._events = frozenset(endpoint.events)
        self._wants_audio = endpoint.wants_audio
        self._platform = platform
        self._attempt = attempt
        self._moments = Moments()
        self._prepared: dict[tuple[LivePerson, Isolation | None], str] = {}
        heads = {
            "realtime_endpoint": _id_of(endpoint_kind(endpoint.number), bot_id),
            "recording": _id_of("recording", bot_id),
            "bot": bot_id,
        }
        shown = {"realtime_endpoint": text_values(endpoint.metadata), "bot": text_values(metadata)}
        repeated = _repeated(shown)

        def tail(metadata: dict[str, dict[str, str]], *kinds: str) -> str:
            common = {
                name: {"id": own_id, "metadata": metadata.get(name, {})} for name, own_id in heads.items()
            }
            artifacts = {
                kind: {"id": _id_of(kind.removesuffix("_raw"), bot_id), "metadata": {}} for kind in kinds
            }
            return f",{json_text({**common, **artifacts})[1:]}}}"

        self._separate = tail(repeated, "audio_separate")
        self._mixed = tail(repeated, "audio_mixed", "audio_mixed_raw")
        self._participant_events = tail(shown, "participant_events")
        self._gap = tail(repeated)

    def opening(self) -> list[str | bytes]:
        """Nothing: the vendor's connections begin with what is asked for."""
        return []

    def encode(self, item: LiveItem) -> str | None:
        """See worker.contracts.live_forms.MessageForm."""
        match item:
            case LivePcm() if AUDIO_SEPARATE in self._events:
                sound = self._sound(item.pcm, item.position)
                who = self._participant(_person(item.person, item.source), item.isolation)
                return f'{{"event":"{AUDIO_SEPARATE}","data":{{"data":{{{sound},"participant":{who}}}{self._separate}'
            case LiveOpus() if AUDIO_OPUS in self._events:
                sound = self._sound(item.payload, item.position)
                place = f'"position":{item.position},"samples":{item.samples}'
                who = self._participant(_person(item.person, item.source), item.isolation)
                return f'{{"event":"{AUDIO_OPUS}","data":{{"data":{{{sound},{place},"participant":{who}}}{self._separate}'
            case LiveMix() if AUDIO_MIXED in self._events:
                sound = self._sound(item.pcm, item.position)
                return f'{{"event":"{AUDIO_MIXED}","data":{{"data":{{{sound}}}{self._mixed}'
            case LiveEvent() if f"{PARTICIPANT_EVENTS}{item.action}" in self._events:
                return self._event(item)
            case LiveStart():
                self._moments = Moments(item.zero, item.relative_zero)
                return None
            case _:
                return None

    def gap(self, seconds: float, person: LivePerson | None) -> str | None:
        """See worker.contracts.live_forms.MessageForm."""
        if not self._wants_audio:
            return None
        who = "null" if person is None else self._participant(person, None)
        data = f'"seconds":{json_text(round(float(seconds), 3))},"participant":{who}'
        return f'{{"event":"{GAP}","data":{{"data":{{{data}}}{self._gap}'

    def _sound(self, sound: bytes, position: int) -> str:
        at = position / SAMPLE_RATE
        relative, absolute = self._moments.relative(at), self._moments.absolute(at)
        buffer = b2a_base64(sound, newline=False).decode("ascii")
        return f'"buffer":"{buffer}","timestamp":{{"relative":{relative!r},"absolute":"{absolute}"}}'

    def _event(self, item: LiveEvent) -> str:
        timestamp = json_text(self._moments.timestamp(item.at))
        said = None
        if item.action is Action.CHAT_MESSAGE:
            said = {"text": well_formed(item.text or ""), "to": "everyone"}
        who = self._participant(item.person, None)
        data = f'"participant":{who},"timestamp":{timestamp},"data":{json_text(said)}'
        name = f"{PARTICIPANT_EVENTS}{item.action}"
        return f'{{"event":"{name}","data":{{"data":{{{data}}}{self._participant_events}'

    def _participant(self, person: LivePerson, isolation: Isolation | None) -> str:
        """The participant's JSON; ``isolation`` None: the message has no sound."""
        prepared = self._prepared.get((person, isolation))
        if prepared is None:
            if len(self._prepared) >= MOST_PREPARED:
                self._prepared.clear()
            more: dict[str, Any] = {"attempt": self._attempt}
            if isolation is not None:
                more["isolation"] = isolation.value
            prepared = self._prepared[person, isolation] = json_text(
                participant_document(
                    person.number,
                    None if person.name is None else well_formed(person.name),
                    self._platform,
                    None if person.participant_id is None else well_formed(person.participant_id),
                    is_host=person.is_host,
                    **more,
                )
            )
        return prepared


def _repeated(shown: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The metadata that messages of sound have, by what it is of: each that fits, in order, into MOST_REPEATED_METADATA."""
    repeated: dict[str, dict[str, str]] = {}
    left = MOST_REPEATED_METADATA
    for name, metadata in shown.items():
        size = len(json_text(metadata).encode())
        if size <= left:
            repeated[name] = metadata
            left -= size
    return repeated


def _person(person: LivePerson | None, source: int) -> LivePerson:
    """The speaker; one without a name and an id where nobody knows whose ``source`` is."""
    return person or LivePerson(number=number_of_source(source), participant_id=None, name=None)


def _id_of(kind: str, bot_id: str) -> str:
    """The id of the bot's one artifact of ``kind``: always a text, also where the bot's own id is no UUID."""
    return related_id(kind, bot_id) or f"{bot_id}-{kind}"
