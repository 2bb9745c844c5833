# The whole developer interface. Needed: Linux, make, Python 3.11 or newer with venv, and the package index.
# Everything is written to .venv and .tidings of this folder.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test verify check bench docs lock

export PYTEST_DEBUG_TEMPROOT := $(CURDIR)/.tidings/tmp
# Compiled once, whatever the environment says: a node starts in half the time, and tests start dozens.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.tidings/pyc
unexport PYTHONDONTWRITEBYTECODE
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

BIN := .venv/bin
READY := .venv/.ready
INSTALL := TMPDIR="$(CURDIR)/.tidings/tmp" $(BIN)/python -m pip install --quiet --no-compile
PYTEST := $(BIN)/python -m pytest --dist worksteal --quiet

# The first Python that is new enough and can make an environment.
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$python" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$python" && break; done)
NEED_PYTHON = test -n "$(PYTHON)" || { \
	echo "Python 3.11 or newer with venv was not found: install it (Debian: python3 and python3-venv)." >&2; exit 1; }

help:
	@echo "make run     a working system with simulated people who talk and post; join them in a browser"
	@echo "make test    the test suite"
	@echo "make verify  what is too slow for every change, and that every branch of the pure rooms is tested"
	@echo "make check   format, lint, strict types, import directions"
	@echo "make bench   speed against the floor and the recorded baseline"
	@echo "make docs    the API documents"
	@echo "make lock    requirements.lock from pyproject.toml"

run: $(READY)
	@exec $(BIN)/tidings demo

# What is generated for the fuzzing of HTTP takes each process seconds, and is all for verify.
test: $(READY)
	@$(PYTEST) -n 3 -m "not verify" --ignore tests/security/test_http_fuzz.py

# The simulation only computes, most of the others wait: it takes what they leave.
verify: $(READY)
	@nice -n 19 $(PYTEST) -n 2 -m verify tests/simulation & seeds=$$!; \
		trap 'kill $$seeds 2>/dev/null' EXIT; trap 'exit 1' INT TERM; \
		$(PYTEST) -n 2 -m verify --ignore tests/simulation \
		&& $(BIN)/tidings torture --runs 1 --data .tidings/torture \
		&& $(BIN)/python -m coverage run -m pytest --quiet tests/protocol tests/actors \
			tests/server/http/test_documents.py \
		&& $(BIN)/python -m coverage report \
		&& wait $$seeds

check: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

bench: $(READY)
	@exec $(BIN)/tidings bench all

docs: $(READY)
	$(BIN)/tidings docs

lock: | .tidings/tmp
	@$(NEED_PYTHON)
	$(PYTHON) -m venv .tidings/uv
	.tidings/uv/bin/python -m pip install --quiet uv
	.tidings/uv/bin/uv pip compile pyproject.toml --group dev --extra bench --universal --python-version 3.11 \
		--generate-hashes --no-cache --quiet --custom-compile-command "make lock" --output-file requirements.lock

$(READY): requirements.lock pyproject.toml clients/python/pyproject.toml | .tidings/tmp
	@$(NEED_PYTHON)
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv
	@echo "installing packages (half a minute)"
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e . -e clients/python
	@touch $@

.tidings/tmp:
	@mkdir -p $@
