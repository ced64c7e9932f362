"""Faults in the server's page: who may see it, whose forms it obeys, whose words it shows, and what is live."""

from __future__ import annotations

from typing import Final

from tests.mutations.mutation import Mutation

PAGE: Final = "worker/server/page/"
TESTS: Final = "tests/unit/server/page/"


def _mutation(breaks: str, file: str, old: str, new: str, test: str) -> Mutation:
    return Mutation(breaks, f"{PAGE}{file}", old, new, (f"{TESTS}{test}",), browser=())


FAULTS_OF_PAGE: Final = (
    _mutation(
        "a session outlives its key",
        "sessions.py",
        'self._links.mac("session", *fields, workspace.sha256.lower())',
        'self._links.mac("session", *fields)',
        "test_routes.py",
    ),
    _mutation(
        "a session never expires",
        "sessions.py",
        " or self._clock() >= int(expires[:20])",
        "",
        "test_routes.py",
    ),
    _mutation(
        "forms of other sites are obeyed",
        "routes.py",
        '    if not is_own_form(request.headers.get("origin"), request.headers.get("host", "")):\n        raise',
        "    if False:\n        raise",
        "test_routes.py",
    ),
    _mutation(
        "people's words are markup",
        "templates.py",
        "autoescape=True",
        "autoescape=False",
        "test_templates.py",
    ),
    _mutation(
        "people's words can turn the text around",
        "templates.py",
        "        finalize=harmless,\n",
        "",
        "test_templates.py",
    ),
    _mutation(
        "any object of a bot can be downloaded",
        "routes.py",
        "name = files_of(facts.manifest).get(wanted)",
        "name = wanted",
        "test_routes.py",
    ),
    _mutation(
        "a new reader of the list is sent an older one than its page",
        "event_stream.py",
        "if watch.looks >= first and snapshot.version > sent:",
        "if snapshot.version > sent:",
        "test_event_stream.py",
    ),
    _mutation(
        "bots that are over are read again and again",
        "live.py",
        "known=known",
        "known={}",
        "test_event_stream.py",
    ),
)
