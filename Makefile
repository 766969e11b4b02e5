PYTHON ?= python3
SANDBOX = .venv/bin/sandbox

.PHONY: help up down test lint verify-elk clean

help: ## Show these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

up: .venv/ok ## Set everything up and start the sandbox (installs Docker on Debian and Ubuntu if there is none)
	$(SANDBOX) doctor --fix
	$(SANDBOX) up

down: .venv/ok ## Stop the sandbox; its data stays
	$(SANDBOX) down

test: .venv/test-ok lint ## Run every check and test against a real Docker engine
	$(SANDBOX) doctor --fix
	.venv/bin/pytest --require-docker

lint: .venv/test-ok ## Check style and types
	.venv/bin/ruff check sandbox tests
	.venv/bin/mypy

verify-elk: .venv/test-ok ## Try the whole Elastic stack, where its images can be pulled (ARGS='--elasticsearch URL …': one that runs)
	.venv/bin/python tests/verify_elk.py $(ARGS)

clean: ## Remove the Python environment
	rm -rf .venv

.venv/ok: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "installing python3-venv"; apt-get update -q && apt-get install -y -q python3-venv; }
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/test-ok: .venv/ok
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
