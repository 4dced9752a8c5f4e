#!/usr/bin/env bash
# Runs every test, the journeys against real servers and clients among them. Installs what they need.
# test.sh [FILTER]: only the tests whose names contain FILTER.
# test.sh full: also what takes long: tests that are ignored otherwise, and every driver of the matrix.
# At its end it tells the time of each stage and of the slowest tests.
. "$(dirname "$0")/lib.sh"

filter=${1:-} full=0
[ "$filter" != full ] || filter='' full=1

stage 'installing'
install_build_tools
install_postgres
install_command curl curl
install_command setsid util-linux
install_command node nodejs
install_command npm npm
install_command python3 python3
install_command chromium chromium
[ -x /usr/sbin/pgbouncer ] || install_packages pgbouncer
# The module that makes the folder below complete comes as a package of its own on Debian.
if ! python3 -c 'import ensurepip' 2>/dev/null; then install_packages python3-venv; fi

# The drivers that the journeys use, pinned, outside of the system's folders.
tools=$root/.tools
python=$tools/python/bin/python
if [ ! -x "$python" ] || ! cmp -s tests/requirements.txt "$tools/requirements.txt"; then
  say "installing: $(grep -v '^#' tests/requirements.txt | tr '\n' ' ')"
  rm -rf "$tools/python"
  python3 -m venv "$tools/python"
  "$python" -m pip install -q --disable-pip-version-check -r tests/requirements.txt
  cp tests/requirements.txt "$tools/requirements.txt"
fi
if ! cmp -s tests/package-lock.json tests/node_modules/.installed-lock; then
  say "installing: the Node.js driver and OAuth client"
  (cd tests && npm ci --silent --no-audit --no-fund)
  cp tests/package-lock.json tests/node_modules/.installed-lock
fi
if ! cmp -s tests/oidc/package-lock.json tests/oidc/node_modules/.installed-lock; then
  say "installing: an OpenID Connect provider and a browser's driver"
  (cd tests/oidc && npm ci --silent --no-audit --no-fund)
  cp tests/oidc/package-lock.json tests/oidc/node_modules/.installed-lock
fi
export WEIR_TEST_PYTHON=$python
# One server's data for all, copied by each; anew when what makes them, or the server's programs, are others.
version=$({ cat scripts/servers.sh; "$(postgres_bin)/postgres" --version; } | sha256sum | cut -c 1-16)
export WEIR_SERVER_TEMPLATE=$tools/servers/$version
# The statements that facts about SQL are held against.
scripts/regress.sh

stage 'building'
# The journeys drive the real programs.
cargo build --locked -p weir-relay -p weir-cli --bins
if [ -n "${CARGO_BUILD_TARGET_DIR:-}${CARGO_TARGET_DIR:-}" ]; then
  export WEIR_TEST_BIN=${CARGO_TARGET_DIR:-$CARGO_BUILD_TARGET_DIR}/debug
else
  export WEIR_TEST_BIN=$root/target/debug
fi

# slowest: of what the tests have said, those that took longest. Without nextest only their sums are known.
slowest() {
  say "== slowest"
  sed 's/\x1b\[[0-9;]*m//g' "$said" | sed -n 's/^ *[A-Z]* \[ *\([0-9.]*\)s\] \(([^)]*) \)\{0,1\}\(.*\)/\1 \3/p; s/.*finished in \([0-9.]*\)s$/\1 &/p' \
    | sort -rnu | head -n 15 | while read -r time name; do printf '%7.1f s  %s\n' "$time" "$name"; done >&2
}
said=$(mktemp)
colour=auto
[ ! -t 1 ] || colour=always
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --color $colour --locked --workspace --no-run
  stage 'tests'
  more=()
  [ $full = 0 ] || more=(--run-ignored all)
  cargo nextest run --color $colour --locked --workspace --no-fail-fast "${more[@]}" ${filter:+"$filter"} 2>&1 | tee "$said" && status=0 || status=$?
else
  cargo test --color $colour --locked --workspace --lib --bins --tests --no-run
  stage 'tests'
  more=()
  [ $full = 0 ] || more=(--include-ignored)
  cargo test --color $colour --locked --workspace --no-fail-fast --lib --bins --tests -- "${more[@]}" ${filter:+"$filter"} 2>&1 | tee "$said" && status=0 || status=$?
fi
slowest
rm -f "$said"
[ $status = 0 ] || exit $status
[ -z "$filter" ] || exit 0
stage 'documentation tests'
cargo test --locked --workspace --doc
stage 'drivers'
if [ $full = 1 ]; then scripts/matrix.sh; else scripts/matrix.sh quick; fi
