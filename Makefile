# Every chore of the template; on a fresh machine the first one installs what it needs.

OUTPUT ?= ..
UV := $(or $(shell command -v uv),.uv/bin/uv)
ASK := $(shell test -t 0 || echo --no-input)

# Or ruff would keep one in the template, to be copied into every project.
export RUFF_CACHE_DIR := $(CURDIR)/.ruff_cache

.DEFAULT_GOAL := help
.PHONY: help new test check format sandbox

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

new: $(UV) ## Make a project from your answers, beside this checkout or in OUTPUT= (ANSWERS="database=postgresql ci=none")
	@$(UV) run --quiet --no-dev cookiecutter . --output-dir "$(OUTPUT)" $(ASK) $(ANSWERS)

test: $(UV) ## Run the tests: bake every pair of answers, and run what was baked
	$(UV) run pytest -n auto

check: $(UV) ## Lint and check types
	$(UV) run ruff check .
	$(UV) run ruff format --check .
	$(UV) run mypy

format: $(UV) ## Format the code
	$(UV) run ruff check --fix .
	$(UV) run ruff format .

sandbox: $(UV) ## Bake ./sandbox, whose Python is linked to the template: edit one, run the other
	rm -rf sandbox
	@$(UV) run --quiet --no-dev cookiecutter . --no-input project_slug=sandbox
	for part in app tests alembic; do \
	    rm -r "sandbox/$$part" && ln -s "../{{cookiecutter.project_slug}}/$$part" "sandbox/$$part"; \
	done

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv
