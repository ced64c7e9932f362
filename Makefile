# One command each; every one of them does its own set-up first.
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-queue test lint bench chaos outcomes

# How many browser tests run at once. They are timing-sensitive and each drives a Chromium of its own.
BROWSER_WORKERS ?= 3

# These start one Chromium after the other and need all there is of a processor: recordings beside them would suffer.
OUTCOMES := tests/browser/test_meet_outcomes.py tests/browser/test_teams_outcomes.py

# How many random moments `make chaos` kills a recording at, and how many recordings run side by side.
KILLS ?= 20
CHAOS_WORKERS ?= 3

# How often `make outcomes` plays each way that a join can go.
REPEAT ?= 10

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv, install pinned dependencies, find or install Chromium
	@scripts/setup

demo: setup ## Let a real Chromium record a local replica of a Meet call
	@scripts/demo

demo-queue: setup ## The same from a queue to a bucket, both embedded
	@scripts/demo-queue

test: lint ## Check everything, then run all tests
	@.venv/bin/pytest tests --ignore tests/browser --ignore tests/benchmarks -n auto
	@.venv/bin/pytest tests/browser $(OUTCOMES:%=--ignore %) -n $(BROWSER_WORKERS) --dist worksteal
	@.venv/bin/pytest $(OUTCOMES) -n $(BROWSER_WORKERS) --dist worksteal

lint: ## Check format, style, and the types of Python and JavaScript
	@scripts/setup-development
	@scripts/lint

bench: ## Run the benchmarks
	@scripts/setup-development
	@.venv/bin/pytest tests/benchmarks -s

chaos: ## Kill a recording's whole process tree at random moments, then finish the job
	@scripts/setup-development
	@MEETSTEMS_CHAOS=$(KILLS) .venv/bin/pytest tests/chaos -n $(CHAOS_WORKERS)

outcomes: ## Play every way that a join can go, on Meet and on Teams, many times over
	@scripts/setup-development
	@MEETSTEMS_REPEAT=$(REPEAT) .venv/bin/pytest $(OUTCOMES) -n $(BROWSER_WORKERS) --dist worksteal
