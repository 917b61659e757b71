#!/bin/sh
# Runs every route of a server that is already there against its OpenAPI document, with random
# requests: none may end in a server error or in an answer that the document does not allow.
# It needs schemathesis 4 (a Python package). The server's corpus is changed: give it a copy.
#   nearwise serve -c copy.nearwise --writable &
#   scripts/schemathesis.sh http://127.0.0.1:7700 copy [options of schemathesis run]
set -eu
server=${1:-http://127.0.0.1:7700}
[ $# -eq 0 ] || shift
config=$(mktemp)
trap 'rm -f "$config"' EXIT
# A random name would lead to no corpus.
printf '[parameters]\n"path.corpus" = "%s"\n' "${1:-copy}" > "$config"
[ $# -eq 0 ] || shift
schemathesis --config-file "$config" run "$server/api/openapi.json" --url "$server" --max-examples "${EXAMPLES:-30}" \
    --request-timeout 30 --exclude-path-regex '/events$' \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    "$@"
