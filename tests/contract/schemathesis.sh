#!/usr/bin/env bash
# Has schemathesis ask a server whatever its description allows and forbids, first as the administrator of a tenant, then as an operator. It is
# no part of the tests: it takes minutes and Python. From the root of the checkout: tests/contract/schemathesis.sh [SECONDS_EACH]
set -euo pipefail

seconds=${1:-300}
root=$(cd "$(dirname "$0")/../.." && pwd)
place=$root/target/schemathesis
release=4.32.5
[ -x "$place/bin/schemathesis" ] || { python3 -m venv "$place" && "$place/bin/pip" install --quiet "schemathesis==$release"; }
[ -x "$root/target/release/amends" ] || { echo "build it first: cargo build --release" >&2; exit 2; }

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
export AMENDS_MASTER_KEY=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f AMENDS_LOG=error
"$root/target/release/amends" serve --data "$work/data" --listen 127.0.0.1:0 >"$work/said" 2>"$work/log" &
server=$!
for _ in $(seq 100); do grep -q '^listening on' "$work/said" && break; sleep 0.1; done
url=$(sed -n 's/^listening on //p' "$work/said")
operator=$(grep -o 'amt_[^ ]*' "$work/said")

ask() { curl -sf "$url/v1/$1" -H "Authorization: Bearer $operator" -d "$2"; }
# What is asked in minutes must not be too much for one.
ask tenants '{"id":"acme","limits":{"uploads_per_minute":10000,"starts_per_minute":1000000}}' >/dev/null
admin=$(ask tenants/acme/keys '{"name":"first","role":"tenant-admin"}' | grep -o 'amt_[^"]*')

# What fits its form and is refused for what it says is no mistake of the form: 404, 409 and 422 are answers, 400 is not.
cat >"$work/schemathesis.toml" <<'TOML'
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "304", "401", "403", "404", "409", "412", "413", "415", "422", "429", "503"]
TOML
failed=0
# What it notes of its failures goes away with this.
cd "$work"
for token in "$admin" "$operator"; do
    # Streams do not end by themselves.
    "$place/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$url/openapi.json" \
        --header "Authorization: Bearer $token" --exclude-operation-id-regex 'followRun|followTenant|backUp' \
        --phases examples,coverage,fuzzing --request-timeout 60 --max-time "$seconds" || failed=1
done
if [ -s "$work/log" ]; then
    echo "the server says:" && tail -20 "$work/log" && failed=1
fi
exit "$failed"
