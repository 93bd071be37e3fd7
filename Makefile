# What a developer or an operator types. Each recipe is one script; `make help` lists them.
# A setting may be given on the line: `make run PORT=9000 LLM_MODEL=openai:gpt-4.1-mini`.

.DEFAULT_GOAL := help
.PHONY: help setup run demo-llm test check chaos mutants bench bench-peers compare format lock static clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with all that running, testing and measuring need
	@scripts/setup dev

run: ## start the server (HOST, PORT and the rest: from here, the environment or .env; see .env.example)
	@scripts/setup run
	@exec .venv/bin/python -m server

demo-llm: ## start the server with a small real model of this machine (93 MB, CPU; no key, no tools)
	@scripts/demo-llm

test: ## run all tests with coverage; ARGS="tests/core -k fold" runs some without
	@scripts/setup dev
	@scripts/test $(ARGS)

check: ## format, lint, types, arrows between packages, docs, Dockerfile, compose file
	@scripts/setup dev
	@scripts/check

chaos: ## kill and cut a cluster for minutes, judge what clients saw; ARGS="--profile rolling --seed 3 --seconds 60"
	@scripts/setup dev
	@.venv/bin/python -m tests.chaos $(ARGS)

mutants: ## seed bugs into a cluster and show that the chaos checker sees each (half an hour; ARGS=NAME for some)
	@scripts/setup dev
	@.venv/bin/python -m tests.chaos.mutants $(ARGS)

bench: ## measure speed beside a naive loop (five minutes; ARGS=--full for twenty, which docs/performance.md shows)
	@scripts/setup dev
	@.venv/bin/python -m bench $(ARGS)

bench-peers: ## the same work on Chainlit, python-socketio, LiteLLM and Open WebUI (eight minutes, and making these; ARGS="--peers chainlit")
	@scripts/setup dev
	@.venv/bin/python -m bench.peers $(ARGS)

compare: ## the same questions to several models, and a report; ARGS="--models openai:gpt-5-mini,offline:demo --out data/compare"
	@scripts/setup dev
	@.venv/bin/python -m mlops compare $(ARGS)

format: ## format the code and mend what can be mended
	@scripts/setup dev
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

lock: ## compile requirements*.in into hashed requirements*.txt
	@scripts/lock $(ARGS)

static: ## build the front end anew (needs node; the built files are in the repository)
	@scripts/static

clean: ## remove .venv, caches and reports; ./data stays
	@scripts/clean
