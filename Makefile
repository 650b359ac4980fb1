# make demo: the whole pipeline on the demo head.  make test: all tests.  make lint: all checks.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
# The interpreter by a relative path, and programs as its modules: their own first lines do not survive every folder.
RUN := $(BIN)/python -m
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo viewer test lint format clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/.run: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("splatrig needs Python 3.11 or newer, got " + sys.version.split()[0] + "; name another with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(RUN) pip install --disable-pip-version-check --quiet -e . -c constraints.txt
	touch $@

.venv/.dev: .venv/.run
	$(RUN) pip install --disable-pip-version-check --quiet -e .[dev] -c constraints.txt
	touch $@

demo: .venv/.run ## run the whole pipeline on the demo head and write report.html
	$(RUN) snakemake --cores $(CORES)
	$(RUN) snakemake --cores 1 --report results/demo/report.html
	@echo
	@echo "Done. Open in a browser:  $$PWD/results/demo/report.html"
	@echo "Fitted | photographed:    results/demo/renders/fit/*.png"
	@echo "Components, moved:        results/demo/renders/*/contact_sheet.jpg, animation.mp4"
	@echo "Films, files for others:  results/demo/video/, results/demo/export/"
	@echo "Pose it, in a browser:     results/demo/control/head.html, or: make viewer"
	@echo "Tables and figures:       results/demo/evaluation/summary.html, figures/*.png"

viewer: .venv/.run ## serve the web head of a run, with photographs and other families (RESULTS=results/demo PORT=8080 LISTEN=0.0.0.0 LIVE_LINK=11111)
	$(RUN) splatrig.control.serve $(or $(RESULTS),results/demo) --port $(or $(PORT),8080) $(if $(LISTEN),--host $(LISTEN)) $(if $(LIVE_LINK),--live-link $(LIVE_LINK))

test-slow: .venv/.dev ## what `make test` leaves out: benchmarks in their smallest size that take half a minute, and studies
	$(RUN) pytest -n $(CORES) -m slow

# one more than there are cores: the test on SLURM waits for half of its time
test: .venv/.dev ## unit tests, property tests and end-to-end runs, in one process more than there are cores
	$(RUN) pytest -n $$(($(CORES) + 1))

lint: .venv/.dev ## ruff, mypy, import directions, snakefmt, snakemake --lint, documentation
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo
	snakefmt --check Snakefile workflow/rules
	snakemake --lint
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

format: .venv/.dev ## rewrite the sources in the house format
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow/rules

clean: ## remove what the demo computed
	rm -rf results/demo .snakemake
