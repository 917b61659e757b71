#!/bin/sh
# Builds the Python package's wheel, installs it into an environment of its own and runs its tests.
# Arguments are handed to pytest.
#
# Needs python3 (3.10 or newer, with venv), cargo, and a network or pip's cache for the packages in
# python/requirements-test.txt. The environment is kept in the cache folder for the next run, and made
# anew where the requirements changed.
set -eu
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/nearwise
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
python=${PYTHON:-python3}
key=$({
    "$python" -c 'import sys; print(sys.version, sys.prefix)'
    cat python/requirements-test.txt
} | cksum | tr -c '0-9' '-')
env="$cache/python-$key"

if [ ! -e "$env/ready" ]; then
    rm -rf "$env"
    "$python" -m venv "$env"
    "$env/bin/pip" install --quiet --disable-pip-version-check --requirement python/requirements-test.txt >&2
    touch "$env/ready"
fi
PATH="$env/bin:$PATH"
export PATH PYO3_PYTHON="$env/bin/python"

# A fresh folder, so that the one wheel in it is the one that was just built.
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
scripts/python-wheel.sh "$wheels"
"$env/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/nearwise-*.whl >&2

# From within the tests' folder Python finds the installed package, and not the sources.
cd python/tests
"$env/bin/python" -m pytest --override-ini=cache_dir="$env/pytest" "$@" .
