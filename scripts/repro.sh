#!/usr/bin/env bash
# Run `dvc repro` with the arguments. Before any stage starts, DVC puts params into dvc.yaml; if a
# value can't be put there, it ends with an error of its own, and the check says which value it is.
set -uo pipefail

dvc repro "$@" && exit
code=$?
if ! dvc stage list --all --fail --name-only > /dev/null 2>&1; then
    python stages/check.py params.yaml libraries.yaml uv.lock /dev/null
fi
exit "$code"
