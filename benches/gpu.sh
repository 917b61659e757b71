#!/bin/sh
# The whole run on a host with an NVIDIA GPU, in one call: builds the program for CUDA, checks it
# against the CPU's f32 at many shapes, times it and its peers on the same card and texts, and
# prints a table. It stops at the first thing that is wrong.
#
#   benches/gpu.sh [--out FOLDER] [--program FILE] [--dry-run]
#
#   --out FOLDER     where the measurements and logs go; gpu-run by default
#   --program FILE   a built bench (see --build) in place of building one here, for a GPU host
#                    without Rust; the model's files must be in NEARWISE_MODELS then
#   --build          builds the bench, prints its path and stops: on a host without a GPU
#   --dry-run        goes through all of it on the CPU with small sizes and no table of a GPU
#
# Peers (PyTorch, sentence-transformers) are timed where Python has them, and named where not.
set -eu

root="$(cd "$(dirname "$0")/.." && pwd)"
out="gpu-run"
program=""
device="cuda"
build_only=""
fail() {
    echo "gpu.sh: $*" >&2
    exit 1
}
while [ $# -gt 0 ]; do
    case "$1" in
        --out | --program)
            [ $# -gt 1 ] || fail "$1: a path is missing"
            if [ "$1" = --out ]; then out="$2"; else program="$2"; fi
            shift
            ;;
        --build) build_only=yes ;;
        --dry-run) device="cpu" ;;
        -h | --help)
            sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" | sed '$d'
            exit 0
            ;;
        *) fail "$1: unknown; see --help" ;;
    esac
    shift
done

build() {
    command -v cargo >/dev/null 2>&1 || fail "there is no cargo here: build elsewhere with --build, and pass --program"
    if ! command -v nvcc >/dev/null 2>&1 && [ -z "${CUDA_HOME:-}${CUDA_PATH:-}${NVCC:-}" ]; then
        "$root/scripts/cuda-toolkit.sh" >&2
    fi
    (cd "$root" && cargo bench --locked --features cuda --bench gpu --no-run --message-format=json) |
        sed -n 's/.*"executable":"\([^"]*\/gpu-[^"]*\)".*/\1/p' | tail -n 1
}

if [ -z "$program" ]; then
    program="$(build)"
    [ -n "$program" ] || fail "the bench was not built"
fi
if [ -n "$build_only" ]; then
    echo "$program"
    exit 0
fi
[ -x "$program" ] || fail "$program: no program"
mkdir -p "$out"

if [ "$device" = cuda ]; then
    command -v nvidia-smi >/dev/null 2>&1 || fail "there is no nvidia-smi here, so no NVIDIA GPU; --dry-run shows what would run"
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | tee "$out/card.txt"
fi

model="${NEARWISE_MODEL:-sentence-transformers/all-MiniLM-L6-v2}"
python="${PYTHON:-python3}"

echo "== correctness" >&2
"$program" check "$model" --device "$device" >"$out/check.txt" || {
    grep -E "WRONG|wrong" "$out/check.txt" >&2 || true
    fail "the results are not those of the CPU; all of them are in $out/check.txt"
}
tail -n 1 "$out/check.txt" >&2

echo "== a model of BERT's base size with random weights" >&2
base=""
if "$python" "$root/benches/peers/gpu.py" model --into "$out/base" --small "$device" 2>"$out/model.log"; then
    base="$out/base"
else
    echo "not made ($(tail -n 1 "$out/model.log")); the base size is left out" >&2
fi

echo "== times" >&2
"$program" time "$model" ${base:+"$base"} --device "$device" >"$out/ours.jsonl" 2>"$out/time.log" || {
    cat "$out/time.log" >&2
    fail "the measurements failed"
}

echo "== peers" >&2
"$program" texts "$out" --device "$device"
"$python" "$root/benches/peers/gpu.py" peers --out "$out" --device "$device" --model "$model" \
    ${base:+--base "$base"} || echo "peers were not measured" >&2
"$python" "$root/benches/peers/gpu.py" table --out "$out"
