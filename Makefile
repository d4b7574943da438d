# Each target sets up what it needs on a fresh machine with Python 3.11 or later.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Quiet and offline about pip itself; every package is locked by hash.
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q

.DEFAULT_GOAL := help
.PHONY: help run demo test check lint format bench soak lock clean chromium smtp-sink mail-dkim spamassassin

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## the learner site with a sample course, an outbox and "next morning"
	$(BIN)/course serve --demo

demo: $(VENV)/.run ## the whole course sent to sample learners in seconds, as .eml files in var/demo
	$(BIN)/course demo var/demo

test: $(VENV)/.dev chromium smtp-sink mail-dkim spamassassin lint ## everything: style, types, import rules, tests
	$(BIN)/python -m pytest -n auto --dist loadgroup

check: test ## the gate before a commit; the same as test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## the speed table; figures are ratios within one run
	$(BIN)/python -m tests.benchmarks

SEEDS ?= 1..400
soak: $(VENV)/.dev ## many small worlds in which everything goes wrong (SEEDS=1..400)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

lock: $(VENV)/.dev ## resolve the dependencies anew (needs `uv`)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header --upgrade -q -o requirements.txt
	uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-header -c requirements.txt -q -o requirements-dev.txt

clean: ## remove the environment and what runs left behind
	rm -rf $(VENV) var dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# The browser tests drive a real Chromium. Root can fetch one; others are told what they miss.
chromium:
	@if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing chromium for the browser tests"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null; \
	  else \
	    echo "no Chromium found: the browser tests will be skipped (install the package chromium to run them)"; \
	  fi; \
	fi

# One test talks to Postfix's own sink. Unpacked, never installed: no mail server starts by itself.
smtp-sink: | $(VENV)/bin/python
	@if ! command -v smtp-sink >/dev/null && [ ! -x $(VENV)/postfix/usr/sbin/smtp-sink ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "unpacking Postfix's smtp-sink for one test"; \
	  (apt-get update -qq && cd $(VENV) && apt-get download -qq postfix && dpkg -x postfix_*.deb postfix && rm -f postfix_*.deb) >/dev/null 2>&1 || echo "could not: its test will say so"; \
	fi

# $(call unpack,MODULE,PACKAGE,PURPOSE): a Perl module and all it needs, unpacked, never installed.
define unpack
	@if ! perl -M$(1) -e 1 2>/dev/null && [ ! -f $(VENV)/perl/usr/share/perl5/$(subst ::,/,$(1)).pm ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "unpacking $(2) for $(3)"; \
	  (apt-get update -qq && mkdir -p $(VENV)/perl && cd $(VENV)/perl && \
	    apt-get install -s -qq --no-install-recommends $(2) | awk '/^Inst/ && $$3 !~ /^\[/ {print $$2}' | xargs apt-get download -qq && \
	    for package in *.deb; do dpkg -x "$$package" . || exit 1; done && rm -f *.deb) >/dev/null 2>&1 || echo "could not: its tests will say so"; \
	fi
endef

# Signed mail is verified by Perl's Mail::DKIM, too.
mail-dkim: | $(VENV)/bin/python
	$(call unpack,Mail::DKIM::Verifier,libmail-dkim-perl,the tests of signed mail)

# Every shipped mail is shown to SpamAssassin; one after the other, in the same place.
spamassassin: mail-dkim
	$(call unpack,Mail::SpamAssassin,spamassassin,the test of every shipped mail)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; say which one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "setting up (once): $(VENV)"
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "setting up the tests (once)"
	$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@
