#!/bin/sh
# Install the locked environment of this folder into .venv; do nothing if it is up to date.
# usage: scripts/setup.sh [EXTRA...]; extras stay, until .extras is deleted
set -eu
cd "$(dirname "$0")/.."
folder=$(pwd -P)
stamp=.venv/.made-for
kept=.extras # outlives an environment that has to be recreated
# Earlier versions named the extra, or "none", in the stamp alone.
if [ ! -e "$kept" ] && [ -e "$stamp" ]; then
    sed -n 's/^extra //p' "$stamp" | grep -vx none > "$kept" || :
fi
extras=$({
    printf '%s\n' "$@"
    cat "$kept" 2> /dev/null
} | grep . | sort -u)
asked=${*:+" EXTRA=\"$*\""}

die() {
    echo "setup: $*" >&2
    exit 1
}

# Print the stamp of an environment that was made here. An environment that was copied, renamed or
# interrupted has a different stamp or none.
made_for() {
    echo "folder $folder"
    for extra in $extras; do echo "with $extra"; done
    .venv/bin/python --version 2>&1
    cksum pyproject.toml uv.lock
}

require_git() {
    if grep -q '^ *no_scm = true' .dvc/config; then
        if [ -e .git ]; then
            die "this was a source archive, and .dvc/config still says that there is no git." \
                "Delete its line 'no_scm = true', commit that, and run this again."
        fi
        echo "setup: this is a source archive, without git: 'make repro' works, but experiments," \
            "comparisons and 'make test' need a clone ('git clone')."
    elif ! command -v git > /dev/null; then
        die "git isn't installed, but DVC needs it. Install it and run this again."
    elif ! git rev-parse --git-dir > /dev/null 2>&1; then
        git rev-parse --git-dir || true # prints the reason
        die "$folder is not a git repository, but DVC needs one. Clone the project with 'git clone'," \
            "or make a repository of this copy, and run this again:" \
            "git init && git add . && git commit -m 'The project as it was downloaded'"
    fi
}

# Use the uv on PATH; without one, install uv for this project only.
find_uv() {
    if command -v uv > /dev/null; then
        uv=uv
        return
    fi
    uv=.uv/bin/uv
    if ! "$uv" --version > /dev/null 2>&1; then
        echo "setup: installing uv into .uv"
        # Run pip as a module: the pip script of a copied or renamed folder starts another folder's Python.
        python3 -m venv --clear .uv && .uv/bin/python -m pip install --quiet uv ||
            die "uv could not be installed (see above). Install it yourself, https://docs.astral.sh/uv," \
                "and run this again."
    fi
}

install() {
    if [ -e .venv ] || [ -L .venv ]; then
        if [ "$(sed -n 1p "$stamp" 2> /dev/null)" != "folder $folder" ] ||
            ! .venv/bin/python -c '' 2> /dev/null; then
            echo "setup: .venv was not made here or is incomplete: recreating it"
            rm -rf .venv # if it is a link, this removes the link, not its target
        fi
    fi
    rm -f "$stamp"
    echo "setup: installing the locked libraries into .venv (1 to 2 minutes on a fast line; 4 GB)"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # Without compiled bytecode, TensorFlow starts 5 s slower every time.
    UV_COMPILE_BYTECODE=1 UV_PROJECT_ENVIRONMENT=.venv \
        "$uv" sync --locked $(for extra in $extras; do echo "--extra $extra"; done) > "$log" 2>&1 || {
        cat "$log" >&2
        die "the installation failed (see above). 'make setup$asked' resumes it."
    }
    # Only now: an extra that doesn't exist must not be asked for again.
    [ -z "$extras" ] || echo "$extras" > "$kept"
    made_for > "$stamp"
}

case $folder in
*:*) die "the path $folder contains a colon, which PATH doesn't allow: move the folder." ;;
esac
require_git
if [ ! -e "$stamp" ] || [ "$(made_for)" != "$(cat "$stamp")" ]; then
    find_uv
    install
fi
