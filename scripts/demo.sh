#!/usr/bin/env bash
# Shows what weir does, for real, in a minute: starts a PostgreSQL with a shop's data and a relay in front of it, logs two people
# in, and runs psql through the tunnel. Prints each command before it runs it. Everything lies in one temporary folder and
# is removed at the end; with --keep it goes on until Ctrl-C, so that you can try it yourself.
. "$(dirname "$0")/lib.sh"

keep=
case ${1:-} in
  "") ;;
  --keep) keep=1 ;;
  *) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac

lab=$(mktemp -d "${TMPDIR:-/tmp}/weir-demo.XXXXXX")
chmod 711 "$lab"
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do stop_process "$pid"; done
  scripts/servers.sh stop "$lab/postgres" || true
  rm -rf --one-file-system "$lab"
}
trap cleanup EXIT

bold='' plain=''
[ ! -t 1 ] || { bold=$(tput bold 2>/dev/null || true) plain=$(tput sgr0 2>/dev/null || true); }
title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
# run COMMAND...: prints, then runs. Paths are shortened as the reader would type them.
run() { show "$@"; "$@"; }
show() {
  local line='' word
  for word in "$@"; do
    case $word in
      '&' | '>>') ;;
      *\'*) word=\"$word\" ;;
      *[!A-Za-z0-9_./:=@%+,-]*) word=\'$word\' ;;
    esac
    line+=" $word"
  done
  line=${line//$lab\//} line=${line//$bin\//}
  printf '$%s\n' "$line"
}
# The same for a command that is meant to fail: its exit code is shown.
run_refused() {
  local status=0
  show "$@"
  "$@" || status=$?
  [ $status != 0 ] || fail "this was to be refused"
  printf '(exit code %s)\n' "$status"
}

# ids USER COMMAND...: the ids that a list of `weir` shows.
ids() {
  local user=$1
  shift
  WEIR_HOME=$lab/$user "$bin/weir" "$@" --output json | grep -o '"id": *"[^"]*"' | cut -d '"' -f 4
}

title "Install what is missing, build"
install_build_tools
install_postgres
install_command curl curl
cargo build --locked -p weir-relay -p weir-cli --bins
bin=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$root/target}}/debug

title "A production database: customers with addresses, cards and social security numbers"
run scripts/servers.sh start "$lab/postgres"
. "$lab/postgres/server.env"

title "A relay: the only one that knows the database's password"
for user in root alice rita; do make_secret "$lab/password.$user"; done
port=$(free_port)
relay=https://127.0.0.1:$port
show weir-relay init relay --admin root --password-stdin --listen "127.0.0.1:$port"
"$bin/weir-relay" init "$lab/relay" --admin root --password-stdin --listen "127.0.0.1:$port" < "$lab/password.root" >/dev/null
cat > "$lab/resource.toml" <<CONF

[resources.postgres-prod]
kind = "postgres"
host = "$PG_HOST"
port = $PG_PORT
databases = ["$PG_DATABASE"]
role = "$PG_ROLE"
credential = "file:$PG_PASSWORD_FILE"
ca = "$PG_CA"
labels = { env = "prod" }
columns = ["customers.ssn"]
CONF
show cat resource.toml '>>' relay/weir-relay.toml
sed "s#$lab/##g" "$lab/resource.toml"
cat "$lab/resource.toml" >> "$lab/relay/weir-relay.toml"
config=(--config "$lab/relay/weir-relay.toml")
run "$bin/weir-relay" "${config[@]}" check
run "$bin/weir-relay" "${config[@]}" resource test postgres-prod
run "$bin/weir-relay" "${config[@]}" user add alice --role user --password-stdin < "$lab/password.alice"
run "$bin/weir-relay" "${config[@]}" user add rita --role reviewer --password-stdin < "$lab/password.rita"
show weir-relay "${config[@]}" serve '&'
"$bin/weir-relay" "${config[@]}" serve 2> "$lab/relay.log" &
pids+=($!)
wait_for_relay "$relay" "$lab/relay" "$lab/relay.log"

# log_in USER: `weir login`, with curl as the browser.
log_in() {
  local user=$1
  show env "WEIR_HOME=$user" weir login --relay "$relay" --ca relay/ca.pem
  WEIR_HOME=$lab/$user weir_login "$bin/weir" "$relay" "$lab/relay/ca.pem" "$user" "$lab/password.$user" > "$lab/login.$user"
  printf '(%s opens the address, types name and password into the form, and is sent back to 127.0.0.1)\n' "$user"
  cat "$lab/login.$user"
}

title "Alice, who works, and Rita, who reviews, log in"
log_in alice
log_in rita

title "Alice connects, and uses psql as always"
show env WEIR_HOME=alice weir connect postgres-prod '&'
WEIR_HOME=$lab/alice "$bin/weir" connect postgres-prod --output json > "$lab/connect" 2> "$lab/connect.log" &
pids+=($!)
local_port=$(wait_for_port "$lab/connect" "$lab/connect.log")
url=postgresql://127.0.0.1:$local_port/shop
psql=(psql -X -P pager=off "$url")
run "${psql[@]}" -c 'SELECT id, total, status FROM orders LIMIT 3'

title "Personal data is masked before it leaves the relay"
run "${psql[@]}" -c 'SELECT name, email, phone, ssn, card FROM customers'
run "${psql[@]}" -c 'SELECT upper(ssn) AS x, to_jsonb(c) FROM customers c WHERE id = 1' || true
run "${psql[@]}" -c 'COPY accounts TO STDOUT'

title "What would destroy data is refused, and says why"
run_refused "${psql[@]}" -c 'DROP TABLE orders'
run_refused "${psql[@]}" -c "SELECT pg_read_file('/etc/passwd')"

title "What is risky waits for a human"
show "${psql[@]}" -c 'DELETE FROM orders WHERE id = 7' '&'
"${psql[@]}" -c 'DELETE FROM orders WHERE id = 7' > "$lab/held" 2>&1 &
held=$!
pending() { WEIR_HOME=$lab/rita "$bin/weir" approvals list --state pending --output json | grep -q '"id"'; }
wait_for 20 pending || { cat "$lab/held"; fail "no request waits"; }
cat "$lab/held"
run env WEIR_HOME="$lab/rita" "$bin/weir" approvals list
id=$(ids rita approvals list --state pending | head -n 1)
run env WEIR_HOME="$lab/rita" "$bin/weir" approvals show "$id" 2>/dev/null || true
run env WEIR_HOME="$lab/rita" "$bin/weir" approvals approve "$id" --yes
wait "$held" || { cat "$lab/held"; fail "the approved statement failed"; }
echo '(and in the waiting psql:)'
tail -n 1 "$lab/held"

title "Everything was recorded, as Alice saw it"
run env WEIR_HOME="$lab/alice" "$bin/weir" sessions list
# Newest first: the statement that was held, and the masked rows.
for session in $(ids alice sessions list | sed -n '1p;6p'); do
  run env WEIR_HOME="$lab/alice" "$bin/weir" sessions replay "$session"
done

title "An agent of hers, and that one's agent, may read and no more"
agent='psql -X -At -c "SELECT count(*) FROM orders"; psql -X -c "DELETE FROM orders WHERE id = 8" || true; weir whoami --chain'
PATH=$bin:$PATH
run env WEIR_HOME="$lab/alice" "$bin/weir" run --scope 'postgres-*:sql.read' -- \
  weir run --connect postgres-prod -- sh -c "$agent"
run env WEIR_HOME="$lab/alice" "$bin/weir" sessions list --limit 2

title "Alice never had the database's password"
secret=$(cat "$PG_PASSWORD_FILE")
if grep -rqF -- "$secret" "$lab/alice" "$lab/rita" "$lab/relay" "$lab/relay.log"; then fail "the password leaked"; fi
echo "(it is in no file of hers, in no recording, in no log)"

title "Done"
cat <<SUMMARY
  reads ran, with personal data masked; DROP TABLE and pg_read_file were refused; DELETE ran after Rita approved it;
  the session can be replayed; what an agent of an agent may do is what every one above it allows.
SUMMARY
if [ -n "$keep" ]; then
  cat <<SUMMARY
  It goes on until Ctrl-C:
    psql $url
    WEIR_HOME=$lab/alice $bin/weir list
    WEIR_HOME=$lab/rita $bin/weir approvals
    relay's folder: $lab/relay, its log: $lab/relay.log
SUMMARY
  trap 'exit 0' INT TERM
  while :; do sleep 1; done
fi
