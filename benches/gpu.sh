#!/bin/sh
# The run on a host with an NVIDIA GPU: checks the program against the CPU's f32 at many shapes, times
# it and its peers on the same card and texts, profiles the kernels, and has them watched for errors
# of memory. Every result is written when it is there.
#
#   benches/gpu.sh [--phases A,B] [--out FOLDER] [--seconds N] [--program FILE] [--dry-run]
#   benches/gpu.sh --pack FOLDER
#   benches/gpu.sh --build
#
#   --phases A,B     some of check, times, peers, profile, sanitize; the first three by default. No time
#                    is measured after a check that failed
#   --out FOLDER     where the results go, seven files at most; gpu-run by default
#   --seconds N      the time that all of it may take, 570 by default; a phase is stopped after its own
#                    share, and what it has measured by then is kept
#   --program FILE   a built bench (see --build) in place of building one here
#   --pack FOLDER    builds, and puts into the folder all that a GPU host without a network and without
#                    Rust needs, in less than 64 MiB: the program, the default model with its weights
#                    rounded to f16, this script. There: FOLDER/benches/gpu.sh
#   --build          builds the bench, prints its path and stops
#   --dry-run        packs, and goes through all phases from the pack on the CPU with small sizes; says
#                    how many bytes travel, and how many seconds each phase took
#
# Peers (PyTorch, sentence-transformers) are timed where PYTHON (python3) has them; profile needs ncu,
# sanitize compute-sanitizer. What unpacks, and the base-sized model, is kept in the cache.
set -eu

root="$(cd "$(dirname "$0")/.." && pwd)"
out="gpu-run"
program=""
device="cuda"
small=""
phases=""
seconds=570
pack=""
build_only=""
# What may be carried to a GPU host at once.
most_bytes=67108864

say() {
    echo "== $*" >&2
}
fail() {
    echo "gpu.sh: $*" >&2
    exit 1
}
while [ $# -gt 0 ]; do
    case "$1" in
        --out | --program | --phases | --seconds | --pack)
            [ $# -gt 1 ] || fail "$1: a value is missing"
            case "$1" in
                --out) out="$2" ;;
                --program) program="$2" ;;
                --phases) phases="$2" ;;
                --seconds) seconds="$2" ;;
                --pack) pack="$2" ;;
            esac
            shift
            ;;
        --build) build_only=yes ;;
        --dry-run)
            device="cpu"
            small="--small"
            ;;
        -h | --help)
            sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" | sed '$d'
            exit 0
            ;;
        *) fail "$1: unknown; see --help" ;;
    esac
    shift
done
python="${PYTHON:-python3}"
gpu_py="$root/benches/peers/gpu.py"
[ -n "$phases" ] || phases="check,times,peers${small:+,profile,sanitize}"
for phase in $(echo "$phases" | tr , ' '); do
    case "$phase" in
        check | times | peers | profile | sanitize) ;;
        *) fail "--phases: $phase is none of check, times, peers, profile, sanitize" ;;
    esac
done
case "$seconds" in
    '' | *[!0-9]*) fail "--seconds: $seconds is no whole number" ;;
esac
started="$(date +%s)"

build() {
    command -v cargo >/dev/null 2>&1 || fail "there is no cargo here: pack elsewhere with --pack, and run the pack's gpu.sh"
    if ! command -v nvcc >/dev/null 2>&1 && [ -z "${CUDA_HOME:-}${CUDA_PATH:-}${NVCC:-}" ]; then
        "$root/scripts/cuda-toolkit.sh" >&2
    fi
    (cd "$root" && cargo bench --locked --features cuda --bench gpu --no-run --message-format=json) |
        sed -n 's/.*"executable":"\([^"]*\/gpu-[^"]*\)".*/\1/p' | tail -n 1
}

# The folder of the default model, which is fetched where it is not there.
find_model() {
    for packed in "$root"/model/*/config.json; do
        if [ -f "$packed" ]; then
            dirname "$packed"
            return
        fi
    done
    models="${NEARWISE_MODELS:-$root/models/weights}"
    for round in found fetched; do
        for config in "$models"/*MiniLM-L6-v2*/*/config.json; do
            folder="$(dirname "$config")"
            if [ -f "$folder/model.safetensors" ]; then
                echo "$folder"
                return
            fi
        done
        [ "$round" = found ] || break
        command -v cargo >/dev/null 2>&1 || break
        (cd "$root" && cargo run --release --locked --features cuda -- model pull >&2) || break
    done
    fail "$models: the default model is not there; run nearwise model pull"
}

bytes_in() {
    find "$1" -type f -exec wc -c {} \; | awk '{ n += $1 } END { print n + 0 }'
}

# Everything that a GPU host lacks, into a folder.
make_pack() {
    to="$1"
    for tool in strip xz; do
        command -v "$tool" >/dev/null 2>&1 || fail "--pack needs $tool"
    done
    [ -n "$program" ] || program="$(build)"
    [ -n "$program" ] || fail "the bench was not built"
    model="$(find_model)"
    [ ! -e "$to" ] || [ -f "$to/benches/gpu.sh" ] || [ -z "$(ls -A "$to")" ] ||
        fail "$to: it holds something that is no pack; name another folder"
    rm -rf "$to"
    mkdir -p "$to/benches/peers" "$to/seeds"
    strip -o "$to/gpu" "$program"
    xz -6 -T0 -f "$to/gpu"
    "$python" "$gpu_py" f16 "$model" "$to/model/all-MiniLM-L6-v2-f16"
    cp "$root/benches/gpu.sh" "$to/benches/"
    cp "$gpu_py" "$to/benches/peers/"
    cp "$root/seeds/wire.jsonl" "$to/seeds/"
    packed="$(bytes_in "$to")"
    find "$to" -type f -size +1023k -exec wc -c {} \; >&2
    if command -v objdump >/dev/null 2>&1; then
        libc="$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)"
        say "the program needs $libc"
    fi
    say "$to: $packed bytes of $most_bytes"
    [ "$packed" -lt "$most_bytes" ] || fail "$to: too large to be carried at once"
}

if [ -n "$build_only" ]; then
    build
    exit 0
fi
if [ -n "$pack" ]; then
    make_pack "$pack"
    exit 0
fi

work="${XDG_CACHE_HOME:-$HOME/.cache}/nearwise/gpu-run${small:+-dry}"
mkdir -p "$work" "$out"
out="$(cd "$out" && pwd)"
if [ -n "$small" ] && [ ! -f "$root/gpu.xz" ]; then
    make_pack "$work/pack"
    say "from here on as on a host that has the pack alone"
    exec sh "$work/pack/benches/gpu.sh" --dry-run --phases "$phases" --out "$out" --seconds "$seconds"
fi

if [ -f "$root/gpu.xz" ] && [ -z "$program" ]; then
    program="$work/gpu"
    # Unpacked anew, as the one there may be of another pack.
    if command -v xz >/dev/null 2>&1; then
        xz -dc "$root/gpu.xz" >"$program"
    else
        "$python" -c "import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], 'wb'))" \
            "$root/gpu.xz" "$program"
    fi
    chmod +x "$program"
fi
if [ -z "$program" ]; then
    program="$(build)"
    [ -n "$program" ] || fail "the bench was not built"
fi
[ -x "$program" ] || fail "$program: no program"
program="$(cd "$(dirname "$program")" && pwd)/$(basename "$program")"
model="$(find_model)"
# The texts that are timed are made of the seeds here.
cd "$root"
# The peers' packages must not ask the network for what is here.
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 NEARWISE_OFFLINE=1 PYTHONUNBUFFERED=1

card=""
if [ "$device" = cuda ]; then
    command -v nvidia-smi >/dev/null 2>&1 || fail "there is no nvidia-smi here, so no NVIDIA GPU; --dry-run shows what would run"
    card="$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | head -n 1)"
    # PyTorch brings cuBLASLt in its environment's packages, also where none is activated.
    if [ -z "${NEARWISE_CUBLASLT:-}${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
        VIRTUAL_ENV="$("$python" -c 'import sys; print(sys.prefix)' 2>/dev/null || true)"
        export VIRTUAL_ENV
    fi
fi
{
    echo "${card:-no GPU: a dry run}"
    "$program" texts "$work" --device cpu $small 2>&1 || true
    nproc
    grep -m 1 'model name' /proc/cpuinfo || true
    ldd --version 2>&1 | head -n 1
    for tool in nvcc ncu compute-sanitizer xz; do
        command -v "$tool" || echo "no $tool"
    done
    "$python" - <<'Y' 2>&1 || true
import importlib.metadata as m
for name in ("torch", "transformers", "sentence-transformers", "tokenizers", "flash-attn", "nvidia-cublas"):
    try:
        print(name, m.version(name))
    except m.PackageNotFoundError:
        print(name, "is not installed")
Y
} >"$out/host.txt"
head -n 1 "$out/host.txt" >&2
# A pack that was torn on its way must not look like a failed check.
[ -s "$work/mixed.txt" ] || fail "the program does not run here; $out/host.txt says why"

# Runs a command for its phase's share of the time at most, or for what is left.
within() {
    share="$1"
    shift
    left=$((seconds - $(date +%s) + started))
    [ "$left" -gt 5 ] || {
        say "the time is up"
        return 124
    }
    [ "$left" -lt "$share" ] && share="$left"
    timeout "$share" "$@"
}

# BERT's base size with random weights, made here: 440 MB that need not travel.
base=""
make_base() {
    if [ ! -f "$work/base/modules.json" ]; then
        "$python" "$gpu_py" model --like "$model" --into "$work/base" $small >"$work/model.log" 2>&1 || {
            say "the base-sized model was not made ($(tail -n 1 "$work/model.log")): left out"
            return 0
        }
    fi
    base="$work/base"
}

phase_check() {
    # One shape alone first, so that a crash is told from a wrong sum.
    first=$([ -n "$small" ] && echo f32 || echo f16)
    within 90 "$program" check --parts shapes --shapes 1 --dtypes "$first" $small --device "$device" \
        >"$out/check.txt" 2>&1 || return 1
    within 200 "$program" check "$model" $small ${small:+--shapes 4} --device "$device" >>"$out/check.txt" 2>&1
}
check_says() {
    grep -vE '^(ok|seed)' "$out/check.txt" | head -n 20 >&2 || true
    echo "$(grep -c '^ok' "$out/check.txt" || true) sets are right; all of them are in check.txt" >&2
}

phase_times() {
    make_base
    within 170 "$program" time "$model" ${base:+"$base"} $small --device "$device" >"$out/ours.jsonl" 2>"$work/time.log" ||
        { rc=$?; cat "$work/time.log" >&2; return "$rc"; }
}

phase_peers() {
    make_base
    within 220 "$python" "$gpu_py" peers --out "$out" --texts "$work" --device "$device" $small \
        "$model" ${base:+"$base"} >"$work/peers.log" 2>&1 || { rc=$?; tail -n 3 "$work/peers.log" >&2; return "$rc"; }
}

# The time of each kernel of some warm batches, behind those that choose the products' algorithms; caches are left as
# the kernels before left them.
phase_profile() {
    make_base
    : >"$out/profile.txt"
    for one in "$model" ${base:+"$base"}; do
        set -- "$program" time "$one" --parts device --lengths 256 --budgets 16384 $small --device "$device"
        [ -z "$small" ] || set -- "$program" time "$one" --parts device --lengths 16 $small --device "$device"
        echo "$(basename "$one"), 256 tokens a text, 16,384 a batch" >>"$out/profile.txt"
        if [ "$device" = cpu ]; then
            within 60 "$@" >>"$out/profile.txt" 2>&1 || return 1
            continue
        fi
        command -v ncu >/dev/null 2>&1 || { say "ncu is not here"; return 1; }
        within 90 ncu --clock-control none --cache-control none --launch-skip 500 --launch-count 90 --csv --metrics \
            gpu__time_duration.sum,gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed,sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active \
            "$@" --dtypes f16 >"$work/ncu.csv" 2>&1 || true
        "$python" "$gpu_py" kernels "$work/ncu.csv" >>"$out/profile.txt" 2>&1 || { tail -n 3 "$work/ncu.csv" >&2; return 1; }
    done
    cat "$out/profile.txt" >&2
}

# Memory, then races, of a few shapes and of the vectors.
phase_sanitize() {
    : >"$out/sanitize.txt"
    set -- "$program" check --shapes 2 --parts shapes,vectors --small --device "$device"
    if [ "$device" = cpu ]; then
        within 60 "$@" >>"$out/sanitize.txt" 2>&1
        return
    fi
    command -v compute-sanitizer >/dev/null 2>&1 || { say "compute-sanitizer is not here"; return 1; }
    bad=0
    echo "compute-sanitizer memcheck" >>"$out/sanitize.txt"
    within 110 compute-sanitizer --tool memcheck --error-exitcode 9 "$@" --dtypes f16 >>"$out/sanitize.txt" 2>&1 || bad=1
    tail -n 2 "$out/sanitize.txt" >&2
    # It does not follow the barriers of cuBLASLt's own kernels (nvjet), and calls each of them a race.
    echo "compute-sanitizer racecheck" >>"$out/sanitize.txt"
    within 110 compute-sanitizer --tool racecheck "$@" --dtypes f16 >"$work/races.txt" 2>&1 || bad=1
    grep -v 'access at nvjet_' "$work/races.txt" >>"$out/sanitize.txt" || true
    if grep 'access at ' "$out/sanitize.txt" >&2; then
        bad=1
    else
        say "racecheck: none in our kernels, $(grep -c 'access at nvjet_' "$work/races.txt" || true) lines on cuBLASLt's"
    fi
    return "$bad"
}

wrong=0
for phase in $(echo "$phases" | tr , ' '); do
    since="$(date +%s)"
    say "$phase"
    rc=0
    "phase_$phase" || rc=$?
    took="$(($(date +%s) - since))"
    case "$rc" in
        0) say "$phase: done, $took seconds" ;;
        124) say "$phase: stopped after $took seconds; what was measured is kept" ;;
        *) say "$phase: FAILED after $took seconds" ;;
    esac
    [ "$phase" != check ] || check_says
    [ "$rc" -eq 0 ] || wrong=1
    if [ "$phase" = check ] && [ "$rc" -ne 0 ]; then
        fail "the results are not known to be those of the CPU, so nothing is timed"
    fi
done
if [ -f "$out/ours.jsonl" ] || [ -f "$out/peers.jsonl" ]; then
    "$python" "$gpu_py" table --out "$out" --card "$card" || wrong=1
fi
say "$(($(date +%s) - started)) seconds of $seconds; results: $(ls "$out" | wc -l) files, $(bytes_in "$out") bytes in $out"
exit "$wrong"
