#!/bin/sh
# Builds the Python package's wheel for Linux on aarch64 on a host of another kind, with the program in it,
# into FOLDER, and imports it under emulation:
#
#     scripts/wheel-aarch64.sh FOLDER
#
# Needs python3 (3.10 or newer, with venv), cargo with the target (rustup target add aarch64-unknown-linux-gnu),
# and a network or pip's cache: maturin and the compiler and linker (Zig) are Python packages, in an environment
# that is kept in the cache folder. The wheel asks for glibc 2.28 or a newer one.
#
# It is imported where qemu-aarch64 is (Debian's qemu-user-static), by the Python of an aarch64 system that lies in
# the folder that AARCH64_ROOT names; where that is not set, one is fetched by apt-get and dpkg, if they are there,
# without root and without touching the host's packages. There it opens the default model, if that is in the cache,
# and encodes two texts. Where it was not imported the last line says so.
set -eu
cd "$(dirname "$0")/.."
out=${1:?"name the folder for the wheel"}
mkdir -p "$out"
out=$(cd "$out" && pwd)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/nearwise
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
python=${PYTHON:-python3}
target=aarch64-unknown-linux-gnu
glibc=2.28
packages="maturin==1.16.0 cargo-zigbuild==0.24.0 ziglang==0.17.1"
numpy=numpy==2.4.6

say() {
    echo "== $*" >&2
}
untested() {
    say "the wheel is built; its import was NOT tested: $*"
    exit 0
}

env="$cache/zig-$("$python" -c 'import sys; print(sys.version, sys.prefix)' | cksum | tr -c '0-9' '-')"
if [ "$(cat "$env/ready" 2>/dev/null)" != "$packages $glibc" ]; then
    rm -rf "$env"
    "$python" -m venv "$env"
    # shellcheck disable=SC2086 # several words
    "$env/bin/pip" install --quiet --disable-pip-version-check $packages >&2
    # One compiler and linker for cargo and maturin, so that what one compiles serves the other.
    for tool in cc c++; do
        printf '#!/bin/sh\nexec "%s" zig %s -- -fno-sanitize=all -target %s "$@"\n' \
            "$env/bin/cargo-zigbuild" "$tool" "aarch64-linux-gnu.$glibc" >"$env/bin/aarch64-$tool"
    done
    printf '#!/bin/sh\nexec "%s" -m ziglang ar "$@"\n' "$env/bin/python" >"$env/bin/aarch64-ar"
    chmod +x "$env"/bin/aarch64-*
    echo "$packages $glibc" >"$env/ready"
fi
export PATH="$env/bin:$PATH"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$env/bin/aarch64-cc"
export CC_aarch64_unknown_linux_gnu="$env/bin/aarch64-cc"
export CXX_aarch64_unknown_linux_gnu="$env/bin/aarch64-c++"
export AR_aarch64_unknown_linux_gnu="$env/bin/aarch64-ar"

# Both in one call, as scripts/python-wheel.sh does.
export PYO3_BUILD_EXTENSION_MODULE=1
cargo build --release --locked --target "$target" -p nearwise --bin nearwise -p nearwise-python >&2

# The host's own program, if scripts/python-wheel.sh left it there, is put back in the end.
scripts=python/nearwise.data/scripts
kept=$(mktemp -d)
site=$(mktemp -d)
mkdir -p "$scripts"
mv "$scripts"/nearwise* "$kept" 2>/dev/null || :
finish() {
    rm -f "$scripts"/nearwise*
    mv "$kept"/nearwise* "$scripts" 2>/dev/null || :
    rm -rf "$kept" "$site"
}
trap finish EXIT
cp "$CARGO_TARGET_DIR/$target/release/nearwise" "$scripts/nearwise"
{ aarch64-linux-gnu-strip "$scripts/nearwise" || llvm-strip "$scripts/nearwise"; } 2>/dev/null ||
    say "no strip for aarch64: the program in the wheel keeps its symbols"

maturin build --release --locked --target "$target" --compatibility "manylinux_$(echo $glibc | tr . _)" \
    --manifest-path python/Cargo.toml --out "$out" >&2
wheel=$(ls -t "$out"/nearwise-*aarch64.whl | head -n 1)
ls -l "$wheel"

qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || untested "there is no qemu-aarch64"

# An aarch64 Python, of the host's distribution, in the cache folder.
fetched_root() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    root="$cache/aarch64-root"
    [ ! -e "$root/ready" ] || return 0
    rm -rf "$root"
    mkdir -p "$root/apt/state/lists/partial" "$root/apt/cache/archives/partial"
    : >"$root/apt/status"
    apt() {
        apt-get --quiet --quiet -o Dir::State="$root/apt/state" -o Dir::State::status="$root/apt/status" \
            -o Dir::Cache="$root/apt/cache" -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
            -o APT::Sandbox::User=root "$@" >&2
    }
    apt update || return 1
    minimal=$("$python" -c 'import sys; print("python3.%d" % sys.version_info[1])')
    for version in "$minimal" python3.13 python3.12 python3.11 python3.10; do
        (cd "$root/apt" && apt download "$version-minimal" "lib$version-minimal" "lib$version-stdlib") 2>/dev/null &&
            break
    done
    (cd "$root/apt" && apt download libc6 libexpat1 zlib1g libgcc-s1 libstdc++6) || return 1
    for package in "$root"/apt/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    rm -rf "$root/apt"
    # Where the loader lies in usr/lib alone, programs still ask for it in lib.
    [ -e "$root/lib" ] || ln -s usr/lib "$root/lib"
    touch "$root/ready"
}
root=${AARCH64_ROOT:-}
[ -n "$root" ] || fetched_root || untested "no aarch64 Python could be fetched; AARCH64_ROOT names a folder with one"
interpreter=$(ls "$root"/usr/bin/python3.1? "$root"/usr/bin/python3 2>/dev/null | head -n 1)
[ -n "$interpreter" ] || untested "$root has no usr/bin/python3"
emulated() {
    "$qemu" -cpu max -L "$root" "$interpreter" "$@"
}
minor=$(emulated -c 'import sys; print(sys.version_info[1])')

# Where the emulated Python finds the wheel and NumPy.
"$env/bin/pip" install --quiet --disable-pip-version-check --target "$site" --only-binary=:all: \
    --platform "manylinux_$(echo $glibc | tr . _)_aarch64" --platform manylinux_2_27_aarch64 \
    --platform manylinux_2_17_aarch64 --implementation cp --python-version "3.$minor" \
    "$numpy" "$wheel" >&2

PYTHONPATH="$site" emulated - <<'PYTHON'
import platform

import numpy as np

import nearwise

print("imported by", platform.machine(), "Python", platform.python_version(), "nearwise", nearwise.__version__)
try:
    encoder = nearwise.Encoder(offline=True)
except nearwise.Error as e:
    print("== no text was encoded, as the default model is not here:", e)
else:
    vectors = encoder.encode(["The river rose overnight.", "Shares fell in early trading."])
    assert vectors.shape == (2, 384) and vectors.dtype == np.float32, vectors.shape
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert abs(float(vectors[0] @ vectors[1])) < 0.5
    print("two texts encoded:", vectors.shape, "cosine", round(float(vectors[0] @ vectors[1]), 4))
PYTHON
say "the wheel was imported under emulation"
