"""The routes of the page."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

from litestar import Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, RawBody
from litestar.response import Redirect

from worker.contracts.bot_facts import BotFacts
from worker.delivery.object_store import S3Store
from worker.errors import MeetstemsError
from worker.manifest.schema import Manifest, encode_manifest
from worker.rendering.timeline.page import timeline_html
from worker.server.access import LIMIT
from worker.server.client_groups import client_group
from worker.server.cursors import read_cursor, write_cursor
from worker.server.errors import NOT_FOUND, ApiError
from worker.server.page.call_events import events
from worker.server.page.commands import commands_of, delete_bot_data, run_command
from worker.server.page.deliveries import tries
from worker.server.page.event_stream import event_stream
from worker.server.page.live import PAGE, Live
from worker.server.page.sending import SendForm, read_form, send_bot, send_form
from worker.server.page.sessions import COOKIE, Session, Sessions, is_own_form, session_cookie
from worker.server.page.templates import COMMON_HEADERS, asset, page, page_headers
from worker.server.page.views import blame, files_of, listed, recording, state_of, steps
from worker.server.records import BotRecord
from worker.server.services import SERVICES, AnyRequest, Given, Services

SIGN_INS: Final = 20
"""Keys that one address may enter in a minute, right or wrong."""

FILE_SECONDS: Final = 3600
"""Seconds for which the link behind a file is valid. A new one is made whenever the file is asked for."""

TIMELINE: Final = "timeline.html"
MANIFEST: Final = "audio_streams.json"

_MOST_RETRY: Final = "Too many tries. Wait a minute, then try again."
_WRONG_KEY: Final = "This key is not valid."
_FOREIGN_FORM: Final = (
    "This form was not sent by a page of this server. Behind a proxy, the server needs the Host header that "
    "the browser sent, or --trust-proxy."
)
_STALE_FORM: Final = "This page is too old. Reload it and try again."

Shown = Callable[[Exception], ApiError]
"""Makes of an error what a person may read of it."""


class NotSignedInError(MeetstemsError):
    """There is no session, or none that is valid at the moment."""


def page_router(services: Services, shown: Shown) -> Router:
    """The routes: the sign-in and the assets for everybody, the rest for those who are signed in."""

    def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
        known = shown(error)
        base = services.public_path(request.scope)
        return page(
            "error.html", base=base, status=known.status, message=known.message, headers=known.headers
        )

    return Router(
        "/",
        route_handlers=[
            sign_in_page,
            sign_in,
            get_asset,
            event_stream(Live(services.bots, services.stopping), services),
            Router(
                "/",
                route_handlers=[
                    list_page,
                    send,
                    bot_page,
                    bot_file,
                    delete_page,
                    delete_bot,
                    command_bot,
                    sign_out,
                ],
                guards=[_signed_in],
            ),
        ],
        exception_handlers={
            NotSignedInError: _ask_for_key,
            ApiError: answer_error,
            HTTPException: answer_error,
            MeetstemsError: answer_error,
            Exception: answer_error,
        },
        include_in_schema=False,
    )


def _signed_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard. Raises NotSignedInError, or ApiError when the key's limit is used up."""
    services: Services = connection.app.state[SERVICES]
    session = _sessions(services).find(connection.cookies.get(COOKIE))
    if session is None:
        raise NotSignedInError("not signed in")
    workspace = session.workspace
    kind = str(handler.opt.get(LIMIT, "retrieve"))
    wait = services.limits.take(workspace.name, kind, workspace.limits.of(kind))
    if wait is not None:
        raise ApiError(429, _MOST_RETRY, headers={"Retry-After": str(wait)})
    connection.scope["auth"] = workspace
    connection.scope["user"] = session


def _sessions(services: Services) -> Sessions:
    return Sessions(services.keys, services.links, services.clock)


def _ask_for_key(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    services: Services = request.app.state[SERVICES]
    base = services.public_path(request.scope)
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        # Somebody followed a link on another site, with which browsers send no strict cookie. With the next request they do.
        return page("again.html", base=base, url=f"{base}{_local(_own_path(services, request))}")
    to = _own_path(services, request) if request.method == "GET" else "/"
    return _go(services, request, "/login" if to == "/" else f"/login?to={quote(to, safe='')}")


def _own_path(services: Services, request: Request[Any, Any, Any]) -> str:
    return request.url.path.removeprefix(services.prefix) or "/"


def _go(services: Services, request: Request[Any, Any, Any], path: str) -> Redirect:
    """To another page, by GET."""
    base = services.public_path(request.scope)
    return Redirect(f"{base}{path}", status_code=303, headers=dict(COMMON_HEADERS))


# ---- the key


@get("/login", sync_to_thread=False)
def sign_in_page(services: Given, request: AnyRequest, to: FromQuery[str] = "/") -> Response[str]:
    """Asks for the key."""
    return page("login.html", base=services.public_path(request.scope), to=to, error="")


@post("/login", sync_to_thread=True)
def sign_in(services: Given, request: AnyRequest, body: RawBody) -> Response[Any]:
    """Takes the key, and gives a cookie in its place."""
    fields = read_form(body)
    base, to = services.public_path(request.scope), fields.get("to", "/")
    address = request.client.host if request.client is not None else ""
    wait = services.limits.take(f"sign-in {client_group(address)}", "sign-in", SIGN_INS)
    if wait is not None:
        headers = {"Retry-After": str(wait)}
        return page("login.html", base=base, to=to, error=_MOST_RETRY, status=429, headers=headers)
    if not is_own_form(request.headers.get("origin"), request.headers.get("host", "")):
        return page("login.html", base=base, to=to, error=_FOREIGN_FORM, status=403)
    workspace = services.keys.find(fields.get("key", "").strip())
    if workspace is None:
        return page("login.html", base=base, to=to, error=_WRONG_KEY, status=403)
    answer = _go(services, request, _local(to))
    answer.set_cookie(_cookie(services, request, _sessions(services).open(workspace)))
    return answer


@post("/logout", sync_to_thread=False)
def sign_out(services: Given, request: AnyRequest, body: RawBody) -> Response[Any]:
    """Takes the cookie away."""
    _own_form(request, body)
    answer = _go(services, request, "/login")
    answer.set_cookie(_cookie(services, request, ""))
    return answer


def _cookie(services: Services, request: AnyRequest, value: str) -> Any:
    path = services.public_path(request.scope) or "/"
    return session_cookie(value, path, is_secure=request.scope["scheme"] == "https")


def _local(path: str) -> str:
    """``path`` if it is one of this server's pages, so that a link to the sign-in leads nowhere else."""
    is_local = path.startswith("/bots/") and path.isprintable() and not set(path) & set("\\?#")
    return quote(path) if is_local else "/"


# ---- the list


@get("/", opt={LIMIT: "list"}, sync_to_thread=True)
def list_page(services: Given, request: AnyRequest, cursor: FromQuery[str | None] = None) -> Response[str]:
    """Shows the bots, and the form that sends one."""
    return _list(services, request, cursor, SendForm())


@post("/", opt={LIMIT: "create"}, sync_to_thread=True)
def send(services: Given, request: AnyRequest, body: RawBody) -> Response[Any]:
    """Sends a bot."""
    form = send_form(_own_form(request, body))
    errors = send_bot(services.bots, request.auth.name, form, services.demo, services.clock())
    if errors:
        return _list(services, request, None, form._replace(errors=errors), status=400)
    services.metrics.bot_created("page")
    return _go(services, request, "/")


def _list(
    services: Services, request: AnyRequest, cursor: str | None, form: SendForm, status: int = 200
) -> Response[str]:
    found = services.bots.page(request.auth.name, read_cursor(cursor), PAGE)
    return page(
        "list.html",
        base=services.public_path(request.scope),
        status=status,
        session=_session(request),
        api=services.base_url(request.scope),
        bots=[listed(facts) for facts in found.bots],
        older=None if found.next_entry is None else write_cursor(found.next_entry),
        is_first=not cursor,
        form=form if form.once else form._replace(once=secrets.token_urlsafe(16)),
    )


# ---- one bot


@get("/bots/{bot_id:str}", sync_to_thread=True)
def bot_page(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[str]:
    """Shows all that is known of a bot."""
    return _bot(services, request, _facts(services, request, bot_id))


@post("/bots/{bot_id:str}/commands/{name:str}")
async def command_bot(
    services: Given, request: AnyRequest, bot_id: FromPath[str], name: FromPath[str], body: RawBody
) -> Response[Any]:
    """Tells the bot something."""
    fields = _own_form(request, body)
    record = await asyncio.to_thread(_record, services, request, bot_id)
    try:
        await run_command(services.bots, record, name, fields.get("text", ""), services.clock())
    except ApiError as error:
        facts = await asyncio.to_thread(_facts, services, request, bot_id)
        return await asyncio.to_thread(_bot, services, request, facts, error)
    return _go(services, request, f"/bots/{bot_id}")


@get("/bots/{bot_id:str}/delete", sync_to_thread=True)
def delete_page(services: Given, request: AnyRequest, bot_id: FromPath[str]) -> Response[str]:
    """Asks whether the bot is to be deleted."""
    facts = _facts(services, request, bot_id)
    base = services.public_path(request.scope)
    return page("delete.html", base=base, session=_session(request), bot=listed(facts))


@post("/bots/{bot_id:str}/delete", sync_to_thread=True)
def delete_bot(services: Given, request: AnyRequest, bot_id: FromPath[str], body: RawBody) -> Response[Any]:
    """Removes all that was recorded and kept of the bot, for good."""
    _own_form(request, body)
    record = _record(services, request, bot_id)
    try:
        delete_bot_data(services.deletions, record)
    except ApiError as error:
        return _bot(services, request, _facts(services, request, bot_id), error)
    return _go(services, request, "/")


@get("/bots/{bot_id:str}/files/{path:path}", sync_to_thread=True)
def bot_file(
    services: Given, request: AnyRequest, bot_id: FromPath[str], path: FromPath[str]
) -> Response[Any]:
    """Leads to a file of the recording by a link that expires; makes the timeline and the manifest."""
    facts = _facts(services, request, bot_id)
    wanted = str(path).lstrip("/")
    if facts.manifest is None or not facts.has_audio:
        raise ApiError(404, NOT_FOUND)
    if wanted == TIMELINE:
        return _timeline(services, facts.manifest)
    if wanted == MANIFEST:
        headers = {**COMMON_HEADERS, "Content-Disposition": f'attachment; filename="{MANIFEST}"'}
        return Response(encode_manifest(facts.manifest), media_type=MediaType.JSON, headers=headers)
    name = files_of(facts.manifest).get(wanted)
    if name is None:
        raise ApiError(404, NOT_FOUND)
    url = services.file_url(request.scope, bot_id, wanted, name, FILE_SECONDS)
    return Redirect(url, status_code=302, headers=dict(COMMON_HEADERS))


def _timeline(services: Services, manifest: Manifest) -> Response[str]:
    origin = media_origin(services)
    # The page has a policy of its own, with the digests of its script and style.
    headers = {**COMMON_HEADERS, "Content-Security-Policy": "frame-ancestors 'none'"}
    html = timeline_html(manifest, [origin] if origin else [])
    return Response(html, media_type=MediaType.HTML, headers=headers)


def _bot(
    services: Services, request: AnyRequest, facts: BotFacts, error: ApiError | None = None
) -> Response[str]:
    manifest = facts.manifest if facts.has_audio else None
    meeting = None if manifest is None else services.bots.meeting(facts)
    return page(
        "bot.html",
        base=services.public_path(request.scope),
        media_origin=media_origin(services),
        status=200 if error is None else error.status,
        session=_session(request),
        error="" if error is None else error.message,
        bot=listed(facts),
        state=state_of(facts),
        is_over=facts.is_over,
        blame=blame(facts),
        commands=commands_of(facts),
        steps=steps(facts),
        recording=None if manifest is None else recording(manifest),
        events=[] if meeting is None else events(meeting),
        tries=tries(services.deliveries.of_bot(facts.bot_id)),
        ignored=facts.job.ignored,
    )


def media_origin(services: Services) -> str:
    """Where else than on this server files are, for the pages' policy; empty: nowhere."""
    if not isinstance(services.bots.store, S3Store):
        return ""
    parts = urlsplit(services.bots.store.presign("x", 1))
    return f"{parts.scheme}://{parts.netloc}"


def _session(request: AnyRequest) -> Session:
    session: Session = request.scope["user"]
    return session


def _own_form(request: AnyRequest, body: bytes) -> dict[str, str]:
    """The fields of a form that one of our pages sent. Raises ApiError."""
    if not is_own_form(request.headers.get("origin"), request.headers.get("host", "")):
        raise ApiError(403, _FOREIGN_FORM)
    fields = read_form(body)
    if not secrets.compare_digest(fields.get("token", "").encode(), _session(request).token.encode()):
        raise ApiError(403, _STALE_FORM)
    return fields


def _record(services: Services, request: AnyRequest, bot_id: str) -> BotRecord:
    record = services.bots.find(request.auth.name, bot_id)
    if record is None:
        raise ApiError(404, "There is no such bot.")
    return record


def _facts(services: Services, request: AnyRequest, bot_id: str) -> BotFacts:
    facts = services.bots.facts(request.auth.name, bot_id)
    if facts is None:
        raise ApiError(404, "There is no such bot.")
    return facts


# ---- what pages load


@get("/assets/{version:str}/{name:str}", sync_to_thread=False)
def get_asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Returns the style, the script or the icon; of whatever version is asked, the present one."""
    found = asset(name)
    if found is None:
        raise ApiError(404, NOT_FOUND)
    data, kind = found
    return Response(
        data,
        media_type=kind,
        headers={**page_headers(), "Cache-Control": "public, max-age=31536000, immutable"},
    )
