# Everything starts here: `make run`, `make test`, `make up`, `make bench`. The virtual environment is .venv.
SHELL := /bin/bash
.DELETE_ON_ERROR:

# the first Python that really runs and is new enough; set PYTHON to choose another
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin

.PHONY: help run test lint types bench orders mutations soak up down clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 10

run: .venv/installed  ## from nothing to a filled ledger: install, start Postgres, migrate, load the recordings through Dagster
	@$(BIN)/python -m model_assets quickstart

test: .venv/installed-dev  ## the tests, with a Postgres of their own
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev  ## style
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: .venv/installed-dev  ## types
	$(BIN)/python -m mypy

bench: .venv/installed-dev  ## cost of parsing and merging, as a ratio to a raw COPY; time to answers (of RECORDINGS); rows of a log a second; the API's speed; Hugging Face at 200,000 models
	$(BIN)/python -m bench.ledger; ledger=$$?; $(BIN)/python -m bench.answers $(RECORDINGS); answers=$$?; \
	$(BIN)/python -m bench.replay; replay=$$?; $(BIN)/python -m bench.api; api=$$?; \
	$(BIN)/python -m bench.huggingface; exit $$((ledger | answers | replay | api | $$?))

orders: .venv/installed-dev  ## import RECORDINGS in many orders, and compare the ledgers byte by byte
	$(BIN)/python -m bench.orders "$(or $(RECORDINGS),model_assets/recordings)"

mutations: .venv/installed-dev  ## the proof of the proof: take each guard away, and see its test fail (WORDS chooses; half an hour on two cores)
	$(BIN)/python -m bench.mutations $(WORDS)

soak: .venv/installed-dev  ## 400 simulated days with faults and kills, in about ten minutes (SOAK_DAYS, SOAK_SEED, SOAK_MODELS; needs faketime)
	$(BIN)/python -m bench.soak --days $(or $(SOAK_DAYS),400) --seed $(or $(SOAK_SEED),1) --models $(or $(SOAK_MODELS),50)

up: .venv/installed  ## Dagster's UI, its daemon, and what they need, until Ctrl-C
	@exec $(BIN)/python -m model_assets up

down:  ## stop the embedded Postgres
	@$(BIN)/python -m model_assets down

clean:  ## remove the virtual environment (not the data)
	rm -rf .venv build *.egg-info

.venv/installed: pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then echo "Model Assets needs Python 3.11 or newer with venv (Debian: apt install python3-venv)." >&2; exit 1; fi
	@echo "installing into .venv (a minute or two) ..."
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "installing the tools of development ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
