"""Recall.ai's routes (``/api/v1/bot``, ``/recording`` and one for each kind of artifact)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, RawBody

from worker.contracts.bot_facts import BotFacts, bot_of, endpoint_kind
from worker.contracts.fields import Attributes
from worker.contracts.job import read_attributes
from worker.contracts.json_body import JobError
from worker.contracts.live_fields import MOST_ENDPOINTS
from worker.contracts.recall import RecallBot, read_recall
from worker.contracts.recall_documents import (
    ARTIFACTS,
    AUDIO_MIXED,
    DELETED,
    RECORDING,
    DocumentUrl,
    artifact_document,
    bot_document,
    endpoint_documents,
    full_recording_document,
    mixed_form,
    recording_document,
    status_code,
)
from worker.server.access import LIMIT, Access
from worker.server.bots import BotBusyError
from worker.server.creation import Creation, Kind, Request, create_once, read_body, read_form, read_job
from worker.server.cursors import read_cursor, write_cursor
from worker.server.errors import NOT_FOUND, ApiError, Vendor, bad_body
from worker.server.openapi import NEEDS_KEY, body_of, responses
from worker.server.records import BotRecord
from worker.server.services import AnyRequest, Given, Services
from worker.settings import DemoMeeting

KEPT: Final = 3600.0
"""Seconds for which an Idempotency-Key counts, as Recall.ai's."""

LINK_SECONDS: Final = 6 * 3600
"""Seconds for which download URLs are valid."""

PAGE: Final = 50
"""Bots, or artifacts of as many bots, on a page of a list."""

SEARCH_RETRY: Final = 5
"""Seconds after which a filtered list may be asked for again while the workspace's others are read."""

_REQUIRED: Final = "This field is required."
_METADATA: Final = "metadata__"

Document = dict[str, Any]
Wanted = Callable[[BotFacts], bool]


class ArtifactChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What can be changed of an artifact."""

    metadata: Attributes | None = None


def recall_router() -> Router:
    """The routes, behind the guard."""
    return Router(
        "/api/v1",
        route_handlers=[
            create_bot,
            list_bots,
            retrieve_bot,
            update_bot,
            delete_bot,
            delete_media,
            list_recordings,
            retrieve_recording,
            delete_recording,
            *(handler for kind in ARTIFACTS for handler in _artifact_routes(kind)),
            list_realtime_endpoints,
            retrieve_realtime_endpoint,
        ],
        guards=[Access(Vendor.RECALL)],
        security=NEEDS_KEY,
        tags=["Recall.ai"],
    )


@post(
    "/bot",
    opt={LIMIT: "create"},
    operation_class=body_of(RecallBot),
    responses=responses(Vendor.RECALL, 400, 403, 409, 413),
    sync_to_thread=True,
)
def create_bot(services: Given, request: AnyRequest, body: RawBody) -> Response[Document]:
    """Sends a bot. A replay of an Idempotency-Key gives the bot of the first request."""
    values = _body(body, services.demo)
    job = read_job(values, read_recall)
    services.url_checks.check(request.auth.name, job, values)
    creation = create_once(
        services.bots,
        Request(
            workspace=request.auth.name,
            path="/bot",
            key=request.headers.get("idempotency-key"),
            kept=KEPT,
            body=body,
            job=job,
        ),
        services.clock(),
    )
    match creation:
        case Creation(Kind.MADE | Kind.REPLAYED | Kind.DIFFERS as kind, BotFacts() as facts):
            if kind is Kind.MADE:
                services.metrics.bot_created("recall")
            return Response(_bot(services, request, facts), status_code=HTTPStatus.CREATED)
        case _:
            raise ApiError(409, "A request with this Idempotency-Key is being worked on.")


@get("/bot", opt={LIMIT: "list"}, responses=responses(Vendor.RECALL, 400, 404), sync_to_thread=True)
def list_bots(services: Given, request: AnyRequest, page: FromQuery[int] = 1) -> Document:
    """Lists bots by page numbers, the newest first.

    Filters: ``join_at_after``, ``join_at_before``, ``meeting_url``, ``platform``, ``status``, ``metadata__KEY``. A filtered
    list reads all bots; the plain one only those of the page.
    """
    if page < 1:
        raise _bad_field("page", "expected 1 or more")
    workspace, first = request.auth.name, (page - 1) * PAGE
    wanted = _bot_filter(request)
    if wanted is None:
        count = services.bots.count(workspace)
        start = services.bots.skip(workspace, first)
        bots = (
            services.bots.page(workspace, start, PAGE, with_manifest=True).bots if start is not None else []
        )
    else:
        matching = _matching(services, workspace, wanted)
        count = len(matching)
        bots = [
            found
            for facts in matching[first : first + PAGE]
            if (found := services.bots.facts(workspace, facts.bot_id)) is not None
        ]
    if first >= count and page > 1:
        raise ApiError(404, "Invalid page.")
    return {
        "count": count,
        "next": _page_url(services, request, page + 1) if first + PAGE < count else None,
        "previous": _page_url(services, request, page - 1) if page > 1 else None,
        "results": [_bot(services, request, facts) for facts in bots],
    }


def _matching(services: Services, workspace: str, wanted: Callable[[BotFacts], bool]) -> list[BotFacts]:
    """All bots that are ``wanted``. Raises ApiError while others of the workspace are looked for."""
    if not services.searches.take(workspace):
        raise ApiError(429, "Request was throttled.", headers={"Retry-After": str(SEARCH_RETRY)})
    try:
        return [facts for facts in services.bots.each(workspace) if wanted(facts)]
    finally:
        services.searches.give_back(workspace)


@get("/bot/{bot_id:str}", responses=responses(Vendor.RECALL, 404), sync_to_thread=True)
def retrieve_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Returns a bot."""
    return _bot(services, request, _facts(services, request, bot_id))


@patch(
    "/bot/{bot_id:str}",
    operation_class=body_of(RecallBot, partial=True),
    responses=responses(Vendor.RECALL, 400, 403, 404, 413),
    sync_to_thread=True,
)
def update_bot(services: Given, request: AnyRequest, bot_id: FromPath[str], body: RawBody) -> Document:
    """Changes a bot that is scheduled and not dispatched yet; fields that are not given stay as they are."""
    record = _record(services, request, bot_id)
    changes = read_body(body, services.demo)
    if record.vendor != "recall":
        raise ApiError(400, "The bot was made in another form.", code="update_bot_failed")
    kept = {name: value for name, value in record.body.items() if name != "bot_id"}
    job = read_job({**kept, **changes}, read_recall, bot_id, kept.keys() - changes.keys())
    services.url_checks.check(request.auth.name, job, changes)
    try:
        return _bot(services, request, services.bots.change(record, job))
    except BotBusyError as error:
        message = "Only a bot that is not dispatched yet can be changed."
        raise ApiError(400, message, code="update_bot_failed") from error


@delete(
    "/bot/{bot_id:str}", status_code=204, responses=responses(Vendor.RECALL, 404, 405), sync_to_thread=True
)
def delete_bot(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> None:
    """Removes a bot that is scheduled and not dispatched yet."""
    record = _record(services, request, bot_id)
    try:
        services.deletions.withdraw(record)
    except BotBusyError as error:
        message = "Only a bot that is not dispatched yet can be deleted."
        raise ApiError(405, message, code="cannot_delete_bot") from error


@post(
    "/bot/{bot_id:str}/delete_media",
    status_code=200,
    responses=responses(Vendor.RECALL, 400, 404),
    sync_to_thread=True,
)
def delete_media(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Document:
    """Removes all that was recorded and kept of the bot, for good; the bot stays in lists, and its recording is ``deleted``."""
    _delete_media(services, _record(services, request, bot_id))
    return _bot(services, request, _facts(services, request, bot_id))


@get("/recording", opt={LIMIT: "list"}, responses=responses(Vendor.RECALL, 400), sync_to_thread=True)
def list_recordings(
    services: Given,
    request: AnyRequest,
    bot_id: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Document:
    """Lists recordings by cursor, the newest first. Filters: ``bot_id``, ``status_code``, ``created_at_after/before``."""
    return _cursor_page(
        services,
        request,
        bot_id,
        cursor,
        lambda facts: _listed(full_recording_document(facts, _urls(services, request, facts))),
    )


@get("/recording/{recording_id:str}", responses=responses(Vendor.RECALL, 404), sync_to_thread=True)
def retrieve_recording(services: Given, request: AnyRequest, recording_id: FromPath[str]) -> Document:
    """Returns a recording."""
    facts = _facts(services, request, bot_of(RECORDING, recording_id) or "")
    document = full_recording_document(facts, _urls(services, request, facts))
    if document is None:
        raise ApiError(404, NOT_FOUND)
    return document


@delete(
    "/recording/{recording_id:str}",
    status_code=204,
    responses=responses(Vendor.RECALL, 400, 404),
    sync_to_thread=True,
)
def delete_recording(services: Given, request: AnyRequest, recording_id: FromPath[str]) -> None:
    """Removes all that was recorded, for good, as delete_media of its bot."""
    bot_id = bot_of(RECORDING, recording_id) or ""
    if recording_document(_facts(services, request, bot_id), lambda _: "") is None:
        raise ApiError(404, NOT_FOUND)
    _delete_media(services, _record(services, request, bot_id))


def _delete_media(services: Services, record: BotRecord) -> None:
    with _finished():
        services.deletions.delete_media(record)


@contextmanager
def _finished() -> Iterator[None]:
    """Raises ApiError for a deletion that has to wait for the bot."""
    try:
        yield
    except BotBusyError as error:
        raise ApiError(400, "The bot is still at work.", code="cannot_command_unfinished_bot") from error


def _artifact_routes(kind: str) -> list[HTTPRouteHandler]:
    @get(
        f"/{kind}",
        name=f"{kind}_list",
        operation_id=f"{kind}_list",
        opt={LIMIT: "list"},
        responses=responses(Vendor.RECALL, 400),
        sync_to_thread=True,
    )
    def list_artifacts(
        services: Given,
        request: AnyRequest,
        recording_id: FromQuery[str | None] = None,
        cursor: FromQuery[str | None] = None,
    ) -> Document:
        """Lists artifacts by cursor, the newest first, by ``recording_id``, ``status_code``, ``created_at_after/before``."""
        bot_id = None if recording_id is None else bot_of(RECORDING, recording_id) or ""
        return _cursor_page(
            services,
            request,
            bot_id,
            cursor,
            lambda facts: _listed(artifact_document(facts, kind, _urls(services, request, facts))),
        )

    @get(
        f"/{kind}/{{artifact_id:str}}",
        name=f"{kind}_retrieve",
        operation_id=f"{kind}_retrieve",
        responses=responses(Vendor.RECALL, 404),
        sync_to_thread=True,
    )
    def retrieve_artifact(services: Given, request: AnyRequest, artifact_id: FromPath[str]) -> Document:
        """Returns an artifact."""
        facts = _facts(services, request, bot_of(kind, artifact_id) or "")
        document = artifact_document(facts, kind, _urls(services, request, facts))
        if document is None:
            raise ApiError(404, NOT_FOUND)
        return document

    @patch(
        f"/{kind}/{{artifact_id:str}}",
        name=f"{kind}_update",
        operation_id=f"{kind}_update",
        operation_class=body_of(ArtifactChanges, partial=True),
        responses=responses(Vendor.RECALL, 400, 404, 413),
        sync_to_thread=True,
    )
    def update_artifact(
        services: Given, request: AnyRequest, artifact_id: FromPath[str], body: RawBody
    ) -> Document:
        """Replaces the artifact's metadata."""
        bot_id = bot_of(kind, artifact_id) or ""
        before = artifact_document(_facts(services, request, bot_id), kind, lambda _: "")
        if before is None:
            raise ApiError(404, NOT_FOUND)
        if before["status"]["code"] == DELETED:
            raise ApiError(400, "The artifact was deleted and can no longer be changed.")
        metadata = _noted(body)
        record = _record(services, request, bot_id)
        if metadata is None:
            facts: BotFacts | None = services.bots.facts_of(record)
        else:
            facts = services.bots.note(record, kind, metadata)
        document = None if facts is None else artifact_document(facts, kind, _urls(services, request, facts))
        if document is None:
            raise ApiError(404, NOT_FOUND)
        return document

    @delete(
        f"/{kind}/{{artifact_id:str}}",
        name=f"{kind}_delete",
        operation_id=f"{kind}_delete",
        status_code=204,
        responses=responses(Vendor.RECALL, 400, 404),
        sync_to_thread=True,
    )
    def delete_artifact(services: Given, request: AnyRequest, artifact_id: FromPath[str]) -> None:
        """Removes the artifact's files, and the tape, for good; the bot's other artifacts stay."""
        bot_id = bot_of(kind, artifact_id) or ""
        if artifact_document(_facts(services, request, bot_id), kind, lambda _: "") is None:
            raise ApiError(404, NOT_FOUND)
        with _finished():
            services.deletions.delete_artifact(_record(services, request, bot_id), kind)

    return [list_artifacts, retrieve_artifact, update_artifact, delete_artifact]


@get("/realtime_endpoint", opt={LIMIT: "list"}, responses=responses(Vendor.RECALL, 400), sync_to_thread=True)
def list_realtime_endpoints(
    services: Given,
    request: AnyRequest,
    recording_id: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Document:
    """Lists receivers of live streams by cursor, those of the newest bots first; filters as for artifacts."""
    bot_id = None if recording_id is None else bot_of(RECORDING, recording_id) or ""
    return _cursor_page(services, request, bot_id, cursor, endpoint_documents)


@get("/realtime_endpoint/{endpoint_id:str}", responses=responses(Vendor.RECALL, 404), sync_to_thread=True)
def retrieve_realtime_endpoint(services: Given, request: AnyRequest, endpoint_id: FromPath[str]) -> Document:
    """Returns a receiver of live streams."""
    # The id leads to one bot for each number that the endpoint can have; one of them is there.
    for number in range(MOST_ENDPOINTS + 1):
        bot_id = bot_of(endpoint_kind(number), endpoint_id)
        if bot_id is None or services.bots.find(request.auth.name, bot_id) is None:
            continue
        documents = endpoint_documents(_facts(services, request, bot_id))
        for document in documents:
            if document["id"] == endpoint_id.lower():
                return document
    raise ApiError(404, NOT_FOUND)


def bot_answer(services: Services, request: AnyRequest, bot_id: str) -> Document:
    """A bot as it is now, for the answers to commands. Blocks. Raises ApiError."""
    return _bot(services, request, _facts(services, request, bot_id))


def _bot(services: Services, request: AnyRequest, facts: BotFacts) -> Document:
    return bot_document(facts, _urls(services, request, facts))


def _urls(services: Services, request: AnyRequest, facts: BotFacts) -> DocumentUrl:
    """Makes the download URLs of a bot's artifacts."""

    def url(what: str) -> str:
        if what != AUDIO_MIXED:
            path = f"/download/{what}/{facts.bot_id}"
            return services.signed_url(request.scope, path, LINK_SECONDS, workspace=request.auth.name)
        assert facts.manifest is not None
        workspace, form = request.auth.name, mixed_form(facts)
        return (
            services.mix_url(request.scope, workspace, facts.bot_id, facts.manifest, form, LINK_SECONDS) or ""
        )

    return url


def _cursor_page(
    services: Services,
    request: AnyRequest,
    bot_id: str | None,
    cursor: str | None,
    documents_of: Callable[[BotFacts], list[Document]],
) -> Document:
    """A page of what ``documents_of`` makes of bots: of one bot, or of the next PAGE bots."""
    workspace = request.auth.name
    next_entry = None
    bots: Iterator[BotFacts] | list[BotFacts]
    if bot_id is not None:
        facts = services.bots.facts(workspace, bot_id)
        bots = [] if facts is None else [facts]
    else:
        bots, next_entry = services.bots.page(workspace, read_cursor(cursor), PAGE, with_manifest=True)
    wanted = _document_filter(request)
    documents = [document for facts in bots for document in documents_of(facts)]
    return {
        "next": None
        if next_entry is None
        else _url_with(services, request, "cursor", write_cursor(next_entry)),
        "previous": None,
        "results": [document for document in documents if wanted(document)],
    }


def _listed(document: Document | None) -> list[Document]:
    return [] if document is None else [document]


def _document_filter(request: AnyRequest) -> Callable[[Document], bool]:
    query = request.query_params
    codes = query.getall("status_code", [])
    after, before = (
        _moment(query.get("created_at_after"), "created_at_after"),
        _moment(query.get("created_at_before"), "created_at_before"),
    )

    def wanted(document: Document) -> bool:
        created = datetime.fromisoformat(document["created_at"])
        return (
            (not codes or document["status"]["code"] in codes)
            and (after is None or created >= after)
            and (before is None or created <= before)
        )

    return wanted


def _bot_filter(request: AnyRequest) -> Wanted | None:
    """Whether a bot is wanted; None without filters."""
    query = request.query_params
    tests: list[Wanted] = []
    if platforms := query.getall("platform", []):
        tests.append(lambda facts: facts.job.platform in platforms)
    if statuses := query.getall("status", []):
        tests.append(lambda facts: status_code(facts) in statuses)
    if links := query.getall("meeting_url", []):
        tests.append(lambda facts: facts.job.meeting_url in links)
    if (after := _moment(query.get("join_at_after"), "join_at_after")) is not None:
        tests.append(lambda facts: facts.job.join_at is not None and facts.job.join_at >= after.timestamp())
    if (before := _moment(query.get("join_at_before"), "join_at_before")) is not None:
        tests.append(lambda facts: facts.job.join_at is not None and facts.job.join_at <= before.timestamp())
    metadata = {name.removeprefix(_METADATA): query[name] for name in query if name.startswith(_METADATA)}
    if metadata:
        tests.append(
            lambda facts: all(str(facts.metadata.get(key)) == value for key, value in metadata.items())
        )
    return (lambda facts: all(test(facts) for test in tests)) if tests else None


def _moment(text: str | None, field: str) -> datetime | None:
    if not text:
        return None
    try:
        # A plus that was not percent-encoded has become a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise _bad_field(field, "Enter a valid date/time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _page_url(services: Services, request: AnyRequest, page: int) -> str:
    return _url_with(services, request, "page", str(page))


def _url_with(services: Services, request: AnyRequest, name: str, value: str) -> str:
    """The request's own URL, as its client sees it, with one field of the query replaced."""
    path = request.url.path.removeprefix(services.prefix)
    query = [(key, text) for key, text in request.query_params.multi_items() if key != name]
    return f"{services.base_url(request.scope)}{path}?{urlencode([*query, (name, value)])}"


def _body(body: bytes, demo: DemoMeeting | None) -> Document:
    values = read_body(body, demo)
    values.pop("meeting_link", None)
    if not values.get("meeting_url"):
        raise _bad_field("meeting_url", _REQUIRED)
    return values


def _noted(body: bytes) -> dict[str, Any] | None:
    """The metadata in a body that changes an artifact, None if it has none. Raises ApiError."""
    changes = read_form(read_body(body), ArtifactChanges)
    if not all(isinstance(value, str) for value in (changes.metadata or {}).values()):
        # Receivers of the vendor's webhooks refuse other values.
        raise _bad_field("metadata", "Expected an object of strings.")
    try:
        return None if changes.metadata is None else read_attributes("metadata", changes.metadata)
    except JobError as error:
        raise bad_body(error) from error


def _bad_field(field: str, text: str) -> ApiError:
    return ApiError(400, f"{field}: {text}", fields={field: [text]})


def _record(services: Services, request: AnyRequest, bot_id: str) -> BotRecord:
    record = services.bots.find(request.auth.name, bot_id)
    if record is None:
        raise ApiError(404, NOT_FOUND)
    return record


def _facts(services: Services, request: AnyRequest, bot_id: str) -> BotFacts:
    facts = services.bots.facts(request.auth.name, bot_id)
    if facts is None:
        raise ApiError(404, NOT_FOUND)
    return facts
