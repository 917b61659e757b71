#!/usr/bin/env bash
# Checks the types of the page's JavaScript, and drives the page in a headless Chromium against the
# built program: scripts/page-tests.sh [PROGRAM]
#
# Node packages go into a cache folder outside the clone (NEARWISE_PAGE_TESTS, by default in the
# user's cache), as the lockfile pins them. Node 20 or newer and Chromium must be there; as root on
# Debian they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
program=$(realpath "${1:-target/release/nearwise}")
[ -x "$program" ] || { echo "page tests: build the program first: cargo build --release" >&2; exit 1; }

need() { # command, Debian package
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "page tests: $1 is missing; installing $2" >&2
    apt-get install -y --no-install-recommends "$2" >/dev/null || true
  fi
  command -v "$1" >/dev/null || { echo "page tests: $1 is missing; install it (Debian: apt-get install $2)" >&2; exit 1; }
}
need node nodejs
need npm npm
export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
if [ -z "$CHROMIUM" ]; then need chromium chromium; CHROMIUM=$(command -v chromium); fi

cache=${NEARWISE_PAGE_TESTS:-${XDG_CACHE_HOME:-$HOME/.cache}/nearwise-page-tests}
work=$(mktemp -d)
servers=()
trap 'for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done; rm -rf "$work"' EXIT
mkdir -p "$cache"
cp tests/page/package.json tests/page/package-lock.json "$cache/"
(cd "$cache" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --silent)

echo "types"
"$cache/node_modules/.bin/tsc" -p tests/page/tsconfig.json
echo "colours"
node --test --test-reporter=dot tests/page/colours.test.js

echo "corpora"
model=$root/tests/fixtures/tiny-bert
for corpus in town hostile untitled; do
  node "tests/page/$corpus.js" > "$work/$corpus.jsonl"
  "$program" index "$work/$corpus.jsonl" -c "$work/$corpus.nearwise" --model "$model" >/dev/null 2>&1
done
# Two whose topics nobody looked for: in one a test does, and the other stays so.
for copy in bare plain; do cp "$work/town.nearwise" "$work/$copy.nearwise"; done
# One that has lost all its articles.
cp "$work/untitled.nearwise" "$work/empty.nearwise"
"$program" delete --where 'text IS NOT NULL' -c "$work/empty.nearwise" >/dev/null 2>&1
"$program" topics fit -c "$work/town.nearwise" --topics 6 >/dev/null 2>&1
"$program" topics fit -c "$work/hostile.nearwise" --topics 3 >/dev/null 2>&1
"$program" map -c "$work/town.nearwise" --out "$work/map.html" >/dev/null 2>&1

# Node modules are looked for upwards from a test's own folder, so the tests run from the cache.
rm -rf "$cache/tests"
mkdir -p "$cache/tests"
cp tests/page/*.js "$cache/tests/"

writable=
if "$program" serve --help | grep -q -- --writable; then writable=--writable; export NEARWISE_WRITABLE_SERVER=1; fi
serve() { # starts a server with these options; its address is in $base
  local port log
  port=$(node -e 'const s=require("node:net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
  base="http://127.0.0.1:$port/"
  log=$work/server-$port.log
  "$program" serve --model "$model" --listen "127.0.0.1:$port" $writable "$@" >"$log" 2>&1 &
  local server=$!
  servers+=("$server")
  for _ in $(seq 100); do
    curl -fs -o /dev/null "${base}health" && return
    kill -0 "$server" 2>/dev/null || { cat "$log" >&2; exit 1; }
    sleep 0.2
  done
}
serve -c "$work/town.nearwise" --api-key read:looks --api-key full:changes
export NEARWISE_KEYED=$base
serve -c "$work/town.nearwise" -c "$work/hostile.nearwise" -c "$work/plain.nearwise" -c "$work/bare.nearwise" -c "$work/untitled.nearwise" -c "$work/empty.nearwise"
echo "the page in $("$CHROMIUM" --version 2>/dev/null)"
NEARWISE_BASE=$base NEARWISE_MAP="$work/map.html" \
  node --test --test-concurrency=1 "$cache/tests/page.test.js" "$cache/tests/more.test.js"
