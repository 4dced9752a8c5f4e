#!/usr/bin/env bash
# Compares what drivers can do at PostgreSQL itself with what they can do through weir, over each transport.
# matrix.sh [DRIVER...]: installs the drivers, runs the same checks (tests/matrix) directly and through weir, and prints a table.
#   Fails when a check that holds directly does not hold through weir, unless tests/matrix/differences.txt knows it.
# matrix.sh quick: only the drivers that install fast; the others are said to be skipped.
# matrix.sh suites [SUITE...]: the drivers' own test suites, as far as their packages bring them along, directly and through weir.
# matrix.sh versions [MAJOR...]: some of them with each version of PostgreSQL's server.
. "$(dirname "$0")/lib.sh"

matrix=$root/tests/matrix
tools=$root/.tools
target=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$root/target}}
usage() { sed -n '3,7s/^# //p' "$0" >&2; exit 2; }

# The drivers: name, what installs it, and the program. Those with a + are in the quick run.
drivers() {
  cat <<LIST
psql                +postgres  $matrix/psql.sh
pgbench             +postgres  $matrix/pgbench.sh
pg_dump             +postgres  $matrix/pg_dump.sh
psycopg3            +python    $tools/matrix/bin/python $matrix/python/with_psycopg3.py
psycopg3-async      +python    $tools/matrix/bin/python $matrix/python/with_psycopg3_async.py
psycopg2            +python    $tools/matrix/bin/python $matrix/python/with_psycopg2.py
asyncpg             +python    $tools/matrix/bin/python $matrix/python/with_asyncpg.py
pg8000              +python    $tools/matrix/bin/python $matrix/python/with_pg8000.py
sqlalchemy-psycopg  +python    $tools/matrix/bin/python $matrix/python/with_sqlalchemy.py psycopg
sqlalchemy-asyncpg  +python    $tools/matrix/bin/python $matrix/python/with_sqlalchemy.py asyncpg
node-postgres       +node      node $matrix/node/pg.mjs
postgres.js         +node      node $matrix/node/postgres.mjs
drizzle             +node      node $matrix/node/drizzle.mjs
tokio-postgres      +rust      $target/matrix/debug/tokio_postgres
sqlx                +rust      $target/matrix/debug/sqlx
diesel              +rust      $target/matrix/debug/diesel
prisma              -prisma    node $matrix/prisma/prisma.mjs
lib/pq              -go        $target/matrix/go pq
pgx                 -go        $target/matrix/go pgx
pgjdbc              -java      java -Dfile.encoding=UTF-8 -cp /usr/share/java/postgresql.jar:$target/matrix/java Matrix
LIST
}

# ---- Installing what the drivers need ------------------------------------------------------------------------------

install_for_postgres() {
  # Debian keeps what belongs to the server's version out of the PATH.
  install_postgres
  command -v pgbench >/dev/null || PATH=$(postgres_bin):$PATH
}

install_for_python() {
  python_folder "$tools/matrix" "$matrix/python/requirements.txt"
}

# python_folder FOLDER REQUIREMENTS: a folder of Python packages, made anew when what is required has changed.
python_folder() {
  ! cmp -s "$2" "$1/installed" || return 0
  install_command python3 python3
  if ! python3 -c 'import ensurepip' 2>/dev/null; then install_packages python3-venv; fi
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/python" -m pip install -q --disable-pip-version-check -r "$2"
  cp "$2" "$1/installed"
}

install_for_node() { node_folder "$matrix/node"; }

# node_folder FOLDER [OPTION...]: the packages of its lock file, installed anew when that has changed.
node_folder() {
  local folder=$1
  shift
  install_command node nodejs
  install_command npm npm
  ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed-lock" || return 0
  (cd "$folder" && npm ci --silent --no-audit --no-fund "$@")
  cp "$folder/package-lock.json" "$folder/node_modules/.installed-lock"
}

# Of Prisma's engines only the one for migrations is a program of its own, which its installation would download; nothing here
# migrates, and what merely generates the client takes the name of any program for it.
install_for_prisma() {
  install_for_node
  node_folder "$matrix/prisma" --ignore-scripts
  (cd "$matrix/prisma" && PRISMA_SCHEMA_ENGINE_BINARY=$(type -P true) CHECKPOINT_DISABLE=1 PRISMA_HIDE_UPDATE_MESSAGE=1 \
    npx --no-install prisma generate --schema schema.prisma >/dev/null)
}

install_for_rust() {
  # Diesel's libpq.
  install_packages libpq-dev
  cargo build --locked --manifest-path "$matrix/rust/Cargo.toml" --target-dir "$target/matrix" --bins
}

# The Go drivers as Debian packages them: no module proxy is asked.
install_for_go() {
  install_packages golang-go golang-github-lib-pq-dev golang-github-jackc-pgx-v4-dev
  (cd "$matrix/go" && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$tools/go go build -o "$target/matrix/go" .)
}

install_for_java() {
  install_command javac default-jdk-headless
  install_packages libpostgresql-jdbc-java
  javac -encoding UTF-8 -cp /usr/share/java/postgresql.jar -d "$target/matrix/java" "$matrix/java/Matrix.java"
}

# ---- The lab: PostgreSQL, a relay, and an agent for each transport -------------------------------------------------

pids=()
# start_lab [superuser]: as the shop's role with a labelled column; or as the server's superuser, whom suites ask for, without.
start_lab() {
  lab=$(mktemp -d "${TMPDIR:-/tmp}/weir-matrix.XXXXXX")
  chmod 711 "$lab"
  scripts/servers.sh start "$lab/postgres"
  . "$lab/postgres/server.env"
  local more='columns = ["customers.ssn"]'
  role=$PG_ROLE password_file=$PG_PASSWORD_FILE
  [ "${1:-}" != superuser ] || role=postgres password_file=$PG_SUPERUSER_PASSWORD_FILE more=
  # A second database, for what is restored.
  PGPASSWORD=$(cat "$PG_SUPERUSER_PASSWORD_FILE") psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d postgres \
    -c "CREATE DATABASE second OWNER $PG_ROLE"
  make_secret "$lab/password"
  start_relay everything dba 'guardrails = false' "$more" "$matrix/everything.cedar"
  connect everything quic quic
  connect everything ws ws
  # Suites define things all the time: they are not an ordinary user's.
  if [ "${1:-}" != superuser ]; then
    start_relay ordinary user 'disable = ["guardrail-destructive-attended"]' "$more" "$matrix/ordinary.cedar"
    connect ordinary user quic
  fi
}

# start_relay NAME ROLE GUARDRAILS RESOURCE POLICIES: a relay with these policies besides its own, and a user of the role, logged in.
start_relay() {
  local port folder=$lab/$1
  mkdir "$folder"
  port=$(free_port)
  "$bin/weir-relay" init "$folder/relay" --admin root --password-stdin --listen "127.0.0.1:$port" < "$lab/password" >/dev/null
  cp "$5" "$folder/relay/policies/matrix.cedar"
  cat >> "$folder/relay/weir-relay.toml" <<CONF

[policy]
$3

[resources.matrix]
kind = "postgres"
host = "localhost"
port = $PG_PORT
databases = ["shop", "second", "postgres"]
role = "$role"
credential = "file:$password_file"
ca = "$PG_CA"
labels = { env = "dev" }
$4
CONF
  "$bin/weir-relay" --config "$folder/relay/weir-relay.toml" user add matrix --role "$2" --password-stdin < "$lab/password" >/dev/null
  "$bin/weir-relay" --config "$folder/relay/weir-relay.toml" serve 2> "$folder/relay.log" &
  pids+=($!)
  wait_for_relay "https://127.0.0.1:$port" "$folder/relay" "$folder/relay.log"
  WEIR_HOME=$folder/home weir_login "$bin/weir" "https://127.0.0.1:$port" "$folder/relay/ca.pem" matrix "$lab/password" >/dev/null
}

# connect RELAY PATH TRANSPORT
connect() {
  WEIR_HOME=$lab/$1/home "$bin/weir" connect matrix --transport "$3" --output json > "$lab/connect.$2" 2> "$lab/connect.$2.log" &
  pids+=($!)
  wait_for_port "$lab/connect.$2" "$lab/connect.$2.log" > /dev/null
}

stop_lab() {
  local pid
  [ -n "$lab" ] || return 0
  # The agents before the relay, which waits for its sessions.
  for pid in $(printf '%s\n' "${pids[@]}" | tac); do stop_process "$pid"; done
  pids=()
  scripts/servers.sh stop "$lab/postgres" || true
  rm -rf --one-file-system "$lab"
  lab=
}

# announced PATH KEY: what weir connect said of its port.
announced() { sed -n "s/.*\"$2\": *\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" "$lab/connect.$1" | head -n 1; }

# lead PATH: sets the variables that lead a client there. Directly and over WebSocket it speaks TLS and verifies whom it talks
# to, over QUIC it speaks without: the local port has to take both. The ordinary user's is over QUIC.
lead() {
  export PGDATABASE=shop
  case $1 in
    direct)
      export PGHOST=localhost PGPORT=$PG_PORT PGUSER=$role PGSSLMODE=verify-full PGSSLROOTCERT=$PG_CA MATRIX_EMAIL=ada@example.com
      PGPASSWORD=$(cat "$password_file")
      export PGPASSWORD ;;
    *)
      export PGHOST=localhost PGUSER=anyone PGSSLMODE=verify-full MATRIX_EMAIL='[masked:email]'
      PGPORT=$(announced "$1" port) PGSSLROOTCERT=$(announced "$1" ca)
      export PGPORT PGSSLROOTCERT
      [ "$1" = ws ] || export PGHOST=127.0.0.1 PGSSLMODE=disable ;;
  esac
}

# ---- The matrix ----------------------------------------------------------------------------------------------------

# build_weir [--release]: as it is tested, or as it is used.
build_weir() {
  install_build_tools
  install_postgres
  install_command curl curl
  install_command python3 python3
  cargo build --locked "$@" -p weir-relay -p weir-cli --bins
  bin=$target/debug
  [ "${1:-}" != --release ] || bin=$target/release
}

# choose DRIVER...: installs what these need, or all; sets `chosen`.
choose() {
  local name group program wanted=" $* " groups=" "
  chosen=()
  while read -r name group program; do
    if [ $quick = 1 ] && [ "${group#+}" = "$group" ]; then
      say "skipped: $name (not in the quick run: its tools take long to install)"
    elif [ $# = 0 ] || [ "${wanted/ $name /}" != "$wanted" ]; then
      group=${group#[+-]}
      [ "${groups/ $group /}" != "$groups" ] || { groups+="$group "; "install_for_$group"; }
      chosen+=("$name $program")
    fi
  done < <(drivers)
  [ ${#chosen[@]} -gt 0 ] || fail "no such driver" "one of: $(drivers | awk '{printf "%s ", $1}')"
}

# run_chosen [PREFIX]: every program over every path; the table gets a row for each.
run_chosen() {
  local name program path row
  rm -rf "$lab/shared"
  mkdir "$lab/shared"
  export MATRIX_SHARED=$lab/shared
  for program in "${chosen[@]}"; do
    name=${program%% *} program=${program#* }
    row=${1:-}$name
    rows+=("$row")
    for path in direct quic ws user; do
      say "$row, $path"
      (lead "$path"; exec timeout -k 5 240 $program) > "$results/${row//\//-}.$path" 2> "$lab/said" < /dev/null \
        || { echo "program fail: exit code $?: $(tail -n 3 "$lab/said" | tr '\n' ' ')" >> "$results/${row//\//-}.$path"; }
    done
  done
}

run_matrix() {
  choose "$@"
  build_weir
  start_lab
  run_chosen
  print_table
}

run_versions() {
  local major folder
  [ "$(uname -sm)" = 'Linux x86_64' ] || fail "the servers' programs are for Linux on x86_64"
  choose psql psycopg3 tokio-postgres
  build_weir
  # Packages that hold a server's programs; what they are to run when they are installed only makes links.
  install_command node nodejs
  mkdir -p "$tools/postgres"
  cp "$matrix/postgres/"{package.json,package-lock.json,.npmrc} "$tools/postgres/"
  node_folder "$tools/postgres" --ignore-scripts
  # A client that can speaks 3.2 with a server that can, the others 3.0.
  export PGMAXPROTOCOLVERSION=latest
  [ $# -gt 0 ] || set -- 13 14 15 16 17 18
  for major in "$@"; do
    folder=$tools/postgres/node_modules/postgres-$major
    [ -d "$folder" ] || fail "no PostgreSQL $major"
    (cd "$folder" && node scripts/hydrate-symlinks.js >/dev/null)
    export WEIR_POSTGRES_BIN=$folder/native/bin
    start_lab
    run_chosen "$("$WEIR_POSTGRES_BIN/postgres" --version | sed 's/[^0-9]*//'), "
    stop_lab
  done
  print_table
}

# ---- The drivers' own suites ---------------------------------------------------------------------------------------

# suite NAME: how each is run, in the folder of its sources, with the variables that lead to the
# server. The database is `second`, where the package lets one choose.
suite() {
  local pytest=("$tools/suites/python/bin/python" -m pytest -q -p no:cacheprovider --timeout 60 --junitxml "$out.xml")
  case $1 in
    psycopg2) PSYCOPG2_TESTDB=second "${pytest[@]}" tests ;;
    asyncpg)
      # What is left out starts servers of its own, or checks the formatting of the sources.
      "${pytest[@]}" tests --ignore tests/test_connect.py --ignore tests/test__sourcecode.py --ignore tests/test__environment.py ;;
    pg8000)
      # Nor what logs in to servers set up in other ways, measures, or gives the server half a minute's work.
      "${pytest[@]}" test --ignore test/test_readme.py --ignore-glob 'test/*/auth' --ignore-glob 'test/*/test_benchmarks.py' -k 'not max_parameters' ;;
    sqlalchemy) "${pytest[@]}" --maxfail 100000 --dburi "postgresql+psycopg://$PGUSER@$PGHOST:$PGPORT/second" \
      test/dialect/postgresql test/dialect/test_suite.py ;;
    lib-pq) GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$tools/go PGDATABASE=second go test -v -timeout 300s github.com/lib/pq > "$out.txt" 2>&1 ;;
  esac
}

# The sources of a Python package, in the version that the matrix uses.
install_sources() {
  local folder=$tools/suites/$1 version
  version=$(sed -n "s/^$1[^=]*==//Ip" "$matrix/python/requirements.txt")
  [ ! -d "$folder/$version" ] || return 0
  rm -rf "$folder"
  mkdir -p "$folder/download"
  "$tools/suites/python/bin/python" -m pip download -q --disable-pip-version-check --no-deps --no-binary "$1" -d "$folder/download" "$1==$version"
  tar -xzf "$folder"/download/*.tar.gz -C "$folder"
  mv "$folder/${1}-$version" "$folder/$version"
  # The sources are there for their tests: the package itself is the installed one. (SQLAlchemy is all Python, and its tests want it.)
  case $1 in
    asyncpg) rm -rf "$folder/$version/asyncpg" ;;
    pg8000) rm -rf "$folder/$version/src" ;;
    psycopg2) rm -rf "$folder/$version/lib" ;;
  esac
}

run_suites() {
  local name path out
  [ $# -gt 0 ] || set -- psycopg2 asyncpg pg8000 sqlalchemy lib-pq
  python_folder "$tools/suites/python" "$matrix/suites/requirements.txt"
  build_weir --release
  start_lab superuser
  PGPASSWORD=$(cat "$password_file") psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d second -c 'CREATE EXTENSION hstore' \
    -c 'CREATE EXTENSION citext' -c 'CREATE SCHEMA test_schema' -c 'CREATE SCHEMA test_schema_2'
  for name in "$@"; do
    case $name in
      lib-pq) install_for_go; cd /tmp ;;
      *) install_sources "$name"; cd "$tools/suites/$name"/*.*/ ;;
    esac
    for path in direct quic; do
      say "$name, $path"
      out=$results/$name.$path
      (lead "$path"; export out name tools; export -f suite; timeout -k 5 1200 bash -c 'suite "$name"') > "$lab/said" 2>&1 < /dev/null \
        || tail -n 1 "$lab/said" >&2
    done
    cd "$root"
  done
  python3 "$matrix/suites/report.py" "$matrix/suites/reasons.txt" "$results" "$@"
}

print_table() { python3 "$matrix/table.py" "$matrix/differences.txt" "$results" "${rows[@]}"; }

results=$(mktemp -d)
rows=()
lab=
trap 'stop_lab; rm -rf "$results"' EXIT
quick=0
case ${1:-} in
  quick) quick=1; shift; run_matrix "$@" ;;
  suites) shift; run_suites "$@" ;;
  versions) shift; run_versions "$@" ;;
  -*) usage ;;
  *) run_matrix "$@" ;;
esac
