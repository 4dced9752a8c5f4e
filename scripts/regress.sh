#!/usr/bin/env bash
# Obtains the SQL of PostgreSQL's own regression tests, and splits it as psql does: the server's log says what psql sent, and what
# the server could not parse. Writes .tools/regress/statements.json, a log entry a line, once; nothing when it is there.
# regress.sh [again]
. "$(dirname "$0")/lib.sh"

folder=$root/.tools/regress
[ "${1:-}" != again ] || rm -rf --one-file-system "$folder"
[ ! -s "$folder/statements.json" ] || exit 0
install_postgres
install_command bzip2 bzip2
version=$("$(postgres_bin)/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
[ "$version" -ge 15 ] || fail "PostgreSQL $version has no log in JSON" "install PostgreSQL 15 or newer"
mkdir -p "$folder"

# The source package of the server's version, with package lists of its own: the system's stay as they are.
obtain() {
  local apt=$folder/apt suite options release
  mkdir -p "$apt/lists/partial"
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/%s main\n' \
    "debian $suite" "debian-security $suite-security" > "$apt/sources.list"
  options=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$apt/lists" -qq)
  apt-get "${options[@]}" update
  # The newest that the archive still has.
  for release in $(apt-cache "${options[@]}" showsrc "postgresql-$version" | sed -n 's/^Version: //p' | sort -rV | uniq); do
    (cd "$apt" && apt-get "${options[@]}" source --download-only --tar-only "postgresql-$version=$release" >/dev/null 2>&1) && return
  done
  fail "no source package of PostgreSQL $version" "its regression tests are in the archive's postgresql-$version source package"
}

say "obtaining PostgreSQL's regression tests"
obtain
tar -C "$folder" -xjf "$folder"/apt/postgresql-*.orig.tar.bz2 --strip-components=4 --wildcards \
  '*/src/test/regress/sql' '*/src/test/regress/data' '*/src/test/regress/parallel_schedule'

lab=$(mktemp -d "${TMPDIR:-/tmp}/weir-regress.XXXXXX")
chmod 711 "$lab"
trap 'scripts/servers.sh stop "$lab/postgres"; rm -rf --one-file-system "$lab"' EXIT
WEIR_SERVER_PORT=$(free_port) scripts/servers.sh start "$lab/postgres"
. "$lab/postgres/server.env"
PGPASSWORD=$(cat "$PG_SUPERUSER_PASSWORD_FILE")
export PGPASSWORD PGHOST=$PG_SOCKET PGPORT=$PG_PORT PGUSER=postgres PGDATABASE=regression
psql -X -q -d postgres <<'SQL'
CREATE DATABASE regression TEMPLATE template0;
ALTER SYSTEM SET log_destination = 'jsonlog';
ALTER SYSTEM SET logging_collector = on;
ALTER SYSTEM SET log_filename = 'all';
ALTER SYSTEM SET log_file_mode = '0644';
ALTER SYSTEM SET log_statement = 'all';
ALTER SYSTEM SET statement_timeout = '20s';
SQL
scripts/servers.sh restart "$lab/postgres"

say "splitting them as psql does"
export PG_ABS_SRCDIR=$folder PG_LIBDIR=/nonexistent PG_DLSUFFIX=.so PG_ABS_BUILDDIR=$lab
for test in $(sed -n 's/^test: //p' "$folder/parallel_schedule"); do
  # Some end their session, some their server's whole settings: the next begins anew.
  PGAPPNAME=regress/$test psql -X -q -a -f "$folder/sql/$test.sql" >/dev/null 2>&1 </dev/null || true
done
grep '"application_name":"[^"]*regress/' "$lab/postgres/data/log/all.json" > "$folder/all.json" \
  || fail "the server logged nothing"
mv "$folder/all.json" "$folder/statements.json"
rm -rf --one-file-system "$folder/apt"
