#!/bin/sh
# Builds the Python package's wheel, installs it into environments of its own and runs its tests:
#
#     scripts/python-tests.sh [core|plugins|all] [pytest's options]
#
# core (the default) is the package with NumPy and what its tests need (python/requirements-test.txt): nothing
# there can lean on a plug-in's package. plugins are the tests of the plug-ins, of Lance and of Ray, with those
# packages (python/requirements-plugins.txt, 1.4 GB); there a test that is passed over for want of a package fails
# the run, but for MTEB's, which needs PyTorch.
#
# Needs python3 (3.10 or newer, with venv), cargo, and a network or pip's cache. The environments are kept in the
# cache folder for the next run, and made anew where the requirements changed.
set -eu
cd "$(dirname "$0")/.."

which=core
case "${1:-}" in
    core | plugins | all)
        which=$1
        shift
        ;;
esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nearwise
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
python=${PYTHON:-python3}

# Makes the environment of a name, where it is not there: the packages of a file, and those of a second one
# without what they ask for. Says where it is.
environment() {
    name=$1 with=$2 alone=${3:-}
    key=$({
        "$python" -c 'import sys; print(sys.version, sys.prefix)'
        cat "$with" ${alone:+"$alone"}
    } | cksum | tr -c '0-9' '-')
    env="$cache/$name-$key"
    if [ ! -e "$env/ready" ]; then
        rm -rf "$env"
        "$python" -m venv "$env"
        pip="$env/bin/pip install --quiet --disable-pip-version-check"
        $pip --requirement "$with" >&2
        [ -z "$alone" ] || $pip --no-deps --requirement "$alone" >&2
        touch "$env/ready"
    fi
    echo "$env"
}

install() {
    "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/nearwise-*.whl >&2
}

core=$(environment python python/requirements-test.txt)

# A fresh folder, so that the one wheel in it is the one that was just built.
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
PATH="$core/bin:$PATH" PYO3_PYTHON="$core/bin/python" scripts/python-wheel.sh "$wheels"

# From within the tests' folder Python finds the installed package, and not the sources.
if [ "$which" != plugins ]; then
    install "$core"
    (cd python/tests && PATH="$core/bin:$PATH" python -m pytest --override-ini=cache_dir="$core/pytest" "$@" .)
fi
if [ "$which" != core ]; then
    plugins=$(environment plugins python/requirements-plugins.txt python/requirements-plugins-alone.txt)
    install "$plugins"
    # Ray's workers are started where the test is, with the environment's programs in the PATH.
    (cd python/tests && NEARWISE_TEST_ALL_PLUGINS=1 PATH="$plugins/bin:$PATH" \
        python -m pytest --override-ini=cache_dir="$plugins/pytest" --durations=8 "$@" plugins scale)
fi
