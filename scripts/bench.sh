#!/usr/bin/env bash
# Measures weir against the same database reached directly, and through what people use for it today.
# bench.sh identity [quick]: what logins, delegations and `weir run` cost, on loopback. About two minutes.
# bench.sh policy [quick]: what a decision of policy costs, by the number of policies and the depth, and facts about SQL by the kind
#   of statement. No server. What policies add to a statement on its way: bench.sh pg weir-quic weir-policies.
# bench.sh catalog [quick]: what resolving names costs in a database of 50,000 relations: the first statement of a kind and those
#   after it, and the relay's memory. About three minutes.
# bench.sh pg [quick] [PATH...]: interleaved rounds of every path, so that a busy machine disturbs all alike; prints the
#   median of each figure, its ratio to direct, the CPU time of each path's own processes (both ends together), and their memory
#   for a connection that does nothing. quick: one short round, to see that it works. Paths: direct pgbouncer haproxy stunnel ssh
#   weir-quic weir-ws weir-counts (rows recorded as counts and hash) weir-policies (100 policies that apply) weir-before (the
#   programs of another build, in the folder WEIR_BEFORE); direct is always among them. About 13 minutes on 2 cores.
. "$(dirname "$0")/lib.sh"

what=${1:-}
case $what in
  pg | catalog) shift ;;
  identity)
    install_build_tools
    install_postgres
    cargo build --locked --release -p weir-relay -p weir-cli -p weir-tests --bins
    bin=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$root/target}}/release
    WEIR_TEST_BIN=$bin exec "$bin/bench-identity" "${@:2}"
    ;;
  policy)
    install_build_tools
    cargo bench --locked -p weir-policy --bench decide -- "${@:2}"
    cargo build --locked --release -p weir-tests --bin bench-facts
    exec "${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$root/target}}/release/bench-facts" "${@:2}"
    ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
rounds=3 seconds=3 scale=10 idle=300
relations=50000
if [ "${1:-}" = quick ]; then rounds=1 seconds=1 scale=1 idle=30 relations=2000; shift; fi
paths=("$@")
[ "$what" = pg ] || paths=(direct weir-quic)
[ ${#paths[@]} -gt 0 ] || paths=(direct pgbouncer haproxy stunnel ssh weir-quic weir-ws weir-counts)
case " ${paths[*]} " in *' direct '*) ;; *) paths=(direct "${paths[@]}") ;; esac

install_build_tools
install_postgres
install_command curl curl
install_command python3 python3
for path in "${paths[@]}"; do
  case $path in
    pgbouncer) install_command pgbouncer pgbouncer ;;
    haproxy) [ -x /usr/sbin/haproxy ] || install_packages haproxy ;;
    stunnel) install_command stunnel4 stunnel4 ;;
    ssh) [ -x /usr/sbin/sshd ] || install_packages openssh-server ; install_command ssh openssh-client ;;
  esac
done
command -v pgbench >/dev/null || PATH=$(postgres_bin):$PATH
cargo build --locked --release -p weir-relay -p weir-cli --bins
bin=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$root/target}}/release

lab=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench.XXXXXX")
chmod 711 "$lab"
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do stop_process "$pid"; done
  scripts/servers.sh stop "$lab/postgres" || true
  rm -rf --one-file-system "$lab"
}
trap cleanup EXIT

WEIR_MAX_CONNECTIONS=1200 scripts/servers.sh start "$lab/postgres"
. "$lab/postgres/server.env"
# The one role that the test server takes without TLS.
ROLE=login_plain
PGPASSWORD=$(cat "$PG_PASSWORD_FILE")
export PGPASSWORD PGGSSENCMODE=disable
PGPASSWORD=$(cat "$PG_SUPERUSER_PASSWORD_FILE") psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d shop <<SQL
CREATE ROLE $ROLE LOGIN PASSWORD '$PGPASSWORD';
GRANT ALL ON SCHEMA public TO $ROLE;
SQL
. scripts/bench/peers.sh
start_direct

# Nanoseconds of CPU that a path's processes, and theirs, have used.
cpu() {
  local pid all=()
  for pid in ${pids_of[$1]}; do all+=("$pid" $(descendants "$pid")); done
  # A process's CPU clock (clock_getcpuclockid(3)): its ended threads count too.
  python3 -c 'import sys, time; print(sum(time.clock_gettime_ns((~int(pid) << 3) | 2) for pid in sys.argv[1:]))' "${all[@]}"
}
descendants() {
  local child
  for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do echo "$child"; descendants "$child"; done
}
memory() {
  local pid
  for pid in ${pids_of[$1]}; do
    for pid in "$pid" $(descendants "$pid"); do awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup" 2>/dev/null || true; done
  done | awk '{sum += $1} END {printf "%d", sum}'
}

if [ "$what" = catalog ]; then
  . scripts/bench/catalog.sh
  exit
fi
say "filling the tables, scale $scale"
pgbench -q -i -s "$scale" "${where[direct]}" >/dev/null 2>&1
# Rows in which much is to be masked: an address, a card number that passes its check, a phone number in some.
psql -X -q "${where[direct]}" -c "CREATE TABLE people AS SELECT id, 'Ada Lovelace' AS name, 'ada.lovelace' || id % 997 || '@example.com' AS email,
  (ARRAY['4111 1111 1111 1111', '5555555555554444', '378282246310005'])[1 + id % 3] AS card,
  (ARRAY['standing order, no remark', 'please call +1 (415) 555-0187 before delivery', 'invoice ' || id || ' settled in full'])[1 + id % 3] AS note,
  (id % 1000000)::numeric / 100 AS amount, timestamptz '2026-01-01' + id * interval '1 second' AS created
  FROM generate_series(1, $((scale * 50000))) id" -c 'VACUUM ANALYZE people'
pipeline=$lab/pipeline.sql
{ echo '\startpipeline'; for id in $(seq 10); do echo "SELECT abalance FROM pgbench_accounts WHERE aid = $id;"; done; echo '\endpipeline'; } > "$pipeline"
for path in "${paths[@]}"; do
  [ "$path" = direct ] || "start_$path"
  wait_for 20 psql -X -At "${where[$path]}" -c 'SELECT 1' || fail "$path does not answer"
done
results=$lab/results

record() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$results"; }

# bench NAME PATH UNIT PER OPTIONS...: units a second, and microseconds of CPU for each; PER units make a transaction.
bench() {
  local name=$1 path=$2 unit=$3 per=$4 before after out tps count
  shift 4
  before=$(cpu "$path")
  out=$(pgbench -n -T "$seconds" "$@" "${where[$path]}" 2>&1) || { printf '%s\n' "$out" >&2; fail "pgbench $name over $path"; }
  after=$(cpu "$path")
  tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' <<< "$out")
  count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' <<< "$out")
  record "$name: $unit/s" "$path" "$(awk -v t="$tps" -v p="$per" 'BEGIN {print t * p}')"
  [ "$path" = direct ] || record "$name: CPU us" "$path" "$(awk -v t=$((after - before)) -v n="$count" -v p="$per" 'BEGIN {print t / 1000 / n / p}')"
}

# latency PATH: microseconds that the median and the slowest hundredth of single queries take.
latency() {
  (cd "$lab" && rm -f latency.* && pgbench -n -T "$seconds" -S -l --log-prefix=latency "${where[$1]}" >/dev/null 2>&1)
  sort -n -k3,3 "$lab"/latency.* | awk '{took[NR] = $3} END {print took[int(NR / 2) + 1], took[int(NR * 0.99) + 1]}' > "$lab/latency"
  record 'one client: p50 us' "$1" "$(cut -d' ' -f1 "$lab/latency")"
  record 'one client: p99 us' "$1" "$(cut -d' ' -f2 "$lab/latency")"
}

# transfer NAME PATH SQL: megabytes a second, and milliseconds of CPU for each; psql reads and drops them.
transfer() {
  local name=$1 path=$2 begin end bytes before after
  before=$(cpu "$path")
  begin=$(date +%s%N)
  bytes=$(psql -X -At "${where[$path]}" -c "$3" | wc -c)
  end=$(date +%s%N)
  after=$(cpu "$path")
  record "$name: MB/s" "$path" "$(awk -v b="$bytes" -v t=$((end - begin)) 'BEGIN {print b * 1000 / t}')"
  [ "$path" = direct ] || record "$name: CPU ms/MB" "$path" "$(awk -v t=$((after - before)) -v b="$bytes" 'BEGIN {print t / b}')"
}

# idle PATH: kilobytes for each of many connections that do nothing.
idle() {
  local before client clients=()
  before=$(memory "$1")
  for _ in $(seq "$idle"); do
    { sleep 12; } | psql -X -At "${where[$1]}" >/dev/null 2>&1 &
    clients+=($!)
  done
  sleep 8
  record 'idle connection: kB' "$1" "$(awk -v k=$(($(memory "$1") - before)) -v n="$idle" 'BEGIN {print k / n}')"
  for client in "${clients[@]}"; do wait "$client" || true; done
}

for path in "${paths[@]}"; do [ "$path" = direct ] || idle "$path"; done
for round in $(seq $rounds); do
  say "round $round of $rounds"
  for path in "${paths[@]}"; do latency "$path"; done
  for clients in 8 32; do
    for path in "${paths[@]}"; do bench "simple c=$clients" "$path" queries 1 -S -c $clients -j 2; done
  done
  for path in "${paths[@]}"; do bench 'prepared c=32' "$path" queries 1 -S -M prepared -c 32 -j 2; done
  for path in "${paths[@]}"; do bench 'pipeline of 10, c=8' "$path" queries 10 -M extended -f "$pipeline" -c 8 -j 2; done
  for path in "${paths[@]}"; do bench 'new connections, c=8' "$path" connections 1 -S -C -c 8 -j 2; done
  for path in "${paths[@]}"; do transfer 'COPY out' "$path" 'COPY pgbench_accounts TO STDOUT'; done
  for path in "${paths[@]}"; do transfer 'COPY out, personal data' "$path" 'COPY people TO STDOUT'; done
  for path in "${paths[@]}"; do transfer 'SELECT *, personal data' "$path" 'SELECT * FROM people LIMIT 200000'; done
  for path in "${paths[@]}"; do transfer 'SELECT, nothing to mask' "$path" 'SELECT aid, bid, abalance FROM pgbench_accounts'; done
done
python3 scripts/bench/table.py "$results" "${paths[@]}"
