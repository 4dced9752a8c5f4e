#!/usr/bin/env bash
# Measures weir against the same database reached directly and through pgbouncer.
# bench.sh pg [quick]: rounds of every path one after the other, so that a busy machine disturbs all alike; prints the median of
#   each figure and its ratio to direct, the CPU time that weir's two processes spend on a query, and the memory of an idle
#   connection. quick: one short round, to see that it works.
. "$(dirname "$0")/lib.sh"

[ "${1:-}" = pg ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }
rounds=3 seconds=4 scale=10
[ "${2:-}" != quick ] || { rounds=1 seconds=1 scale=1; }

install_build_tools
install_postgres
install_command curl curl
install_command python3 python3
install_command pgbouncer pgbouncer
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

scripts/servers.sh start "$lab/postgres"
. "$lab/postgres/server.env"
PGPASSWORD=$(cat "$PG_PASSWORD_FILE")
export PGPASSWORD
direct="host=localhost port=$PG_PORT dbname=shop user=$PG_ROLE sslmode=verify-full sslrootcert=$PG_CA"
say "filling the tables, scale $scale"
pgbench -q -i -s "$scale" "$direct" >/dev/null 2>&1
# Rows in which much is to be masked: an address, a card number that passes its check, a phone number in some.
psql -X -q "$direct" -c "CREATE TABLE people AS SELECT id, 'Ada Lovelace' AS name, 'ada.lovelace' || id % 997 || '@example.com' AS email,
  (ARRAY['4111 1111 1111 1111', '5555555555554444', '378282246310005'])[1 + id % 3] AS card,
  (ARRAY['standing order, no remark', 'please call +1 (415) 555-0187 before delivery', 'invoice ' || id || ' settled in full'])[1 + id % 3] AS note,
  (id % 1000000)::numeric / 100 AS amount, timestamptz '2026-01-01' + id * interval '1 second' AS created
  FROM generate_series(1, $((scale * 50000))) id" -c 'VACUUM ANALYZE people'

# pgbouncer: TLS towards the server, as weir has it; none towards the local client.
bouncer_port=$(free_port)
mkdir -p "$lab/pgbouncer"
(
  umask 077
  printf '"shop_agent" "%s"\n' "$PGPASSWORD" > "$lab/pgbouncer/users"
  cat > "$lab/pgbouncer/pgbouncer.ini" <<CONF
[databases]
shop = host=localhost port=$PG_PORT dbname=shop user=$PG_ROLE
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $bouncer_port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $lab/pgbouncer/users
pool_mode = session
max_client_conn = 500
default_pool_size = 100
server_tls_sslmode = verify-full
server_tls_ca_file = $PG_CA
logfile = $lab/pgbouncer/log
pidfile = $lab/pgbouncer/pid
CONF
)
if [ "$(id -u)" = 0 ]; then
  chown -R postgres "$lab/pgbouncer"
  runuser -u postgres -- pgbouncer -q "$lab/pgbouncer/pgbouncer.ini" &
else
  pgbouncer -q "$lab/pgbouncer/pgbouncer.ini" &
fi
pids+=($!)

# weir: a relay, and one agent's process for each transport.
port=$(free_port)
relay=https://127.0.0.1:$port
(umask 077; head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$lab/password")
"$bin/weir-relay" init "$lab/relay" --admin root --password-stdin --listen "127.0.0.1:$port" < "$lab/password" >/dev/null
cat >> "$lab/relay/weir-relay.toml" <<CONF

[resources.bench]
kind = "postgres"
host = "localhost"
port = $PG_PORT
databases = ["shop"]
role = "$PG_ROLE"
credential = "file:$PG_PASSWORD_FILE"
ca = "$PG_CA"
labels = { env = "dev" }
columns = ["customers.ssn"]
limits = { connections = 500 }
CONF
"$bin/weir-relay" --config "$lab/relay/weir-relay.toml" user add bench --role user --password-stdin < "$lab/password"
"$bin/weir-relay" --config "$lab/relay/weir-relay.toml" serve 2> "$lab/relay.log" &
relay_pid=$!
pids+=("$relay_pid")
wait_for 20 curl -s -o /dev/null --cacert "$lab/relay/ca.pem" "$relay/" || { cat "$lab/relay.log"; fail "the relay does not listen"; }
export WEIR_HOME=$lab/home
weir_login "$bin/weir" "$relay" "$lab/relay/ca.pem" bench "$lab/password" >/dev/null
declare -A agent where
for transport in quic ws; do
  "$bin/weir" connect bench --transport $transport --output json > "$lab/connect.$transport" 2> "$lab/connect.$transport.log" &
  agent[$transport]=$!
  pids+=($!)
  wait_for 20 grep -q listening "$lab/connect.$transport" || { cat "$lab/connect.$transport.log"; fail "weir connect opens no port"; }
  local_port=$(sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$lab/connect.$transport" | head -n 1)
  where[weir-$transport]="host=127.0.0.1 port=$local_port dbname=shop user=anyone sslmode=disable"
done
where[direct]=$direct
where[pgbouncer]="host=127.0.0.1 port=$bouncer_port dbname=shop user=$PG_ROLE sslmode=disable"
paths=(direct pgbouncer weir-quic weir-ws)
results=$lab/results

# Ticks of CPU that weir's processes of a path have used.
ticks() {
  case $1 in
    weir-*) awk '{sum += $14 + $15} END {print sum}' "/proc/$relay_pid/stat" "/proc/${agent[${1#weir-}]}/stat" ;;
    pgbouncer) awk '{print $14 + $15}' "/proc/$(cat "$lab/pgbouncer/pid")/stat" ;;
    *) echo 0 ;;
  esac
}

record() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$results"; }

# bench NAME PATH OPTIONS...: transactions a second, and microseconds of the proxy's CPU for each.
bench() {
  local name=$1 path=$2 before after out tps count
  shift 2
  before=$(ticks "$path")
  out=$(pgbench -n -S -T "$seconds" "$@" "${where[$path]}" 2>&1) || { printf '%s\n' "$out" >&2; fail "pgbench $name over $path"; }
  after=$(ticks "$path")
  tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' <<< "$out")
  count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' <<< "$out")
  record "$name tps" "$path" "$tps"
  [ "$path" = direct ] || record "$name proxy-us" "$path" "$(awk -v t=$((after - before)) -v n="$count" 'BEGIN {print t * 10000 / n}')"
}

# transfer NAME PATH SQL: megabytes a second, and milliseconds of the proxy's CPU for each; psql reads and drops them.
transfer() {
  local name=$1 path=$2 begin end bytes before after
  before=$(ticks "$path")
  begin=$(date +%s%N)
  bytes=$(psql -X -At "${where[$path]}" -c "$3" | wc -c)
  end=$(date +%s%N)
  after=$(ticks "$path")
  record "$name MB/s" "$path" "$(awk -v b="$bytes" -v t=$((end - begin)) 'BEGIN {print b * 1000 / t}')"
  [ "$path" = direct ] || record "$name proxy-ms/MB" "$path" "$(awk -v t=$((after - before)) -v b="$bytes" 'BEGIN {print t * 10 / (b / 1000000)}')"
}

rss() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }

# idle PATH: kilobytes of the relay and of the agent for each connection that does nothing.
idle() {
  local path=$1 number=50 relay_before agent_before client clients=() process=${agent[${1#weir-}]}
  relay_before=$(rss "$relay_pid") agent_before=$(rss "$process")
  for _ in $(seq $number); do
    { sleep 6; } | psql -X -At "${where[$path]}" >/dev/null 2>&1 &
    clients+=($!)
  done
  sleep 4
  record 'idle relay-kB' "$path" "$(( ($(rss "$relay_pid") - relay_before) / number ))"
  record 'idle agent-kB' "$path" "$(( ($(rss "$process") - agent_before) / number ))"
  for client in "${clients[@]}"; do wait "$client" || true; done
}

for path in "${paths[@]}"; do
  wait_for 20 psql -X -At "${where[$path]}" -c 'SELECT 1' || fail "$path does not answer"
done
for path in weir-quic weir-ws; do idle $path; done
for round in $(seq $rounds); do
  say "round $round of $rounds"
  for mode in simple prepared; do
    for clients in 1 8 32; do
      for path in "${paths[@]}"; do bench "$mode c=$clients" "$path" -M $mode -c $clients -j 2; done
    done
  done
  for path in "${paths[@]}"; do bench 'new connections c=4' "$path" -C -c 4 -j 2; done
  for path in "${paths[@]}"; do transfer 'COPY out' "$path" 'COPY pgbench_accounts TO STDOUT'; done
  for path in "${paths[@]}"; do transfer 'COPY out, personal data' "$path" 'COPY people TO STDOUT'; done
  for path in "${paths[@]}"; do transfer 'SELECT *, personal data' "$path" 'SELECT * FROM people LIMIT 200000'; done
done

python3 - "$results" "${paths[@]}" <<'PY'
import collections, statistics, sys

values = collections.defaultdict(lambda: collections.defaultdict(list))
for line in open(sys.argv[1]):
    name, path, value = line.rstrip("\n").split("\t")
    values[name][path].append(float(value))
paths = sys.argv[2:]
print(f"{'median':<28}" + "".join(f"{path:>22}" for path in paths))
for name, by_path in values.items():
    direct = statistics.median(by_path["direct"]) if by_path.get("direct") else None
    row = f"{name:<28}"
    for path in paths:
        if not by_path.get(path):
            row += f"{'-':>22}"
            continue
        median = statistics.median(by_path[path])
        ratio = f" ({median / direct:4.0%})" if direct else ""
        row += f"{median:,.1f}{ratio}".rjust(22)
    print(row)
PY
