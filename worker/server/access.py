"""Who may ask what how often: the guard of all routes that need a key."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from worker.server.errors import ApiError, Vendor
from worker.server.services import SERVICES, Services

LIMIT = "limit"
"""The entry of a route's ``opt`` with its kind of limit: create, list or retrieve."""

SCHEME = "token "


class Access:
    """The guard for routes of ``vendor``. Sets the connection's ``auth`` to the workspace."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Raises ApiError without a valid key, when its limit is used up, and after too many wrong keys from its address."""
        services: Services = connection.app.state[SERVICES]
        given = connection.headers.get("authorization", "").strip()
        key = given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else given
        if not key or key.lower() == SCHEME.strip():
            raise ApiError(401, "Authentication credentials were not provided.")
        address = connection.client.host if connection.client is not None else ""
        if (wait := services.wrong_keys.wait(address, key)) is not None:
            raise _throttled(wait)
        workspace = services.keys.find(key)
        services.wrong_keys.found(address, key, workspace is not None)
        if workspace is None:
            if self._vendor is Vendor.MEETSTREAM:
                raise ApiError(403, "Invalid token.")
            raise ApiError(401, "Invalid API token")
        kind = str(handler.opt.get(LIMIT, "retrieve"))
        wait = services.limits.take(workspace.name, kind, workspace.limits.of(kind))
        if wait is not None:
            raise _throttled(wait)
        connection.scope["auth"] = workspace


def _throttled(wait: int) -> ApiError:
    return ApiError(429, "Request was throttled.", headers={"Retry-After": str(wait)})
