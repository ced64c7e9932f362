"""Sends webhooks that are due: endpoints side by side, what belongs to one bot and endpoint in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, NamedTuple, ParamSpec, Protocol, TypeVar

import httpx

from worker.delivery.errors import DeliveryError
from worker.delivery.guarded_http import WORKSPACE
from worker.delivery.lookups import LookupsBusyError
from worker.delivery.url_guard import UrlError
from worker.delivery.webhook_deliveries import Attempt, Claimed, Delivery, Due, WebhookDeliveries
from worker.safe_text import printable, redact

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPT: Final = 15.0
"""Seconds within which a receiver has to answer: Recall.ai's."""

LOOK: Final = 5.0
"""Seconds between two looks for what is due: tries that failed, and what a server that was killed left."""

PARALLEL: Final = 8
"""Requests to one endpoint at once. One that hangs keeps as many open, and no other endpoint waits for them."""

MOST_WAITING: Final = 1000
"""Deliveries for one endpoint that this server keeps in memory; what is due beyond them stays in the list."""

MOST_SEEN: Final = 20_000
"""Entries of the list that one look reads at most; the next one goes on behind them, so that no endpoint hides the others."""

PUT_BACK: Final = 30.0
"""Seconds after which a delivery is tried whose host could not be looked up for want of a place."""

LONGEST_ANSWER: Final = 500
"""Characters of an answer's body that are kept."""
_ANSWER_BYTES: Final = 2048

_THREADS: Final = 16
"""Parallel requests to the store."""

_TO_END: Final = 5.0
"""Seconds that attempts under way have when the server stops; then they are repeated by another one, or after the start."""

SignedHeaders = Callable[[Delivery, float], "dict[str, str] | None"]
"""Takes a delivery and the time in Unix seconds; returns the headers of its form; None: its endpoint is not there any more."""


class AttemptObserver(Protocol):
    """Learns of attempts. ``state`` is the delivery's after it: ``pending``, ``delivered`` or ``failed``."""

    def attempted(self, form: str, state: str, seconds: float) -> None:
        """An attempt ended after ``seconds``."""

    def set_oldest_due(self, lag: float) -> None:
        """The oldest delivery that is due has waited for ``lag`` seconds; 0: none is due."""


class _Lane(NamedTuple):
    """What is sent in order."""

    endpoint: str
    bot_id: str


class WebhookSender:
    """Sends what ``offer`` gives and what ``look`` finds. Used in one event loop; only ``offer`` may be called in any thread.

    ``clock`` returns Unix seconds. ``client`` comes from worker.delivery.guarded_http, and is closed with the sender.
    """

    def __init__(
        self,
        deliveries: WebhookDeliveries,
        client: httpx.AsyncClient,
        headers: SignedHeaders,
        observer: AttemptObserver,
        clock: Callable[[], float],
        *,
        seconds: float = ATTEMPT,
    ) -> None:
        self._deliveries = deliveries
        self._client = client
        self._headers = headers
        self._observer = observer
        self._clock = clock
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_THREADS, "webhooks")
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._lanes: dict[_Lane, deque[Claimed | Due]] = {}
        self._ready: defaultdict[str, deque[_Lane]] = defaultdict(deque)
        """Lanes of each endpoint that wait for one of its PARALLEL places."""
        self._tasks: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        """The ids of what waits or is sent here, by endpoint."""
        self._offered: dict[str, Claimed] = {}
        """By their ids, deliveries that were offered while a look had found their entries: their claims are ours."""
        self._seen = ""
        """The key of the entry behind which the next look begins; empty: with the earliest."""
        self._closed = False

    def offer(self, claimed: Claimed) -> None:
        """Sends a new delivery at once, after those of its bot and endpoint that wait here. Thread-safe, never blocks.

        What comes while MOST_WAITING of its endpoint wait, or while the sender closes, is left to the next look of any server.
        """
        self._loop.call_soon_threadsafe(self._enqueue, claimed, claimed.delivery)

    async def run(self) -> None:
        """Looks for what is due until it is cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except DeliveryError as error:
                logger.error("webhooks that are due cannot be listed, the next try is soon: %s", error)
            except Exception:
                # Without this task no webhook would ever be tried again.
                logger.exception("webhooks that are due cannot be listed, the next try is soon")
            try:
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Begins what is due and not under way here: MOST_SEEN entries, behind those of the look before if there are more."""
        now, after = self._clock(), self._seen
        found = await self._in_thread(lambda: list(islice(self._deliveries.due(now, after), MOST_SEEN)))
        self._seen = found[-1].key if len(found) == MOST_SEEN else ""
        if not after:
            self._observer.set_oldest_due(max(0.0, now - found[0].at) if found else 0.0)
        for entry in found:
            self._enqueue(entry, entry)

    async def idle(self) -> None:
        """Waits until nothing that was begun is under way."""
        while tasks := [task for tasks in self._tasks.values() for task in tasks]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Ends attempts under way after _TO_END seconds; they stay due, and are repeated with the same id."""
        self._closed = True
        try:
            async with asyncio.timeout(_TO_END):
                await self.idle()
        except TimeoutError:
            tasks = [task for tasks in self._tasks.values() for task in tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _enqueue(self, item: Claimed | Due, names: Delivery | Due) -> None:
        known = self._known[names.endpoint]
        if names.id in known and isinstance(item, Claimed):
            self._offered[names.id] = item
        if self._closed or names.id in known or len(known) >= MOST_WAITING:
            return
        known.add(names.id)
        lane = _Lane(names.endpoint, names.bot_id)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(item)
            return
        self._lanes[lane] = deque([item])
        self._ready[lane.endpoint].append(lane)
        self._start(lane.endpoint)

    def _start(self, endpoint: str) -> None:
        """Begins the endpoint's lanes for which there is a place."""
        ready, tasks = self._ready[endpoint], self._tasks[endpoint]
        while ready and len(tasks) < PARALLEL and not self._closed:
            tasks.add(task := asyncio.create_task(self._empty(ready.popleft())))
            task.add_done_callback(lambda done: self._ended(endpoint, done))

    def _ended(self, endpoint: str, task: asyncio.Task[None]) -> None:
        self._tasks[endpoint].discard(task)
        self._start(endpoint)
        if not self._tasks[endpoint] and not self._ready[endpoint]:
            for table in (self._tasks, self._ready, self._known):
                table.pop(endpoint, None)

    async def _empty(self, lane: _Lane) -> None:
        waiting = self._lanes[lane]
        try:
            while waiting and not self._closed:
                item = waiting.popleft()
                try:
                    await self._send(item)
                except DeliveryError as error:
                    logger.error("a webhook of %s is tried again later: %s", lane.bot_id, error)
                except Exception:
                    # One that cannot be sent must not hold up the others.
                    logger.exception("a webhook of %s is tried again later", lane.bot_id)
                finally:
                    its_id = item.id if isinstance(item, Due) else item.delivery.id
                    self._known[lane.endpoint].discard(its_id)
                    self._offered.pop(its_id, None)
        finally:
            del self._lanes[lane]

    async def _send(self, item: Claimed | Due) -> None:
        claimed = await self._claimed(item)
        if claimed is None:
            return
        delivery = claimed.delivery
        headers = self._headers(delivery, self._clock())
        if headers is None:
            await self._in_thread(self._deliveries.give_up, claimed, "the endpoint is not there any more")
            return
        try:
            attempt = await self._attempt(delivery, headers)
        except LookupsBusyError as busy:
            logger.warning("the webhook %s of %s is put back: %s", delivery.event, delivery.bot_id, busy)
            await self._in_thread(self._deliveries.put_back, claimed, PUT_BACK)
            return
        after = await self._in_thread(self._deliveries.record, claimed, attempt)
        if after is None:
            logger.info("the webhook %s of %s was deleted meanwhile", delivery.id, delivery.bot_id)
            return
        self._observer.attempted(delivery.form, after.state, attempt.milliseconds / 1000)
        if after.state != "delivered":
            logger.warning(
                "the webhook %s of %s: try %d failed, %s: %s",
                delivery.event,
                delivery.bot_id,
                after.tries,
                "given up" if after.next_at is None else f"next in {after.next_at - self._clock():.0f} s",
                attempt.error or f"HTTP {attempt.status}",
            )
        if after.next_at is not None and (ahead := after.next_at - self._clock()) < LOOK:
            self._loop.call_later(max(0.0, ahead), self._wake.set)

    async def _claimed(self, item: Claimed | Due) -> Claimed | None:
        if isinstance(item, Claimed):
            if item.delivery.claimed_until - self._clock() > self._seconds:
                return item
            return await self._in_thread(self._deliveries.reclaim, item)
        claimed = await self._in_thread(self._deliveries.claim, item.bot_id, item.id)
        if claimed is None and item.id not in self._offered:
            await self._in_thread(self._deliveries.tidy, item)
        # Another one's claim may be the one that this process made with the delivery, and offers meanwhile.
        return claimed or self._offered.get(item.id)

    async def _attempt(self, delivery: Delivery, headers: dict[str, str]) -> Attempt:
        at, began = self._clock(), time.monotonic()
        status: int | None = None
        error: str | None = None
        answer = b""
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream(
                    "POST",
                    delivery.url,
                    content=delivery.body.encode(),
                    headers=headers,
                    extensions={WORKSPACE: delivery.workspace},
                ) as response,
            ):
                status = response.status_code
                async for block in response.aiter_raw(_ANSWER_BYTES):
                    answer += block
                    if len(answer) >= _ANSWER_BYTES:
                        break
        except TimeoutError:
            error = f"no answer within {self._seconds:g} s"
        except UrlError as refused:
            error = f"the URL {refused}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failed:
            error = printable(redact(f"{type(failed).__name__}: {failed}"), 200)
        return Attempt(
            at=at,
            status=status,
            # What counts is the answer's status, also if its body never ends.
            error=error if status is None else None,
            milliseconds=round((time.monotonic() - began) * 1000),
            answer=printable(answer.decode("utf-8", "replace"), LONGEST_ANSWER) if answer.strip() else "",
        )

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
