#!/usr/bin/env bash
# Runs every test, the journeys against real servers and clients among them. Installs what they need.
# test.sh [FILTER]: only the tests whose names contain FILTER.
. "$(dirname "$0")/lib.sh"

install_build_tools
install_postgres
install_command curl curl
install_command setsid util-linux
install_command node nodejs
install_command npm npm
install_command python3 python3
install_command chromium chromium
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
# The statements that facts about SQL are held against.
scripts/regress.sh

# The journeys drive the real programs.
cargo build --locked -p weir-relay -p weir-cli --bins
if [ -n "${CARGO_BUILD_TARGET_DIR:-}${CARGO_TARGET_DIR:-}" ]; then
  export WEIR_TEST_BIN=${CARGO_TARGET_DIR:-$CARGO_BUILD_TARGET_DIR}/debug
else
  export WEIR_TEST_BIN=$root/target/debug
fi

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --workspace --no-fail-fast ${1:+"$1"}
else
  cargo test --locked --workspace --no-fail-fast --lib --bins --tests -- ${1:+"$1"}
fi
[ $# -eq 0 ] || exit 0
cargo test --locked --workspace --doc
scripts/matrix.sh quick
