#!/bin/sh
# Fetches what `cargo build --features cuda` needs of CUDA, from NVIDIA's Python packages. No GPU, no
# driver and no root are needed; Linux on x86-64 or Arm.
#
#   scripts/cuda-toolkit.sh               CUDA 13.0's nvcc and headers: 105 MB to fetch, 270 MB on disk.
#                                         The program needs a driver for CUDA 13 (580 or later)
#   scripts/cuda-toolkit.sh --cuda12      CUDA 12.9's NVRTC and headers in place of it: 93 MB to fetch,
#                                         240 MB on disk. The program runs with drivers from 525 on, and
#                                         the build uses it without a variable from then on
#   ... --libraries                       cuBLASLt as well, which a host with a GPU needs to run the
#                                         program where neither CUDA's libraries nor PyTorch are
#   ... --into DIR                        elsewhere than in the cache; the last line says which
#                                         variable to set then
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

into=""
cuda12=""
libraries=""
while [ $# -gt 0 ]; do
    case "$1" in
        --cuda12) cuda12=yes ;;
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
if [ -n "$cuda12" ]; then
    packages="nvidia-cuda-nvrtc-cu12==12.9.86 nvidia-cuda-runtime-cu12==12.9.79"
    version="12.9.86"
    cublas="nvidia-cublas-cu12==12.9.1.4"
    compiler="nvidia/cuda_nvrtc/lib/libnvrtc.so.12"
    cache="cuda12"
else
    packages="nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88
        nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85"
    version="13.0.88"
    cublas="nvidia-cublas==13.1.2.11"
    compiler="nvidia/cu13/bin/nvcc"
    cache="cuda"
fi
with_libraries="$version cublas-${cublas#*==}"
wanted="$version"
if [ -n "$libraries" ]; then
    packages="$packages $cublas"
    wanted="$with_libraries"
fi
usual="${XDG_CACHE_HOME:-$HOME/.cache}/nearwise/$cache"
into="${into:-$usual}"

# Where it is, and what to do with it.
told() {
    echo "CUDA's compiler is $into/$compiler" >&2
    if [ "$into" = "$usual" ]; then
        echo "build with: cargo build --release --features cuda" >&2
    elif [ -n "$cuda12" ]; then
        echo "build with: NEARWISE_NVRTC=$into/$compiler cargo build --release --features cuda" >&2
    else
        echo "build with: CUDA_HOME=$into/nvidia/cu13 cargo build --release --features cuda" >&2
    fi
}
mark="$into/.complete"
if [ -f "$mark" ] && { [ "$(cat "$mark")" = "$wanted" ] || [ "$(cat "$mark")" = "$with_libraries" ]; }; then
    told
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
case "$compiler" in
    */nvcc) "$new/$compiler" --version >/dev/null || fail "the compiler that was fetched does not run" ;;
    *) [ -f "$new/$compiler" ] || fail "the packages hold no $compiler" ;;
esac
rm -rf "$into/nvidia" "$mark"
mv "$new/nvidia" "$into/nvidia"
echo "$wanted" >"$mark"
told
