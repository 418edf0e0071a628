# Everything runs in .venv, which is made on the first call.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
# The tests start many processes, each of which would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak matrix clients fix dist lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.ready ## Watch BoostMon do its job, and play with it in a browser
	@$(BIN)/boostmon demo

test: .venv/.ready ## Run all tests
	$(BIN)/pytest -n 3 --dist loadgroup

check: .venv/.ready ## Format, lint, types and all tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

bench: .venv/.ready .venv-bench/.ready ## Measure the hot paths beside their limits
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.drain

soak: .venv/.ready ## Hurt real processes for MINUTES, with OLD=1 beside the release before; an oracle judges
	$(BIN)/python -m tests.chaos --standby --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(PLANT),--plant $(PLANT)) $(if $(IN_LIFE),--in-life) $(if $(OLD),--old)

matrix: .venv/.ready ## Live a whole life over servers of every kind, ROWS at random (SEED=1)
	$(BIN)/python -m tests.support.matrix --rows $(or $(ROWS),60) --seed $(or $(SEED),1)

clients: .venv-clients/.ready .venv-clients/node/.ready ## Install bots of other libraries, which tests put into the sandbox

fix: .venv/.ready ## Format and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: .venv/.ready ## Build the sdist and the wheel of a release into dist/
	rm -rf $(DIST)
	$(BIN)/hatchling build --directory $(DIST)

DIST := dist

lock: ## Lock the newest allowed versions with their hashes (needs uv and npm)
	uv pip compile pyproject.toml --extra embedded $(LOCK) -o requirements.txt
	uv pip compile pyproject.toml --extra embedded --group dev $(LOCK) -o requirements-dev.txt
	printf '%s\n' 'discord.py>=2.7,<3' 'hikari>=2.7,<3' | uv pip compile - $(LOCK) -o requirements-clients.txt
	npm install --prefix tests/clients --package-lock-only --omit-lockfile-registry-resolved --silent
	$(PYTHON) tests/clients/without_addresses.py tests/clients/package-lock.json
	printf '%s\n' 'eventsourcing>=9.5,<10' 'psycopg[binary,pool]' | uv pip compile - $(LOCK) -o requirements-bench.txt

LOCK := --universal --python-version 3.11 --generate-hashes --quiet --custom-compile-command 'make lock'

# A PYTHON that is named, and is another than that of .venv, makes it anew.
ifeq ($(origin PYTHON),command line)
ifneq ($(shell $(PYTHON) --version 2>&1),$(shell cat .venv/.ready 2>/dev/null))
.PHONY: .venv/.ready
endif
endif

.venv/.ready: requirements-dev.txt pyproject.toml
ifdef UV
	uv venv --quiet --clear --python $(PYTHON) .venv
	uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
else
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'BoostMon needs Python 3.11 or newer; call it with: make PYTHON=python3.11'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
endif
	@$(BIN)/python --version > $@

# The library that the log is measured against; without it the bench says so.
.venv-bench/.ready: requirements-bench.txt
ifdef UV
	-uv venv --quiet --clear --python $(PYTHON) .venv-bench && \
		uv pip sync --quiet --python .venv-bench/bin/python --require-hashes $< && touch $@
else
	-$(PYTHON) -m venv --clear .venv-bench && \
		.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $< && touch $@
endif

# Bots of other libraries, against which the sandbox is tested; without them those tests are skipped.
.venv-clients/.ready: requirements-clients.txt
ifdef UV
	-uv venv --quiet --clear --python $(PYTHON) .venv-clients && \
		uv pip sync --quiet --python .venv-clients/bin/python --require-hashes $< && touch $@
else
	-$(PYTHON) -m venv --clear .venv-clients && \
		.venv-clients/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $< && touch $@
endif

.venv-clients/node/.ready: tests/clients/package-lock.json | .venv-clients/.ready
	-mkdir -p $(@D) && cp tests/clients/package.json $< $(@D) && \
		npm ci --prefix $(@D) --silent --ignore-scripts --no-audit --no-fund && touch $@
