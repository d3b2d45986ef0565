#!/bin/sh
# Run `dvc repro` with the arguments. Before any stage starts, DVC puts params into dvc.yaml; if a
# value can't be put there, it ends with an error of its own, and this script names the value.
set -u
here=$(dirname "$0")

dvc repro "$@" && exit
code=$?
if [ $code -eq 255 ] && ! dvc stage list --all --fail --name-only > /dev/null 2>&1; then
    python "$here/check_params.py" params.yaml
fi
exit $code
