#!/usr/bin/env bash
# soak.sh [MINUTES]: a relay and an agent on each transport under mixed load for so long (30): simple, prepared and new
#   connections by pgbench, COPY both ways, cancelled and refused statements. Prints every ten seconds what both hold, and at
#   the end a verdict: memory stays flat, no file descriptor and no session is left behind.
# WEIR_SOAK_BIN names a folder of built programs; without it they are built for release.
. "$(dirname "$0")/lib.sh"

minutes=${1:-30}
case $minutes in *[!0-9]* | '' | 0) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;; esac
every=10

install_postgres
install_command curl curl
install_command python3 python3
command -v pgbench >/dev/null || PATH=$(postgres_bin):$PATH
bin=${WEIR_SOAK_BIN:-}
if [ -z "$bin" ]; then
  install_build_tools
  cargo build --locked --release -p weir-relay -p weir-cli --bins
  bin=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$root/target}}/release
fi

lab=$(mktemp -d "${TMPDIR:-/tmp}/weir-soak.XXXXXX")
chmod 711 "$lab"
pids=()
cleanup() {
  local pid
  touch "$lab/stop"
  for pid in "${pids[@]}"; do stop_process "$pid"; done
  scripts/servers.sh stop "$lab/postgres" || true
  rm -rf --one-file-system "$lab"
}
trap cleanup EXIT

scripts/servers.sh start "$lab/postgres"
. "$lab/postgres/server.env"
direct="host=localhost port=$PG_PORT dbname=shop user=$PG_ROLE sslmode=verify-full sslrootcert=$PG_CA"
PGPASSWORD=$(cat "$PG_PASSWORD_FILE") pgbench -q -i -s 1 "$direct" >/dev/null 2>&1
PGPASSWORD=$(cat "$PG_PASSWORD_FILE") psql -X -q "$direct" -c 'CREATE TABLE bulk (id int, text text)'

port=$(free_port) metrics=$(free_port)
relay=https://127.0.0.1:$port
make_secret "$lab/password"
"$bin/weir-relay" init "$lab/relay" --admin root --password-stdin --listen "127.0.0.1:$port" < "$lab/password" >/dev/null
sed -i "1i metrics = \"127.0.0.1:$metrics\"" "$lab/relay/weir-relay.toml"
# Hours of load would fill the disk with recorded rows.
cat >> "$lab/relay/weir-relay.toml" <<CONF

[resources.soak]
kind = "postgres"
host = "localhost"
port = $PG_PORT
databases = ["shop"]
role = "$PG_ROLE"
credential = "file:$PG_PASSWORD_FILE"
ca = "$PG_CA"
labels = { env = "dev" }
limits = { connections = 500 }
recording = { rows = "first:10" }
CONF
"$bin/weir-relay" --config "$lab/relay/weir-relay.toml" user add soak --role user --password-stdin < "$lab/password"
"$bin/weir-relay" --config "$lab/relay/weir-relay.toml" serve 2> "$lab/relay.log" &
relay_pid=$!
pids+=("$relay_pid")
wait_for_relay "$relay" "$lab/relay" "$lab/relay.log"
export WEIR_HOME=$lab/home
weir_login "$bin/weir" "$relay" "$lab/relay/ca.pem" soak "$lab/password" >/dev/null
declare -A agent where
for transport in quic ws; do
  "$bin/weir" connect soak --transport $transport --output json > "$lab/connect.$transport" 2> "$lab/connect.$transport.log" &
  agent[$transport]=$!
  pids+=($!)
  local_port=$(wait_for_port "$lab/connect.$transport" "$lab/connect.$transport.log")
  where[$transport]="host=127.0.0.1 port=$local_port dbname=shop user=anyone sslmode=disable"
  wait_for 20 psql -X -At "${where[$transport]}" -c 'SELECT 1' || fail "no answer over $transport"
done

# again COMMAND...: over and over, until the load ends.
again() { while [ ! -e "$lab/stop" ]; do "$@" >/dev/null 2>&1 || sleep 0.2; done; }
copy() {
  seq 1 5000 | sed 's/$/\twrite to ada@example.com/' | psql -X -q "$1" -c 'COPY bulk FROM STDIN'
  psql -X -q "$1" -c 'COPY bulk TO STDOUT' -c 'DELETE FROM bulk WHERE id > 0'
}
cancel() { timeout -s INT 0.5 psql -X -q "$1" -c 'SELECT pg_sleep(30)' || sleep 0.5; }
refused() { psql -X -q "$1" -c 'DROP TABLE bulk' -c 'SELECT broken' -c 'GRANT ALL ON bulk TO PUBLIC' || sleep 0.5; }

# What a process holds: kilobytes, file descriptors, threads.
holds() {
  printf '%s\t%s\t%s' "$(awk '/^VmRSS/ {print $2}' "/proc/$1/status")" \
    "$(find "/proc/$1/fd" -maxdepth 1 -type l 2>/dev/null | wc -l)" "$(awk '/^Threads/ {print $2}' "/proc/$1/status")"
}
sessions() { curl -s "http://127.0.0.1:$metrics/metrics" | awk '/^weir_sessions_open[{ ]/ {sum += $2} END {print sum + 0}'; }
sample() {
  printf '%s\t%s\t%s\t%s\t%s\n' "$SECONDS" "$(sessions)" "$(holds "$relay_pid")" "$(holds "${agent[quic]}")" "$(holds "${agent[ws]}")" \
    | tee -a "$lab/samples"
}

printf 'second\topen\trelay:kB\tfds\tthreads\tquic:kB\tfds\tthreads\tws:kB\tfds\tthreads\n'
sleep 2
sample > "$lab/before"
loads=()
for transport in quic ws; do
  to=${where[$transport]}
  again pgbench -n -S -c 4 -T 5 "$to" & loads+=($!)
  again pgbench -n -S -M prepared -c 4 -T 5 "$to" & loads+=($!)
  again pgbench -n -S -C -c 1 -T 5 "$to" & loads+=($!)
  again copy "$to" & loads+=($!)
  again cancel "$to" & loads+=($!)
  again refused "$to" & loads+=($!)
done
: > "$lab/samples"
SECONDS=0
while [ $SECONDS -lt $((minutes * 60)) ]; do
  sleep $every
  sample
done
touch "$lab/stop"
wait "${loads[@]}" || true

failed=0
problem() { say "problem: $1"; failed=1; }
open_sessions() {
  python3 - "$lab/relay/weir.db" <<'PY'
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM sessions WHERE ended IS NULL").fetchone()[0])
PY
}
nobody() { [ "$(open_sessions)" = 0 ]; }
wait_for 30 nobody || problem "$(open_sessions) sessions are open in the store"
# Connections that nobody uses any more live for some seconds.
sleep 10
say "after the load:"
sample > "$lab/after"
# The last sample was taken without load.
sed -i '$d' "$lab/samples"
cat "$lab/after"
[ "$(cut -f 2 "$lab/after")" = 0 ] || problem "the relay counts open sessions"
for column in 4 7 10; do
  [ "$(cut -f $column "$lab/after")" -le $(($(cut -f $column "$lab/before") + 4)) ] \
    || problem "file descriptors: $(cut -f $column "$lab/before") before, $(cut -f $column "$lab/after") after (column $column)"
done
# The last third against the middle one: a tenth more, and 8 MB for what comes and goes, is not growth.
for column in 3 6 9; do
  awk -v column=$column '{value[NR] = $column}
    END {third = int(NR / 3); if (third < 1) exit 0
      for (row = NR - 2 * third + 1; row <= NR - third; row++) middle += value[row] / third
      for (row = NR - third + 1; row <= NR; row++) last += value[row] / third
      printf "column %d: %d kB in the middle third, %d kB in the last\n", column, middle, last
      exit !(last <= middle * 1.1 + 8192)}' FS='\t' "$lab/samples" || problem "memory grows (column $column)"
done
if grep -q panicked "$lab/relay.log" "$lab"/connect.*.log; then problem "a panic is in a log"; fi
kill -TERM "$relay_pid"
if wait "$relay_pid"; then :; else problem "the relay ends with $?"; fi
[ $failed = 0 ] && say "flat: nothing is left behind"
exit $failed
