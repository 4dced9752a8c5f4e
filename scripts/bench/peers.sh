# What weir is measured against, and weir itself. Sourced by scripts/bench.sh, which has a database at 127.0.0.1:$PG_PORT
# that takes $ROLE with the password in $PG_PASSWORD_FILE, without TLS: the last leg is the same, and free, for everyone.
# start_NAME starts a path, sets where[NAME] to its connection string and pids_of[NAME] to its processes.

declare -A where pids_of
plain="host=127.0.0.1 dbname=shop user=$ROLE sslmode=disable"

# keep NAME PID...: these processes are the path's, and are ended with the rest.
keep() {
  local name=$1
  shift
  pids_of[$name]+=" $*"
  pids+=("$@")
}

start_direct() { where[direct]="$plain port=$PG_PORT"; pids_of[direct]=; }

start_pgbouncer() {
  local port folder=$lab/pgbouncer
  port=$(free_port)
  mkdir -p "$folder"
  (
    umask 077
    printf '"%s" "%s"\n' "$ROLE" "$PGPASSWORD" > "$folder/users"
    cat > "$folder/pgbouncer.ini" <<CONF
[databases]
shop = host=127.0.0.1 port=$PG_PORT dbname=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
pool_mode = session
max_client_conn = 1000
default_pool_size = 500
logfile = $folder/log
CONF
  )
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$folder"
    setpriv --reuid=postgres --regid=postgres --clear-groups pgbouncer -q "$folder/pgbouncer.ini" &
  else
    pgbouncer -q "$folder/pgbouncer.ini" &
  fi
  keep pgbouncer $!
  where[pgbouncer]="$plain port=$port"
}

# One hop, no encryption.
start_haproxy() {
  local port
  port=$(free_port)
  cat > "$lab/haproxy.cfg" <<CONF
global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen pg
  bind 127.0.0.1:$port
  server pg 127.0.0.1:$PG_PORT
CONF
  "$(command -v haproxy || echo /usr/sbin/haproxy)" -db -f "$lab/haproxy.cfg" >/dev/null 2>&1 &
  keep haproxy $!
  where[haproxy]="$plain port=$port"
}

# A client and a server with TLS 1.3 between them: the shape of weir, and nothing looked at.
start_stunnel() {
  local port between common stunnel
  port=$(free_port) between=$(free_port)
  stunnel=$(command -v stunnel4 || command -v stunnel || echo /usr/bin/stunnel4)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -keyout "$lab/stunnel.key" -out "$lab/stunnel.pem" 2>/dev/null
  common='foreground = yes
pid =
debug = 3
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
sslVersionMin = TLSv1.3'
  printf '%s\n' "$common" '[pg]' "accept = 127.0.0.1:$between" "connect = 127.0.0.1:$PG_PORT" "cert = $lab/stunnel.pem" \
    "key = $lab/stunnel.key" 'TIMEOUTclose = 0' > "$lab/stunnel-server.conf"
  printf '%s\n' "$common" '[pg]' 'client = yes' "accept = 127.0.0.1:$port" "connect = 127.0.0.1:$between" \
    "CAfile = $lab/stunnel.pem" 'verifyPeer = yes' 'TIMEOUTclose = 0' > "$lab/stunnel-client.conf"
  "$stunnel" "$lab/stunnel-server.conf" >/dev/null 2>&1 &
  keep stunnel $!
  "$stunnel" "$lab/stunnel-client.conf" >/dev/null 2>&1 &
  keep stunnel $!
  where[stunnel]="$plain port=$port"
}

# ssh -L through an sshd of its own.
start_ssh() {
  local port between name user
  port=$(free_port) between=$(free_port) user=$(id -un)
  mkdir -p "$lab/ssh" /run/sshd
  for name in host user; do ssh-keygen -q -t ed25519 -N '' -f "$lab/ssh/$name"; done
  cp "$lab/ssh/user.pub" "$lab/ssh/authorized_keys"
  printf '%s\n' 'ListenAddress 127.0.0.1' "Port $between" "HostKey $lab/ssh/host" "AuthorizedKeysFile $lab/ssh/authorized_keys" \
    'PidFile none' 'UsePAM no' 'StrictModes no' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \
    'AllowTcpForwarding local' 'PermitRootLogin prohibit-password' > "$lab/ssh/sshd_config"
  printf '[127.0.0.1]:%s %s\n' "$between" "$(cut -d' ' -f1,2 "$lab/ssh/host.pub")" > "$lab/ssh/known_hosts"
  "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$lab/ssh/sshd_config" >/dev/null 2>&1 &
  keep ssh $!
  wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$between" || return 1
  ssh -N -F /dev/null -i "$lab/ssh/user" -o IdentitiesOnly=yes -o UserKnownHostsFile="$lab/ssh/known_hosts" \
    -o ExitOnForwardFailure=yes -p "$between" -L "127.0.0.1:$port:127.0.0.1:$PG_PORT" "$user@127.0.0.1" >/dev/null 2>&1 &
  keep ssh $!
  where[ssh]="$plain port=$port"
}

# more_policies COUNT: so many that each statement of the user must be held against.
more_policies() {
  local number
  for number in $(seq "$1"); do
    echo "@id(\"rule-$number\") forbid (principal in Group::\"user\", action in Action::\"sql\", resource in Env::\"dev\")" \
      "when { context.sql.reads.contains(\"closed-$number\") && context.agent.depth > $((number % 5)) };"
  done
}

# weir NAME TRANSPORT RECORDING [POLICIES]: a relay and an agent of their own, with so many policies more.
weir() {
  local name=$1 transport=$2 recording=$3 port relay folder=$lab/$1
  port=$(free_port) relay=https://127.0.0.1:$port
  mkdir -p "$folder"
  make_secret "$folder/password"
  "$bin/weir-relay" init "$folder/relay" --admin root --password-stdin --listen "127.0.0.1:$port" < "$folder/password" >/dev/null
  cat >> "$folder/relay/weir-relay.toml" <<CONF

[resources.bench]
kind = "postgres"
host = "127.0.0.1"
port = $PG_PORT
databases = ["shop"]
role = "$ROLE"
credential = "file:$PG_PASSWORD_FILE"
tls = "disable"
labels = { env = "dev" }
columns = ["customers.ssn"]
limits = { connections = 1000 }
recording = { $recording }

[limits.user]
connections = 1000
CONF
  more_policies "${4:-0}" > "$folder/relay/policies/more.cedar"
  "$bin/weir-relay" --config "$folder/relay/weir-relay.toml" user add bench --role user --password-stdin < "$folder/password" 2>/dev/null
  "$bin/weir-relay" --config "$folder/relay/weir-relay.toml" serve 2> "$folder/relay.log" &
  keep "$name" $!
  wait_for_relay "$relay" "$folder/relay" "$folder/relay.log"
  WEIR_HOME=$folder/home weir_login "$bin/weir" "$relay" "$folder/relay/ca.pem" bench "$folder/password" >/dev/null
  WEIR_HOME=$folder/home "$bin/weir" connect bench --transport "$transport" --output json > "$folder/connect" 2> "$folder/connect.log" &
  keep "$name" $!
  port=$(wait_for_port "$folder/connect" "$folder/connect.log")
  where[$name]="host=127.0.0.1 port=$port dbname=shop user=anyone sslmode=disable"
}

start_weir-quic() { weir weir-quic quic 'rows = "all"'; }
start_weir-ws() { weir weir-ws ws 'rows = "all"'; }
start_weir-policies() { weir weir-policies quic 'rows = "all"' 100; }
start_weir-counts() { weir weir-counts quic 'rows = "counts"'; }
start_weir-before() {
  local bin=${WEIR_BEFORE:?the folder of the build to compare with}
  weir weir-before quic 'rows = "all"'
}
