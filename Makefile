# Every target works on its own in a fresh clone: it first installs everything that it needs.
.DEFAULT_GOAL := help
.PHONY: help setup libraries kaggle pcam weights check repro push members compare experiments test test-quick test-slow lint format bench scale clean

# The environment's commands come first on PATH. Each recipe sets PATH in its shell, since the make
# 3.81 of macOS looks commands up in its own PATH, whatever a Makefile exports.
IN_VENV := @export PATH="$(CURDIR)/.venv/bin:$$PATH" &&
export TF_CPP_MIN_LOG_LEVEL ?= 2

# Columns of `dvc exp show` that fit on a screen: an experiment's AUCs, and the params that differ.
SHOWN := Experiment|State|test.roc_auc|validation.roc_auc$$
SECTIONS := (data|demo|validate|split|crop|train|evaluate|export|predict|probe)[.](?!auc|loss)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the locked environment into .venv; EXTRA=gpu adds CUDA, which stays
	@scripts/setup.sh $(EXTRA)

libraries: setup ## after an upgrade, record the versions in uv.lock that stages depend on
	$(IN_VENV) python scripts/write_libraries.py uv.lock libraries.yaml

kaggle: setup ## download Kaggle's zip to data/raw; requires an account and an API token
	$(IN_VENV) python scripts/fetch_kaggle.py data/raw

pcam: setup ## download PatchCamelyon to data/raw/pcam, 8 GB; resumes a broken download
	$(IN_VENV) python scripts/fetch_pcam.py data/raw/pcam

weights: setup ## fetch the published weights of a network: make weights NAME=densenet121; no NAME lists them
	$(IN_VENV) python scripts/fetch_weights.py data/raw/weights $(if $(NAME),"$(NAME)")

check: setup ## check params.yaml, the source and the recorded libraries
	$(IN_VENV) scripts/repro.sh check

repro: setup ## run the stages that changed, from the source to the submission
	$(IN_VENV) scripts/repro.sh

push: setup ## upload the outputs to DVC's remote, and check that each file is there
	$(IN_VENV) python scripts/push.py

members: setup ## train the ensemble's members on a Ray cluster: make members ADDRESS=host:6379
	@test -n "$(ADDRESS)" || { echo 'usage: make members ADDRESS=host:6379' >&2; exit 2; }
	$(IN_VENV) python -m metastasis members "$(ADDRESS)"

compare: setup ## compare this model, or HEAD's, with BASE's: make compare BASE=main [HEAD=branch]
	@test -n "$(BASE)" || { echo 'usage: make compare BASE=main [HEAD=branch]' >&2; exit 2; }
	$(IN_VENV) python -m metastasis compare "$(BASE)" $(if $(HEAD),"$(HEAD)")

experiments: setup ## list each experiment's AUC on validation and test, and the params that differ
	$(IN_VENV) dvc exp show --no-pager --only-changed --drop '(?!$(SHOWN)|$(SECTIONS))'

test: setup ## run the quick tests, and the whole pipeline once on a tiny demo
	$(IN_VENV) pytest -n auto --dist loadfile -m "not slow"

test-quick: setup ## run only the quick tests
	$(IN_VENV) pytest -n auto --dist worksteal -m "not slow and not medium"

# In the order of their names: xdist would start the files with few tests last, and the longest are among them.
test-slow: setup ## run the slow tests: real DVC in temporary clones, long training
	$(IN_VENV) pytest -n auto --dist loadfile --no-loadscope-reorder -m slow

lint: setup ## check formatting, lint, types and spelling, and the files for GitHub
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

format: setup ## format the code and apply ruff's automatic fixes
	$(IN_VENV) ruff check --fix
	$(IN_VENV) ruff format

bench: setup ## measure speed, as ratios; after a run, also the share of copies that is found
	$(IN_VENV) for name in demo ingest feeding step epoch $$(test -e data/inventory.parquet && echo copies); do \
		echo "== benchmarks/$$name.py"; python benchmarks/$$name.py || exit 1; done

scale: setup ## measure each stage, and DVC, at up to Kaggle's size: make scale FOLDER=/scratch [SIZES="2000 20000"]
	@test -n "$(FOLDER)" || { echo 'usage: make scale FOLDER=/scratch [SIZES="2000 20000 220025"]' >&2; exit 2; }
	$(IN_VENV) python benchmarks/scale.py "$(FOLDER)" $(if $(SIZES),--sizes $(SIZES))

clean: ## remove caches and run state; keep data, models and DVC's cache
	rm -rf .state .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src stages scripts tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
