#!/bin/sh
# Attacks the program: kills it, damages its files, fills its disk, runs it against itself, feeds it
# damaged inputs and models and random filters. Prints what was tried and what failed, and exits
# with an error if anything did. As root it mounts a small file system for the full disk.
#
#   scripts/torture.sh --short            some minutes, as CI runs it
#   scripts/torture.sh                    some hours
#   scripts/torture.sh --flips 1000 --kills 0 --seed 7 ...
set -eu
cd "$(dirname "$0")/.."

usage="usage: $0 [--short] [--seed N] [--kills N] [--migrations N] [--flips N] [--pairs N] [--disks N] [--inputs N] [--indexed N] [--models N] [--queries N]"
# Kills are for each of seven commands; inputs for each of nine formats, those of INPUTS read by few
# processes, those of INDEXED by one each.
long="KILLS=30 MIGRATIONS=100 FLIPS=1000 PAIRS=10000 DISKS=50 INPUTS=11000 INDEXED=1000 MODELS=1000 QUERIES=20000"
short="KILLS=3 MIGRATIONS=5 FLIPS=30 PAIRS=20 DISKS=4 INPUTS=200 INDEXED=5 MODELS=60 QUERIES=200"
given=""
chosen=$long
while [ $# -gt 0 ]; do
    case "$1" in
    --short) chosen=$short; shift ;;
    --seed | --kills | --migrations | --flips | --pairs | --disks | --inputs | --indexed | --models | --queries)
        [ $# -ge 2 ] || { echo "$usage" >&2; exit 2; }
        name=$(printf '%s' "${1#--}" | tr '[:lower:]' '[:upper:]')
        given="$given $name=$2"
        shift 2
        ;;
    *) echo "$usage" >&2; exit 2 ;;
    esac
done
for setting in $chosen $given; do
    export "TORTURE_$setting"
done
exec cargo test --release --test torture -- --ignored --nocapture --exact torture
