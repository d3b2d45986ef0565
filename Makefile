# Every target works on its own in a fresh clone: what it needs is installed first.
.DEFAULT_GOAL := help
.PHONY: help setup kaggle pcam check repro compare experiments test test-quick test-slow lint format bench clean

# A uv on PATH is used; without one the project makes itself a private one.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# `export EXTRA=gpu` installs TensorFlow with CUDA.
SYNCED := .venv/.synced-$(or $(EXTRA),cpu)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# TensorFlow starts 5 s slower, every time, where its bytecode isn't compiled.
export UV_COMPILE_BYTECODE := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2

# Columns of `dvc exp show` that fit a screen: what an experiment gave, and which params differ.
SHOWN := Experiment|State|test.roc_auc|validation.roc_auc$$
SECTIONS := (data|demo|validate|split|crop|train|evaluate|predict)[.](?!auc|loss)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv

$(SYNCED): pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --locked $(addprefix --extra ,$(EXTRA))
	@rm -f .venv/.synced-*
	@touch $@

setup: $(SYNCED) ## install the locked environment into .venv

kaggle: setup ## download Kaggle's zip to data/raw; it takes an account and an API token
	@python scripts/fetch_kaggle.py data/raw

pcam: setup ## download PatchCamelyon to data/raw/pcam, 8 GB; goes on where it broke off
	@python scripts/fetch_pcam.py data/raw/pcam

check: setup ## check every section of params.yaml
	dvc repro check

repro: setup ## run what changed of the pipeline, from the source to the submission
	dvc repro

compare: setup ## does this model, or HEAD's, beat BASE's? make compare BASE=main [HEAD=branch]
	@test -n "$(BASE)" || { echo 'usage: make compare BASE=main [HEAD=branch]' >&2; exit 2; }
	@python -m metastasis compare "$(BASE)" $(if $(HEAD),"$(HEAD)")

experiments: setup ## AUC on validation and test of each experiment, and the params that differ
	@dvc exp show --no-pager --only-changed --drop '(?!$(SHOWN)|$(SECTIONS))'

test: setup ## the quick tests and the whole pipeline once on a tiny demo
	pytest -n auto --dist loadfile -m "not slow"

test-quick: setup ## the quick tests alone
	pytest -n auto --dist worksteal -m "not slow and not medium"

test-slow: setup ## real DVC in temporary clones, long training
	pytest -n auto --dist loadfile -m slow

lint: setup ## formatting, lint, types and the schema of workflows
	ruff format --check
	ruff check
	mypy
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: setup ## format the code and mend what ruff can mend
	ruff check --fix
	ruff format

bench: setup ## measure speed, as ratios; after a run also how many copies are found
	@for name in demo ingest feeding step epoch $$(test -e data/inventory.parquet && echo copies); do \
		echo "== benchmarks/$$name.py"; python benchmarks/$$name.py || exit 1; done

clean: ## remove caches and run state; data, models and DVC's cache stay
	rm -rf .state .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src stages scripts tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
