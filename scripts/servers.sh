#!/usr/bin/env bash
# servers.sh start FOLDER: starts a real PostgreSQL in FOLDER, on a free port of 127.0.0.1 or on the one in WEIR_SERVER_PORT, with
#   TLS from a CA of its own, SCRAM passwords, and a small shop's data; writes FOLDER/server.env (names and paths, no secret).
# servers.sh standby FOLDER PRIMARY: starts a hot standby of the server in the folder PRIMARY, with the same passwords and
#   certificate; writes FOLDER/server.env.
# servers.sh oidc FOLDER REDIRECT_URI: starts an OpenID Connect provider in FOLDER, on a free port of 127.0.0.1, over TLS from a CA
#   of its own, with the clients weir and sibling; FOLDER/accounts.json are its accounts. SIGHUP changes its keys.
# servers.sh stop FOLDER: stops it. FOLDER stays.
# servers.sh restart FOLDER: stops it as a crash would, and starts it again where it was.
# As root the server runs as the user postgres, as PostgreSQL asks for. WEIR_POSTGRES_BIN=FOLDER takes its programs from there.
# WEIR_SERVER_TEMPLATE=FOLDER: its data are copied from there, and made there first where they are not.
. "$(dirname "$0")/lib.sh"

usage() { sed -n '2,11s/^# //p' "$0" >&2; exit 2; }
[ $# = 2 ] || { [ $# = 3 ] && { [ "$1" = standby ] || [ "$1" = oidc ]; }; } || usage
action=$1 folder=$2 primary=${3-}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
data=$folder/data secrets=$folder/secrets

as_postgres() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

make_certificates() {
  local tls=$folder/tls
  mkdir -p "$tls"
  (
    umask 077
    cd "$tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout ca.key -out ca.pem \
      -subj '/CN=shop test CA' -addext 'keyUsage=critical,keyCertSign' 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr \
      -subj '/CN=localhost' 2>/dev/null
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > extensions
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -sha256 -extfile extensions \
      -out server.pem 2>/dev/null
  )
  chmod 755 "$tls"
  chmod 644 "$tls/ca.pem"
}

sql() {
  PGPASSWORD=$(cat "$secrets/superuser") psql -X -q -v ON_ERROR_STOP=1 -h "$folder/socket" -p "$port" -U postgres "$@"
}

load() {
  # Passwords reach the server through standard input: never in the arguments of a process.
  { printf "CREATE ROLE shop_agent LOGIN PASSWORD '%s';\n" "$(cat "$secrets/shop_agent")"
    printf 'CREATE DATABASE shop OWNER shop_agent;\nGRANT pg_signal_backend TO shop_agent;\n'; } | sql -d postgres
  { echo 'SET ROLE shop_agent;'; cat <<'SQL'; } | sql -d shop
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, phone text, ssn text, card text, note text);
INSERT INTO customers VALUES
  (1, 'Ada Lovelace', 'ada@example.com', '+44 20 7946 0958', '536-90-4399', '4111 1111 1111 1111', 'pays on time'),
  (2, 'Grace Hopper', 'grace@example.com', '(212) 555-0187', '219-09-9998', '5555-5555-5555-4444', 'prefers e-mail'),
  (3, 'Alan Turing', 'alan@example.com', '+44 20 7946 0123', '457-55-5462', '378282246310005', NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric(10, 2), status text, placed_at timestamptz);
INSERT INTO orders SELECT n, 1 + n % 3, n * 9.95, (ARRAY['paid', 'open', 'cancelled'])[1 + n % 3], '2026-01-01'::timestamptz + n * interval '1 hour'
  FROM generate_series(1, 100) n;
CREATE TABLE accounts (id int PRIMARY KEY, iban text, balance numeric(12, 2));
INSERT INTO accounts VALUES (1, 'DE89370400440532013000', 1200), (2, 'GB82WEST12345698765432', 80.5), (3, 'NO9386011117947', 7);
CREATE VIEW customer_mail AS SELECT id, upper(email) AS mail FROM customers;
CREATE VIEW customer_numbers AS SELECT id, substr(ssn, 2) AS digits FROM customers;
CREATE VIEW customer_rows AS SELECT id, c AS everything FROM customers c;
CREATE VIEW customer_rows_again AS SELECT * FROM customer_rows;
SQL
}

# Made in a folder that the server's own user reaches, and moved there whole: others may do the same at the same time.
make_template() {
  local work
  work=$(mktemp -d "${TMPDIR:-/tmp}/weir-template.XXXXXX")
  env -u WEIR_SERVER_TEMPLATE -u WEIR_SERVER_PORT scripts/servers.sh start "$work"
  as_postgres "$(postgres_bin)/pg_ctl" -D "$work/data" -m fast -w stop >/dev/null
  mkdir -p "$(dirname "$WEIR_SERVER_TEMPLATE")"
  mv "$work" "$WEIR_SERVER_TEMPLATE.$$"
  mv -T "$WEIR_SERVER_TEMPLATE.$$" "$WEIR_SERVER_TEMPLATE" 2>/dev/null || rm -rf --one-file-system "$WEIR_SERVER_TEMPLATE.$$"
}

# An empty server's data.
make_data() {
  cp "$secrets/superuser" "$folder/socket/password"
  chmod 600 "$folder/socket/password"
  if [ "$(id -u)" = 0 ]; then chown postgres "$folder/socket/password"; fi
  as_postgres "$bin/initdb" -D "$data" -U postgres -A scram-sha-256 --pwfile="$folder/socket/password" -E UTF8 --locale=C.UTF-8 \
    --no-sync > "$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; fail "initdb failed"; }
  rm -f "$folder/socket/password"
  as_postgres tee "$data/pg_hba.conf" >/dev/null <<'HBA'
local   all,replication all scram-sha-256
hostssl all login_md5 127.0.0.1/32 md5
hostssl all login_clear 127.0.0.1/32 password
hostssl all login_certificate 127.0.0.1/32 cert
hostssl all login_nothing 127.0.0.1/32 trust
hostnossl all login_plain 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
HBA
}

start() {
  local bin attempt template=${WEIR_SERVER_TEMPLATE:-}
  bin=$(postgres_bin)
  mkdir -p "$secrets" "$folder/socket"
  chmod 700 "$secrets"
  # The server's own user must be able to reach its files, and nobody else's passwords.
  chmod 711 "$folder"
  make_certificates
  cp "$folder/tls/server.pem" "$folder/tls/server.key" "$folder/socket/"
  chmod 600 "$folder/socket/server.key"
  if [ -n "$template" ]; then
    [ -d "$template" ] || make_template
    cp -a --reflink=auto "$template/data" "$folder/"
    cp -a "$template/secrets/." "$secrets/"
  else
    make_secret "$secrets/superuser" 18
    make_secret "$secrets/shop_agent" 18
    mkdir -p "$data"
    chmod 700 "$data"
  fi
  if [ "$(id -u)" = 0 ]; then chown -R postgres "$data" "$folder/socket"; fi
  [ -n "$template" ] || make_data
  for attempt in 1 2 3 4 5; do
    port=${WEIR_SERVER_PORT:-$(free_port)}
    as_postgres tee "$data/postgresql.auto.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder/socket'
ssl = on
ssl_cert_file = '$folder/socket/server.pem'
ssl_key_file = '$folder/socket/server.key'
ssl_ca_file = '$folder/tls/ca.pem'
password_encryption = 'scram-sha-256'
max_connections = ${WEIR_MAX_CONNECTIONS:-200}
fsync = off
shared_buffers = 64MB
log_destination = stderr
log_statement = none
CONF
    as_postgres "$bin/pg_ctl" -D "$data" -l "$data/server.log" -w -t 30 start >/dev/null 2>&1 && break
    [ "$attempt" -lt 5 ] || { as_postgres tail -n 20 "$data/server.log" >&2; fail "PostgreSQL does not start"; }
  done
  [ -n "$template" ] || load
  cat > "$folder/server.env" <<ENV
PG_HOST=localhost
PG_PORT=$port
PG_DATABASE=shop
PG_ROLE=shop_agent
PG_PASSWORD_FILE=$secrets/shop_agent
PG_SUPERUSER_PASSWORD_FILE=$secrets/superuser
PG_SOCKET=$folder/socket
PG_CA=$folder/tls/ca.pem
PG_CA_KEY=$folder/tls/ca.key
PG_LOG=$data/server.log
PG_PID=$(as_postgres head -n 1 "$data/postmaster.pid")
ENV
  say "PostgreSQL listens on 127.0.0.1:$port"
}

standby() {
  local bin attempt
  bin=$(postgres_bin)
  primary=$(cd "$primary" && pwd)
  mkdir -p "$folder/socket"
  chmod 711 "$folder"
  if [ "$(id -u)" = 0 ]; then chown postgres "$folder" "$folder/socket"; fi
  PGPASSWORD=$(cat "$primary/secrets/superuser") as_postgres "$bin/pg_basebackup" -D "$data" -R --no-sync -c fast -w \
    -h "$primary/socket" -p "$(sed -n 's/^PG_PORT=//p' "$primary/server.env")" -U postgres >&2 || fail "pg_basebackup failed"
  for attempt in 1 2 3 4 5; do
    port=${WEIR_SERVER_PORT:-$(free_port)}
    as_postgres tee -a "$data/postgresql.auto.conf" >/dev/null <<CONF
port = $port
unix_socket_directories = '$folder/socket'
CONF
    as_postgres "$bin/pg_ctl" -D "$data" -l "$data/server.log" -w -t 30 start >/dev/null 2>&1 && break
    [ "$attempt" -lt 5 ] || { as_postgres tail -n 20 "$data/server.log" >&2; fail "the standby does not start"; }
  done
  sed "s|^PG_PORT=.*|PG_PORT=$port|; s|^PG_SOCKET=.*|PG_SOCKET=$folder/socket|; s|^PG_LOG=.*|PG_LOG=$data/server.log|; /^PG_PID=/d" \
    "$primary/server.env" > "$folder/server.env"
  echo "PG_PID=$(as_postgres head -n 1 "$data/postmaster.pid")" >> "$folder/server.env"
  say "a standby listens on 127.0.0.1:$port"
}

oidc() {
  local pid
  mkdir -p "$secrets"
  chmod 700 "$secrets"
  make_secret "$secrets/weir" 18
  make_secret "$secrets/sibling" 18
  make_certificates
  cat > "$folder/accounts.json" <<'ACCOUNTS'
{ "ada": { "groups": ["weir-users"], "email": "ada@example.com" },
  "grace": { "groups": ["weir-users", "dba"], "email": "grace@example.com" },
  "alice": { "groups": ["weir-users"], "email": "alice@example.com" },
  "nobody": { "groups": [], "email": "nobody@example.com" } }
ACCOUNTS
  setsid node tests/oidc/provider.mjs "$folder" "$primary" < /dev/null > "$folder/server.log" 2>&1 &
  pid=$!
  wait_for 60 grep -q '^listening on ' "$folder/server.log" || {
    stop_process "$pid"
    tail -n 20 "$folder/server.log" >&2
    fail "the provider does not start" "run scripts/test.sh, which installs it"
  }
  port=$(sed -n 's/^listening on //p' "$folder/server.log")
  echo "$pid" > "$folder/oidc.pid"
  cat > "$folder/server.env" <<ENV
OIDC_ISSUER=https://localhost:$port
OIDC_CA=$folder/tls/ca.pem
OIDC_SECRET_FILE=$secrets/weir
OIDC_SIBLING_SECRET_FILE=$secrets/sibling
OIDC_ACCOUNTS=$folder/accounts.json
OIDC_LOG=$folder/server.log
OIDC_PID=$pid
ENV
  say "a provider listens on https://localhost:$port"
}

stop() {
  if [ -e "$folder/oidc.pid" ]; then
    stop_process "$(cat "$folder/oidc.pid")"
    rm -f "$folder/oidc.pid"
    return
  fi
  [ -e "$data/postmaster.pid" ] || return 0
  as_postgres "$(postgres_bin)/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
}

restart() {
  stop
  as_postgres "$(postgres_bin)/pg_ctl" -D "$data" -l "$data/server.log" -w -t 30 start >/dev/null 2>&1 \
    || { as_postgres tail -n 20 "$data/server.log" >&2; fail "PostgreSQL does not start again"; }
}

case $action in
  start) start ;;
  standby) standby ;;
  oidc) [ -n "$primary" ] || usage; oidc ;;
  restart) restart ;;
  stop) stop ;;
  *) usage ;;
esac
