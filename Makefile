# `make demo` and `make test` work on a fresh clone with nothing but make and Python >= 3.11 (Debian and Ubuntu: what
# else they need is installed, as root, or named).

DEMO_PORT ?= 9784
DEMO_INVENTORY ?=
PYTEST_WORKERS ?= 2
UPGRADE ?=

export PYTHON
bin := .venv/bin
# Every version and hash is in the requirements, so nothing is resolved and nothing is built.
pip := $(bin)/python -m pip --disable-pip-version-check install --quiet --no-deps
pinned := $(pip) --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help demo install test check update bench lock clean tools

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: .venv/.run ## The exporter on a stand-in AWS, without an account (DEMO_PORT=9784 DEMO_INVENTORY=file)
	@exec $(bin)/tts-aws-exporter demo --web.listen-address 127.0.0.1:$(DEMO_PORT) \
		$(if $(DEMO_INVENTORY),--inventory "$(DEMO_INVENTORY)")

install: .venv/.run ## The exporter itself, as .venv/bin/tts-aws-exporter

test: check tools ## Everything that CI runs
	$(bin)/python -m pytest -n $(PYTEST_WORKERS)

check: .venv/.dev ## What test runs before the tests: format, lint, types
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(bin)/mypy

update: .venv/.dev ## Rewrite what is derived: goldens, docs/metrics.md, docs/configuration.md, docs/best-practices.md, deploy/iam-policy.json
	$(bin)/python tests/update.py

bench: .venv/.dev ## Measure calls, seconds, throughput and memory on the stand-in AWS
	$(bin)/python tests/bench/bench.py

lock: .venv/.dev ## Pin the requirements anew (UPGRADE=1: to the newest releases)
	for each in requirements requirements-build requirements-dev; do \
		$(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) \
			$$each.in -o $$each.txt || exit; \
	done

clean: ## Remove what was installed or made here
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

tools:
	@command -v promtool >/dev/null || scripts/system-packages prometheus
	@command -v chromium >/dev/null || scripts/system-packages chromium

# The dotfiles in .venv say what is installed there, so that it happens again only when the requirements change.

.venv/.new: scripts/new-venv
	scripts/new-venv .venv
	@touch $@

.venv/.run: .venv/.new requirements.txt requirements-build.txt pyproject.toml
	$(pinned) -r requirements.txt -r requirements-build.txt
	$(pip) --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(pinned) -r requirements-dev.txt
	@touch $@
