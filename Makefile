# Every target works on its own in a fresh clone: what it needs is installed first.
.DEFAULT_GOAL := help
.PHONY: help setup libraries kaggle pcam check repro compare experiments test test-quick test-slow lint format bench clean

# What is installed comes first on PATH. A recipe sets it itself, in the shell: the make 3.81 of
# macOS looks commands up in its own PATH, whatever a Makefile exports.
IN_VENV := @export PATH="$(CURDIR)/.venv/bin:$$PATH" &&
export TF_CPP_MIN_LOG_LEVEL ?= 2

# Columns of `dvc exp show` that fit a screen: what an experiment gave, and which params differ.
SHOWN := Experiment|State|test.roc_auc|validation.roc_auc$$
SECTIONS := (data|demo|validate|split|crop|train|evaluate|predict)[.](?!auc|loss)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the locked environment into .venv; `export EXTRA=gpu` adds CUDA
	@scripts/setup.sh $(EXTRA)

libraries: setup ## record the versions of uv.lock that stages depend on, after an upgrade
	$(IN_VENV) python scripts/write_libraries.py uv.lock libraries.yaml

kaggle: setup ## download Kaggle's zip to data/raw; it takes an account and an API token
	$(IN_VENV) python scripts/fetch_kaggle.py data/raw

pcam: setup ## download PatchCamelyon to data/raw/pcam, 8 GB; goes on where it broke off
	$(IN_VENV) python scripts/fetch_pcam.py data/raw/pcam

check: setup ## check params.yaml, the source and the recorded libraries
	$(IN_VENV) dvc repro check

repro: setup ## run what changed of the pipeline, from the source to the submission
	$(IN_VENV) dvc repro

compare: setup ## does this model, or HEAD's, beat BASE's? make compare BASE=main [HEAD=branch]
	@test -n "$(BASE)" || { echo 'usage: make compare BASE=main [HEAD=branch]' >&2; exit 2; }
	$(IN_VENV) python -m metastasis compare "$(BASE)" $(if $(HEAD),"$(HEAD)")

experiments: setup ## AUC on validation and test of each experiment, and the params that differ
	$(IN_VENV) dvc exp show --no-pager --only-changed --drop '(?!$(SHOWN)|$(SECTIONS))'

test: setup ## the quick tests and the whole pipeline once on a tiny demo
	$(IN_VENV) pytest -n auto --dist loadfile -m "not slow"

test-quick: setup ## the quick tests alone
	$(IN_VENV) pytest -n auto --dist worksteal -m "not slow and not medium"

test-slow: setup ## real DVC in temporary clones, long training
	$(IN_VENV) pytest -n auto --dist loadfile -m slow

lint: setup ## formatting, lint, types, spelling; GitHub's files and the workflows' safety
	$(IN_VENV) ruff format --check
	$(IN_VENV) ruff check
	$(IN_VENV) mypy
	$(IN_VENV) typos
	$(IN_VENV) check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(IN_VENV) check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(IN_VENV) check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(IN_VENV) check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(IN_VENV) check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(IN_VENV) zizmor --offline --no-progress --quiet --persona pedantic .github

format: setup ## format the code and mend what ruff can mend
	$(IN_VENV) ruff check --fix
	$(IN_VENV) ruff format

bench: setup ## measure speed, as ratios; after a run also how many copies are found
	$(IN_VENV) for name in demo ingest feeding step epoch $$(test -e data/inventory.parquet && echo copies); do \
		echo "== benchmarks/$$name.py"; python benchmarks/$$name.py || exit 1; done

clean: ## remove caches and run state; data, models and DVC's cache stay
	rm -rf .state .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src stages scripts tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
