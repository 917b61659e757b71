#!/bin/sh
# Fetches what `cargo build --features cuda` needs of CUDA 13.0: its compiler and headers, from
# NVIDIA's Python packages. No GPU, no driver and no root are needed; Linux on x86-64 or Arm.
#
#   scripts/cuda-toolkit.sh               the compiler: 105 MB to fetch, 270 MB on disk
#   scripts/cuda-toolkit.sh --libraries   cuBLASLt as well, which a host with a GPU needs to run
#                                         the program where CUDA's libraries are not installed
#   scripts/cuda-toolkit.sh --into DIR    elsewhere than in the cache; set CUDA_HOME to
#                                         DIR/nvidia/cu13 then
#
# In the cache the build, and cuBLASLt at run time, are found without a variable.
set -eu

usage() {
    sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" | sed '$d'
}
fail() {
    echo "cuda-toolkit.sh: $*" >&2
    exit 1
}

into="${XDG_CACHE_HOME:-$HOME/.cache}/nearwise/cuda"
libraries=""
while [ $# -gt 0 ]; do
    case "$1" in
        --libraries) libraries=yes ;;
        --into)
            [ $# -gt 1 ] || fail "--into: name a folder"
            into="$2"
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) fail "$1: unknown; see --help" ;;
    esac
    shift
done

# One version of each, so that a build is the same tomorrow.
packages="nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85"
wanted="13.0.88"
if [ -n "$libraries" ]; then
    packages="$packages nvidia-cublas==13.1.2.11"
    wanted="13.0.88 cublas-13.1.2.11"
fi

toolkit="$into/nvidia/cu13"
mark="$into/.complete"
if [ -f "$mark" ] && { [ "$(cat "$mark")" = "$wanted" ] || [ "$(cat "$mark")" = "13.0.88 cublas-13.1.2.11" ]; }; then
    echo "CUDA's compiler is in $toolkit" >&2
    exit 0
fi

python=""
for candidate in "${PYTHON:-}" python3 python; do
    if [ -n "$candidate" ] && "$candidate" -I -m pip --version >/dev/null 2>&1; then
        python="$candidate"
        break
    fi
done
[ -n "$python" ] || fail "Python with pip is needed to fetch CUDA's packages; install it (python3-pip), or set CUDA_HOME to a CUDA toolkit"

mkdir -p "$into"
echo "fetching CUDA's compiler into $into" >&2
# Isolated (-I), so that nothing of the current folder is run.
# A folder of its own first, so that a run that is stopped leaves nothing half done.
new="$into/new"
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM
# shellcheck disable=SC2086 # one argument a package
"$python" -I -m pip install --only-binary=:all: --quiet --disable-pip-version-check --no-deps --target "$new" $packages ||
    fail "pip could not fetch CUDA's packages"
"$new/nvidia/cu13/bin/nvcc" --version >/dev/null || fail "the compiler that was fetched does not run"
rm -rf "$into/nvidia" "$mark"
mv "$new/nvidia" "$into/nvidia"
echo "$wanted" >"$mark"
"$toolkit/bin/nvcc" --version | sed -n 's/^Cuda compilation tools, //p' >&2
echo "CUDA's compiler is in $toolkit; build with: cargo build --release --features cuda" >&2
