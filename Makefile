# The commands of the template. The first one that you run installs what is missing.

OUTPUT ?= ..
DATABASE ?= postgresql
UV := $(or $(shell command -v uv),.uv/bin/uv)
ASK := $(shell test -t 0 || echo --no-input)

# Otherwise ruff would create a cache in the template, which bakes would copy.
export RUFF_CACHE_DIR := $(CURDIR)/.ruff_cache

.DEFAULT_GOAL := help
.PHONY: help new test test-edits bench check format sandbox

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

new: $(UV) ## Generate a project beside this checkout, or in OUTPUT= (ANSWERS="database=postgresql ci=none")
	@$(UV) run --quiet --no-dev cookiecutter . --output-dir "$(OUTPUT)" $(ASK) $(ANSWERS)

test: $(UV) ## Run the tests: bake every pair of choices, test the projects, edit them (20 to 25 minutes)
	$(UV) run pytest -n auto -m "not more_edits"

test-edits: $(UV) ## Try each edit and recipe alone (45 minutes); `make test` makes all of them together
	$(UV) run pytest -n auto -m more_edits

bench: $(UV) ## Measure the speed of the service, on PostgreSQL or DATABASE=sqlite (9 to 15 minutes)
	$(UV) run python -m benchmarks.speed $(DATABASE)

check: $(UV) ## Lint and type-check
	$(UV) run ruff check .
	$(UV) run ruff format --check .
	$(UV) run mypy

format: $(UV) ## Format the code
	$(UV) run ruff format .
	$(UV) run ruff check --fix .

sandbox: $(UV) ## Bake ./sandbox, whose Python is linked into the template: edit one, run the other
	rm -rf sandbox
	@$(UV) run --quiet --no-dev cookiecutter . --no-input project_slug=sandbox
	for part in app tests alembic; do \
	    rm -r "sandbox/$$part" && ln -s "../{{cookiecutter.project_slug}}/$$part" "sandbox/$$part"; \
	done

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv
