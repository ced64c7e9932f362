"""Faults to put into the code on purpose, each of which some test has to notice."""

from __future__ import annotations

from typing import Final

from tests.mutations.listening import LISTENING
from tests.mutations.live_jobs import LIVE_JOBS
from tests.mutations.live_people import LIVE_PEOPLE
from tests.mutations.live_sound import LIVE_SOUND
from tests.mutations.media import MEDIA
from tests.mutations.mutation import Mutation
from tests.mutations.page import FAULTS_OF_PAGE

JOBS: Final = "tests/unit/jobs/"
DELIVERY: Final = "tests/unit/delivery/"


MUTATIONS: Final = (
    # The message.
    Mutation(
        "the message is not kept hidden while its job runs",
        "worker/jobs/consumer.py",
        "        with self._heartbeat():\n",
        "        if True:\n",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a job without an id gets another one at each receive",
        "worker/jobs/consumer.py",
        'return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sqs:{delivery.message_id}"))',
        "return str(uuid.uuid4())",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a job whose result could not be sent is forgotten",
        "worker/jobs/consumer.py",
        "                await self._postpone(job, self._next_delay())\n            case Disposition.TAKEN_OVER",
        "                await self._delete()\n            case Disposition.TAKEN_OVER",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a recording may last longer than SQS keeps its message",
        "worker/jobs/consumer.py",
        "ends_by=self._received_at + MAX_VISIBILITY - FINISH_RESERVE,",
        "ends_by=None,",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a job that another worker has is deleted",
        "worker/jobs/consumer.py",
        "await self._postpone(job, HELD_SECONDS)",
        "await self._delete()",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a job that is handed on waits",
        "worker/jobs/consumer.py",
        "await self._postpone(job, 0.0)",
        "await self._postpone(job, HELD_SECONDS)",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a job that cannot even be given up ends in silence",
        "worker/jobs/consumer.py",
        "            if self._gives_up:\n",
        "            if False:\n",
        (f"{JOBS}test_consumer.py",),
    ),
    Mutation(
        "a postponed job forgets how often it was received",
        "worker/delivery/jobs_queue.py",
        "receives=delivery.receive_count - 1,",
        "receives=0,",
        (f"{DELIVERY}test_jobs_queue.py",),
    ),
    Mutation(
        "a postponed job is due when its copy was sent",
        "worker/delivery/jobs_queue.py",
        "            sent_at=delivery.sent_at,\n",
        "            sent_at=time.time(),\n",
        (f"{DELIVERY}test_jobs_queue.py",),
    ),
    # The lease.
    Mutation(
        "one refused renewal counts as a lost lease",
        "worker/delivery/keepalive.py",
        'return Heartbeat("lease", lease.renewal_interval, beat, LeaseLostError, on_lost, first=0.0)',
        'return Heartbeat("lease", lease.renewal_interval, beat, DeliveryError, on_lost, first=0.0)',
        (f"{DELIVERY}test_keepalive.py",),
    ),
    Mutation(
        "a renewal whose answer was lost counts as another owner",
        "worker/delivery/lease.py",
        "if found[0].owner != record.owner:",
        "if found[0] is not None:",
        (f"{DELIVERY}test_lease.py",),
    ),
    Mutation(
        "an owner that was paused believes that it still has the lease",
        "worker/delivery/lease.py",
        "return self._steady() - self._proven_at < self._ttl",
        "return True",
        (f"{DELIVERY}test_lease.py",),
    ),
    Mutation(
        "a slow renewal proves the lease for too long",
        "worker/delivery/lease.py",
        "self._etag, self._record, self._proven_at = etag, record, began",
        "self._etag, self._record, self._proven_at = etag, record, self._steady()",
        (f"{DELIVERY}test_lease.py",),
    ),
    Mutation(
        "a worker that released the lease goes on speaking for the bot",
        "worker/delivery/lease.py",
        "return self._lost is None and not self._released",
        "return self._lost is None",
        (f"{DELIVERY}test_lease.py",),
    ),
    Mutation(
        "the clocks of two machines are compared",
        "worker/delivery/lease.py",
        "return self.ttl + AGE_RESOLUTION - age",
        "return self.expires_at - now",
        (f"{DELIVERY}test_lease.py",),
    ),
    Mutation(
        "a worker that lost the bot writes its result after a long wait",
        "worker/delivery/fenced_store.py",
        "if not self._may_speak():",
        "if False:",
        (f"{DELIVERY}test_fenced_store.py", f"{JOBS}test_finish.py"),
    ),
    Mutation(
        "bot.json is written over any version",
        "worker/delivery/guarded_document.py",
        "if_match=self._etag,",
        "if_match=None,",
        (f"{DELIVERY}test_guarded_document.py",),
    ),
    Mutation(
        "a worker that was taken over goes on reporting",
        "worker/jobs/reporter.py",
        "if self._lease.is_proven and not self._unsent:",
        "if True:",
        (f"{JOBS}test_reporter.py",),
    ),
    Mutation(
        "a worker that was taken over sends a result",
        "worker/jobs/reporter.py",
        '            raise LeaseLostError("the result is not sent: another worker has the bot")',
        "            pass",
        (f"{JOBS}test_reporter.py",),
    ),
    Mutation(
        "a worker that was taken over puts the message back",
        "worker/jobs/job_run.py",
        "return Disposition.TAKEN_OVER if self._supervisor.lost else Disposition.HANDED_ON",
        "return Disposition.HANDED_ON",
        (
            f"{JOBS}test_job_run.py::test_a_worker_that_loses_the_bot_before_it_joins_leaves_the_message_alone",
        ),
    ),
    # What is recorded.
    Mutation(
        "a refused request is not tried again",
        "worker/delivery/patient_store.py",
        "except (RefusedError, UnavailableError) as error:",
        "except UnavailableError as error:",
        (f"{DELIVERY}test_patient_store.py",),
    ),
    Mutation(
        "a worker that has to stop waits for a store that is away",
        "worker/delivery/patient_store.py",
        "if self._out_of_time.is_set() or time.monotonic() + wait > deadline:",
        "if time.monotonic() + wait > deadline:",
        (f"{DELIVERY}test_patient_store.py",),
    ),
    Mutation(
        "a part whose answer was lost is given up",
        "worker/delivery/tape_upload.py",
        "if self._store.get(key).data != data:",
        "if True:",
        (f"{DELIVERY}test_tape_upload.py",),
    ),
    Mutation(
        "another worker's part is taken for this one",
        "worker/delivery/tape_upload.py",
        "if self._store.get(key).data != data:",
        "if False:",
        (f"{DELIVERY}test_tape_upload.py",),
    ),
    Mutation(
        "a part that was refused once is given up",
        "worker/delivery/tape_upload.py",
        "raise StoreUnavailableError(str(error)) from error",
        "raise",
        (f"{DELIVERY}test_tape_upload.py",),
    ),
    Mutation(
        "the only copy is removed while the bucket has half a part",
        "worker/jobs/local_copy.py",
        "if there.get(attempt.tape_part(part.name)) != part.stat().st_size]",
        "if attempt.tape_part(part.name) not in there]",
        (f"{JOBS}test_local_copy.py",),
    ),
    Mutation(
        "a tape that was left is uploaded for any bot with the same id",
        "worker/jobs/local_copy.py",
        "owner_of(store, keys, number) == origin.owner for",
        "owner_of(store, keys, number) is not None for",
        (f"{JOBS}test_local_copy.py",),
    ),
    Mutation(
        "a late upload of a tape counts as a bot at work",
        "worker/jobs/earlier_attempts.py",
        "    return min(known, default=None)\n",
        "    return stored\n",
        (f"{JOBS}test_earlier_attempts.py",),
    ),
    Mutation(
        "the only copy is removed while the bucket cannot be listed",
        "worker/jobs/local_copy.py",
        '        logger.warning("the bucket cannot be listed: %s", error)\n        return parts\n',
        '        logger.warning("the bucket cannot be listed: %s", error)\n        return []\n',
        (f"{JOBS}test_local_copy.py",),
    ),
    Mutation(
        "the result is sent before the tape is uploaded",
        "worker/jobs/job_run.py",
        "        complete = await self._drain_tapes()\n",
        "        complete = True\n",
        (f"{JOBS}test_job_run.py::test_the_result_comes_after_the_last_part_of_the_tape",),
    ),
    Mutation(
        "a tape is removed although its files are missing",
        "worker/jobs/finish.py",
        "if number in empty or (number in files and wanted <= there):",
        "if number in empty or number in files:",
        (f"{JOBS}test_finish.py",),
    ),
    Mutation(
        "files are not uploaded where the recovery of others fails",
        "worker/jobs/finish.py",
        "        except Exception:\n            await self._publisher.publish_rest()\n",
        "        except Exception:\n",
        (f"{JOBS}test_finish.py",),
    ),
    Mutation(
        "result.json is replaced",
        "worker/jobs/result_file.py",
        "store.put(_key(keys), body, content_type=JSON, if_absent=True)",
        "store.put(_key(keys), body, content_type=JSON)",
        (f"{JOBS}test_result_file.py", f"{JOBS}test_finish.py"),
    ),
    Mutation(
        "a failing recovery hides that a job was given up",
        "worker/jobs/finish.py",
        "        except Exception as error:  # noqa: BLE001 - whatever failed, the job is reported",
        "        except ZeroDivisionError as error:  # noqa: BLE001 - whatever failed, the job is reported",
        (f"{JOBS}test_finish.py",),
    ),
    # How a job starts and ends.
    Mutation(
        "the longest duration counts each attempt alone",
        "worker/jobs/attempts.py",
        "limits = [] if longest is None else [longest - before]",
        "limits = [] if longest is None else [longest]",
        (f"{JOBS}test_job_run.py::test_the_longest_duration_is_that_of_all_attempts_together",),
    ),
    Mutation(
        "the limit of memory is not watched",
        "worker/jobs/job_run.py",
        "        settings.memory_limit,\n",
        "        None,\n",
        (f"{JOBS}test_job_run.py::test_too_much_memory_gets_a_new_chromium",),
    ),
    Mutation(
        "a drain ends the job",
        "worker/jobs/job_run.py",
        "if ending is not None and ending.reason is Reason.DRAINED:",
        "if False:",
        (
            f"{JOBS}test_job_run.py::test_a_drained_job_is_finished_by_the_next_worker_if_every_request_fails_once",
        ),
    ),
    Mutation(
        "SIGTERM is taken for a person's Ctrl-C",
        "worker/jobs/context.py",
        'reason = on_sigterm if name == "SIGTERM" else Reason.INTERRUPTED',
        "reason = Reason.INTERRUPTED",
        (f"{JOBS}test_context.py",),
    ),
    Mutation(
        "a drain that takes Chromium away first ends the job",
        "worker/jobs/attempts.py",
        "return self._stopped.result()\n",
        "return ending\n",
        (f"{JOBS}test_job_run.py::test_a_drain_that_takes_chromium_away_first_hands_the_job_on",),
    ),
    Mutation(
        "a late bot joins another meeting under the same link",
        "worker/jobs/job_run.py",
        "if not is_too_late(due, earlier.active_until, now, limit):",
        "if True:",
        (f"{JOBS}test_job_run.py::test_a_job_that_is_too_late_ends_without_joining",),
    ),
    Mutation(
        "a job has one more try for all its troubles",
        "worker/jobs/retry_budget.py",
        "return not self._spent or healthy_seconds >= HEALTHY_SECONDS",
        "return not self._spent",
        (f"{JOBS}test_retry_budget.py",),
    ),
    Mutation(
        "one bot's id is used by two jobs",
        "worker/jobs/bot_claim.py",
        "type=ClaimedJob).body_sha256 != claimed.body_sha256:",
        "type=ClaimedJob).bot_id != job.bot_id:",
        (f"{JOBS}test_bot_claim.py",),
    ),
    Mutation(
        "a repeated SIGTERM ends the process at once",
        "worker/recording/signals.py",
        "        if number is signal.SIGINT:\n",
        "        if True:\n",
        ("tests/unit/recording/test_signals.py",),
    ),
    Mutation(
        "a worker that waits for a service never ends",
        "worker/jobs/supervisor.py",
        "self._deadline = self._loop.call_later(self._grace_seconds, self.out_of_time.set)",
        "self._deadline = None",
        (f"{JOBS}test_supervisor.py",),
    ),
    Mutation(
        "a lost lease does not stop the bot",
        "worker/jobs/supervisor.py",
        "        self._loop.call_soon_threadsafe(self._stop, ending)\n",
        "",
        (f"{JOBS}test_supervisor.py",),
    ),
    Mutation(
        "a bot does not come back after a worker that was drained",
        "worker/jobs/earlier_attempts.py",
        "return reason is not None and reason.is_cut_off",
        "return False",
        (
            f"{JOBS}test_earlier_attempts.py",
            f"{JOBS}test_job_run.py::test_a_drain_at_any_moment_loses_nothing",
        ),
    ),
    Mutation(
        "a worker that cannot reach its bucket takes jobs",
        "worker/jobs/preflight.py",
        "        lambda: _check_store(context),\n",
        "",
        (f"{JOBS}test_preflight.py",),
    ),
    # The call.
    Mutation(
        "a recording that was cut off ends well",
        "worker/lifecycle/state_machine.py",
        "good = self.admitted_at is not None and not ending.reason.is_cut_off",
        "good = self.admitted_at is not None",
        ("tests/unit/lifecycle/test_state_machine.py",),
    ),
    Mutation(
        "a second stop overwrites why the bot leaves",
        "worker/lifecycle/state_machine.py",
        "return self._leave(ending, ending.at) if self._ending is None else []",
        "return self._leave(ending, ending.at)",
        ("tests/unit/lifecycle/test_state_machine.py",),
    ),
    Mutation(
        "a recording has no longest duration",
        "worker/lifecycle/state_machine.py",
        "            if at - self.recording_since >= longest:\n",
        "            if False:\n",
        ("tests/unit/lifecycle/test_state_machine.py",),
    ),
    # What becomes of packets.
    *MEDIA,
    # Live streams, and their receiver.
    *LISTENING,
    *LIVE_JOBS,
    *LIVE_PEOPLE,
    *LIVE_SOUND,
    # The server's page.
    *FAULTS_OF_PAGE,
)
