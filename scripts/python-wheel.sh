#!/bin/sh
# Builds the Python package's wheel, with the program in it, into FOLDER.
#
# Usage: scripts/python-wheel.sh FOLDER [maturin's options]
#
# Needs maturin and a Python from 3.10 on in the PATH. The target folder of cargo is shared with all
# other builds (CARGO_TARGET_DIR is respected).
set -eu
cd "$(dirname "$0")/.."
out=${1:?"name the folder for the wheel"}
shift

target=${CARGO_TARGET_DIR:-$PWD/target}
# Both in one call: dependencies then have the features that either needs, and are compiled once.
export PYO3_BUILD_EXTENSION_MODULE=1
cargo build --release --locked -p nearwise --bin nearwise -p nearwise-python >&2

scripts=python/nearwise.data/scripts
mkdir -p "$scripts"
rm -f "$scripts"/nearwise*
cp "$target/release/nearwise" "$scripts/nearwise"
strip "$scripts/nearwise" 2>/dev/null || echo "== strip is missing: the program in the wheel keeps its symbols" >&2

maturin build --release --locked --manifest-path python/Cargo.toml --out "$out" "$@" >&2
ls -l "$out" >&2
