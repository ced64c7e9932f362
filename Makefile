# Each target does its own set-up first.
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-queue demo-live serve test lint bench chaos fuzz outcomes image mutate

# Images of Python set it. Each process would compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

# The number of parallel other tests. Many of them wait for servers, other processes and due times.
UNIT_WORKERS ?= 4

# The number of parallel browser tests. They are timing-sensitive, and each runs its own Chromium.
BROWSER_WORKERS ?= 3

# These start one Chromium after the other and use all processors, so no recordings run beside them.
OUTCOMES := tests/browser/test_meet_outcomes.py tests/browser/test_teams_outcomes.py

# The beginning and the end of each scenario, as an outcome and for other bots' scripts: only `make outcomes` plays them.
SCENARIO_OUTCOMES := tests/browser/test_scenario_outcomes.py tests/browser/test_foreign_scenarios.py

# The number of random moments at which `make chaos` kills a recording (and drains one, at half as many), and of recordings in
# parallel.
KILLS ?= 20
CHAOS_WORKERS ?= 3

# How many tapes with hostile packets `make fuzz` renders, on each platform.
SEEDS ?= 2000

# The name of the image that `make image` builds.
IMAGE ?= meetstems

# Where `make serve` keeps jobs, results and its key, and where it listens.
DATA ?= meetstems-data
PORT ?= 8080

# How often `make outcomes` plays each outcome of joining a call.
REPEAT ?= 10

# Where `make outcomes` records every visit, and the records of an earlier version whose times it shows beside them, if any.
OUTCOME_RECORDS ?= build/outcomes.jsonl
EARLIER_RECORDS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv, install pinned dependencies, find or install Chromium
	@scripts/setup

demo: setup ## Record a local replica of a Meet call with a real Chromium
	@scripts/demo

demo-queue: setup ## Do the same as a job from a queue to a bucket, both embedded
	@scripts/demo-queue

demo-live: setup ## Do the same with live streams, and show who speaks while the meeting runs
	@scripts/demo-live

serve: setup ## Serve the HTTP API on this machine, with a demo meeting; results are in a folder (DATA, PORT)
	@scripts/serve $(DATA) $(PORT)

test: lint ## Check everything, then run all tests
	@.venv/bin/pytest tests --ignore tests/browser --ignore tests/benchmarks -n $(UNIT_WORKERS) --dist worksteal
	@.venv/bin/pytest tests/browser $(OUTCOMES:%=--ignore %) -n $(BROWSER_WORKERS) --dist worksteal
	@.venv/bin/pytest $(OUTCOMES) -n $(BROWSER_WORKERS) --dist worksteal

lint: ## Check format, style, and the types of Python and JavaScript
	@scripts/setup-development
	@scripts/lint

bench: ## Run the benchmarks
	@scripts/setup-development
	@.venv/bin/pytest tests/benchmarks -s

chaos: ## Kill, drain and pause workers, take S3 and SQS away, and check that nothing spoken is lost
	@scripts/setup-development
	@MEETSTEMS_CHAOS=$(KILLS) .venv/bin/pytest tests/chaos -n $(CHAOS_WORKERS)
	@MEETSTEMS_CHAOS=$(KILLS) .venv/bin/pytest tests/unit/jobs/test_job_run.py -k moment -n auto

fuzz: ## Render SEEDS tapes with hostile packets, and check that nobody else loses any
	@scripts/setup-development
	@MEETSTEMS_FUZZ=$(SEEDS) .venv/bin/pytest tests/unit/rendering/test_fuzzed_tapes.py -n auto

outcomes: ## Play every outcome of joining a call many times; count false admissions and ends
	@scripts/setup-development
	@mkdir -p build; rm -f $(OUTCOME_RECORDS); status=0; \
	MEETSTEMS_REPEAT=$(REPEAT) MEETSTEMS_OUTCOMES=$(abspath $(OUTCOME_RECORDS)) \
	    .venv/bin/pytest $(OUTCOMES) $(SCENARIO_OUTCOMES) -n $(BROWSER_WORKERS) --dist worksteal || status=$$?; \
	.venv/bin/python -m tests.support.outcome_summary $(OUTCOME_RECORDS) $(EARLIER_RECORDS) || status=$$?; exit $$status

image: ## Build the image with docker, from its base image's present digest
	@scripts/build-image $(IMAGE)

# Compiled files are told apart by size and second, which two mutations may share.
mutate: export PYTHONDONTWRITEBYTECODE = 1
mutate: export TESTS_WITHOUT_BYTECODE = 1
mutate: ## Put faults into the code on purpose, and show which tests notice
	@scripts/setup-development
	@.venv/bin/python -m tests.mutations.run
