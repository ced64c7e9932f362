"""Faults between jobs and their live streams, and in what a recording does not need."""

from __future__ import annotations

from typing import Final

from tests.mutations.mutation import Mutation

CONTRACTS: Final = "tests/unit/contracts/"
JOBS: Final = "tests/unit/jobs/"
FIELDS: Final = f"{CONTRACTS}test_live_fields.py"
SESSIONS: Final = f"{JOBS}test_live_sessions.py"
STREAMS: Final = "tests/unit/streaming/test_live_streams.py"
CHECKS: Final = "tests/unit/server/test_url_checks.py"


def _mutation(breaks: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(breaks, file, old, new, tests, browser=())


LIVE_JOBS: Final = (
    _mutation(
        "events of a live stream that are not served are dropped silently",
        "worker/contracts/live_fields.py",
        'tuple(dotted([*path, "events", name]) for name in names if name not in events)',
        "()",
        FIELDS,
    ),
    _mutation(
        "a wrong value of a receiver is repeated in the error",
        "worker/contracts/validation.py",
        ": a wrong value; expected {expected}",
        ": {value}; expected {expected}",
        FIELDS,
    ),
    _mutation(
        "headers of receivers are in the log",
        "worker/contracts/live_fields.py",
        '        found += [value, *value.split(" ")[1:]]\n',
        "        pass\n",
        FIELDS,
    ),
    _mutation(
        "the API shows headers of receivers",
        "worker/contracts/live_fields.py",
        "dict.fromkeys(headers, _HIDDEN) if isinstance(headers, Mapping) else _HIDDEN",
        "headers",
        FIELDS,
    ),
    _mutation(
        "live streams may go without TLS",
        "worker/contracts/live_fields.py",
        "return _SCHEMES[transport] if plain else _SCHEMES[transport] & _WITH_TLS",
        "return _SCHEMES[transport]",
        FIELDS,
    ),
    _mutation(
        "live streams that lead inside are taken when a bot is made",
        "worker/server/url_checks.py",
        "        for endpoint in job.live:\n",
        "        for endpoint in ():\n",
        CHECKS,
    ),
    _mutation(
        "a slow name hides a receiver inside",
        "worker/server/url_checks.py",
        "                if has_name(read_url(url.url, url.schemes)):\n",
        "                if read_url(url.url, url.schemes):\n",
        CHECKS,
    ),
    _mutation(
        "live streams end only with the files",
        "worker/jobs/live_sessions.py",
        "            if isinstance(event, RecordingEnded):\n                self.end()\n",
        "",
        SESSIONS,
    ),
    _mutation(
        "a fault of live streams ends the recording",
        "worker/jobs/live_sessions.py",
        "        try:\n            do(*args)\n        except Exception as error:",
        "        try:\n            do(*args)\n        except MemoryError as error:",
        SESSIONS,
    ),
    _mutation(
        "receivers are done although a bot comes back",
        "worker/jobs/live_sessions.py",
        "            if state is EndpointState.DONE:\n",
        "            if False:\n",
        SESSIONS,
    ),
    _mutation(
        "an attempt that never recorded says that receivers are done",
        "worker/jobs/live_sessions.py",
        "[number] if attempt == self._last else []",
        "[number]",
        SESSIONS,
    ),
    _mutation(
        "a request with wrong live fields is taken",
        "worker/server/creation.py",
        "            if fault.field[0] not in kept:\n",
        "            if False:\n",
        "tests/unit/server/test_wrong_live_fields.py",
    ),
    _mutation(
        "slow names of webhooks hold up those of other receivers",
        "worker/streaming/webhook_sender.py",
        "extensions={WORKSPACE: str(self._endpoint.number)},",
        "extensions={},",
        "tests/unit/streaming/test_slow_names.py",
    ),
    _mutation(
        "a webhook that never answers is done",
        "worker/streaming/webhook_sender.py",
        "            self._figures.lost(self._queue.put_back(message))\n",
        "            pass\n",
        "tests/unit/streaming/test_webhook_sender.py",
    ),
    _mutation(
        "the page sends late for receivers of sound",
        "worker/jobs/attempts.py",
        "            limits=self._live_limits(),\n",
        "",
        f"{JOBS}test_job_run.py",
    ),
    _mutation(
        "nobody is told of a receiver that failed",
        "worker/jobs/finish.py",
        "                *endpoint_warnings(self._job, self._reporter.endpoint_changes),\n",
        "",
        f"{JOBS}test_finish.py",
    ),
    _mutation(
        "a receiver of a lost worker stays running for ever",
        "worker/jobs/finish.py",
        "        self._reporter.end_endpoints()\n",
        "",
        f"{JOBS}test_finish.py",
    ),
    _mutation(
        "live streams of a later attempt begin a clock of their own",
        "worker/jobs/live_sessions.py",
        "relative_zero=reports.recording_started_at,",
        "relative_zero=None,",
        SESSIONS,
    ),
    _mutation(
        "the result does not repeat what webhooks of receivers were lost",
        "worker/contracts/webhooks.py",
        "        webhooks += [_recall_endpoint(change, facts) for change in facts.endpoint_changes]\n",
        "",
        f"{CONTRACTS}test_webhooks.py",
    ),
    # What a recording does not need fails alone.
    _mutation(
        "a step that a recording does not need costs the rest of the job",
        "worker/jobs/left_out.py",
        "        except Exception as error:\n            if isinstance(",
        "        except RefusedError as error:\n            if isinstance(",
        f"{JOBS}test_left_out.py",
    ),
    _mutation(
        "what the next worker could do is left out",
        "worker/jobs/left_out.py",
        "if isinstance(error, RefusedError | UnavailableError) and self._out_of_time.is_set():",
        "if False:",
        f"{JOBS}test_left_out.py",
    ),
    _mutation(
        "what a step was left out for shows a secret of the job",
        "worker/jobs/left_out.py",
        "printable(self._job.redactor().text(redact(str(error))), 300)",
        "printable(str(error), 300)",
        f"{JOBS}test_left_out.py",
    ),
    _mutation(
        "a timeline page that cannot be made costs the rest of the job",
        "worker/jobs/publish_page.py",
        "    except Exception as error:  # noqa: BLE001 - the page repeats",
        "    except OSError as error:  # the page repeats",
        f"{JOBS}test_publish_page.py",
    ),
    _mutation(
        "a worker that lost the bot goes on after the page",
        "worker/jobs/publish_page.py",
        "    except LeaseLostError:\n        raise\n",
        "",
        f"{JOBS}test_publish_page.py",
    ),
    _mutation(
        "the page plays files that are not in the bucket",
        "worker/jobs/publish_page.py",
        "return segment if segment.url in there else",
        "return segment if segment.url else",
        f"{JOBS}test_publish_page.py",
    ),
    # The work of live streams is done together.
    _mutation(
        "live sound is worked at as soon as it comes",
        "worker/streaming/live_streams.py",
        "            await asyncio.sleep(self._ran + GATHER * self._options.batch_seconds - loop.time())\n",
        "            pass\n",
        f"{STREAMS}::test_what_comes_soon_after_a_run_waits_for_what_comes_after_it",
    ),
    _mutation(
        "live nothing is due before something comes",
        "worker/streaming/live_streams.py",
        "            async with asyncio.timeout_at(self._ran + TICK):\n",
        "            if True:\n",
        f"{STREAMS}::test_what_is_due_is_sent_though_nothing_comes",
    ),
    _mutation(
        "each live message is a write of the system",
        "worker/streaming/throttled_connection.py",
        "            self.loop.call_soon(self._write)\n",
        "            self._write()\n",
        "tests/unit/streaming/test_throttled_connection.py",
    ),
    _mutation(
        "messages of one turn are written without a limit",
        "worker/streaming/throttled_connection.py",
        " or self._unwritten >= _MOST_TOGETHER:",
        ":",
        "tests/unit/streaming/test_throttled_connection.py",
    ),
    # The layout of a recording of video.
    _mutation(
        "Teams' layout is not looked at again once somebody shares a screen",
        "worker/platforms/teams/call.py",
        "shares=teams.SHARED.name in facts.elements",
        "shares=False",
        "tests/unit/platforms/teams/test_call.py",
    ),
)
