#!/bin/sh
# Starts the server and runs clients that people have against it, unchanged: openai, huggingface_hub,
# langchain-openai, llama-index, haystack and mcp. Their values are compared with `nearwise embed`.
#
#   scripts/clients.sh [CACHE]     CACHE is a folder for the Python packages; default ~/.cache/nearwise-clients
set -eu
cd "$(dirname "$0")/.."
cache="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/nearwise-clients}"
program="${NEARWISE:-target/release/nearwise}"
[ -x "$program" ] || cargo build --release
if [ ! -x "$cache/venv/bin/python" ]; then
    mkdir -p "$cache"
    python3 -m venv "$cache/venv"
fi
"$cache/venv/bin/python" -c "import openai, huggingface_hub, langchain_openai, haystack_integrations.components.embedders.huggingface_api, mcp, llama_index.embeddings.openai_like, llama_index.embeddings.text_embeddings_inference" 2>/dev/null ||
    "$cache/venv/bin/pip" install --quiet openai huggingface_hub langchain-openai haystack-ai huggingface-api-haystack mcp \
        llama-index-embeddings-openai-like llama-index-embeddings-text-embeddings-inference numpy
work="$(mktemp -d)"
server=
end() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT INT TERM
cat >"$work/articles.jsonl" <<END
{"id": "a", "title": "Bank cuts rates", "text": "The bank cut the interest rate."}
{"id": "b", "title": "Cup final", "text": "A goal in the last minute of the cup final."}
END
"$program" index "$work/articles.jsonl" -c "$work/news.nearwise" >/dev/null 2>&1
key=clients-test-key
NEARWISE_API_KEY="read:$key" NEARWISE_LOG=warn "$program" serve -c "$work/news.nearwise" --port 0 2>"$work/log" &
server=$!
tries=0
until grep -qs '^nearwise: http' "$work/log"; do
    kill -0 "$server" 2>/dev/null && [ "$tries" -lt 300 ] || { cat "$work/log" >&2; exit 1; }
    tries=$((tries + 1))
    sleep 0.2
done
address="$(sed -n 's/^nearwise: \(http[^ ]*\).*/\1/p' "$work/log")"
# Their hub library would refuse this host too.
env -u HF_HUB_OFFLINE "$cache/venv/bin/python" scripts/clients.py "$program" "$address" "$key" || { cat "$work/log" >&2; exit 1; }
