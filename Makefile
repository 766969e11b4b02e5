PYTHON ?= python3
SANDBOX = .venv/bin/sandbox
APPS = $(patsubst compose/apps/%/tests,%,$(wildcard compose/apps/*/tests))

# What the tests drive besides Docker: program:package.
TOOLS = git:git java:default-jre-headless groovy:groovy ruby:ruby chromium:chromium npm:npm

.PHONY: help up down test test-apps lint bench dashboards verify-elk verify-grafana clean
.SECONDARY: # keep the stamps of pattern rules

help: ## Show these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

up: .venv/ok ## Set everything up and start the sandbox (installs Docker on Debian and Ubuntu if there is none)
	$(SANDBOX) doctor --fix
	$(SANDBOX) up

down: .venv/ok ## Stop the sandbox; its data stays
	$(SANDBOX) down

test: .venv/tools-ok .venv/test-ok lint test-apps ## Run every check and test against a real Docker engine
	$(SANDBOX) doctor --fix
	.venv/bin/pytest --require-docker --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-apps: $(APPS:%=test-app-%) ## Run the sample applications' own tests, with the packages of their images

# No caches in the application's folder: its files make its image's name.
test-app-%: .venv/apps/%/ok
	cd compose/apps/$* && PYTHONDONTWRITEBYTECODE=1 ../../../.venv/apps/$*/bin/python -m pytest -p no:cacheprovider

bench: .venv/test-ok ## Print how fast it is, beside plain Docker Compose, testcontainers and pytest-docker (not part of the tests)
	$(SANDBOX) doctor --fix
	.venv/bin/python -m tests.benchmarks
	.venv/bin/python -m tests.benchmarks.ci
	.venv/bin/python -m tests.benchmarks.bundle
	.venv/bin/python -m tests.benchmarks.shop

dashboards: .venv/ok ## Write the dashboards that dashboards/*.py describe
	.venv/bin/python -m dashboards

verify-grafana: .venv/test-ok ## Check a Grafana 12 that runs: make verify-grafana URL=http://localhost:3000
	.venv/bin/python -m tests.verify_grafana $(or $(URL),http://localhost:3000)

lint: .venv/test-ok ## Check style and types
	.venv/bin/ruff check .
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

.venv/tools-ok: .venv/ok
	@missing=; for tool in $(TOOLS); do command -v $${tool%:*} > /dev/null || missing="$$missing $${tool#*:}"; done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing for the tests"; \
		apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; \
	fi
	@touch $@

.venv/apps/%/ok: compose/apps/%/requirements-test.txt .venv/ok
	$(PYTHON) -m venv .venv/apps/$*
	.venv/apps/$*/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
