# What the scripts share: sourced, not run. Installs what is missing (saying so), finds PostgreSQL, picks free ports.
# Every script runs from the repository's root, whatever folder it was called from.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export DEBIAN_FRONTEND=noninteractive

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 1; }

# stage NAME: what follows is this stage, up to the next; at the script's end, however it ends, the time of each is told.
stages=() stage_name='' stage_begun=0
stage() {
  if [ -n "$stage_name" ]; then
    stages+=("$(printf '%5d s  %s' $((SECONDS - stage_begun)) "$stage_name")")
  else
    trap 'stage ""; say "== time by stage"; printf "%s\n" "${stages[@]}" >&2' EXIT
  fi
  stage_name=$1 stage_begun=$SECONDS
}

# install_packages PACKAGE...: installs those Debian packages that are missing.
install_packages() {
  local missing=() package
  command -v dpkg-query >/dev/null || { say "not Debian: make sure of $*"; return 0; }
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing packages: ${missing[*]}" "as root: apt-get install -y ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing: ${missing[*]}"
  if [ ! -e /tmp/.weir-apt-updated ] || [ -n "$(find /tmp/.weir-apt-updated -mmin +60 2>/dev/null)" ]; then
    "${as_root[@]}" apt-get update -qq
    touch /tmp/.weir-apt-updated
  fi
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/weir-apt.log 2>&1 \
    || { tail -n 20 /tmp/weir-apt.log >&2; fail "apt-get could not install ${missing[*]}"; }
}

# What cargo needs: a C compiler and linker, and libclang for the PostgreSQL grammar's bindings.
install_build_tools() {
  local wanted=()
  command -v cc >/dev/null || wanted+=(gcc)
  command -v make >/dev/null || wanted+=(make)
  compgen -G '/usr/lib/llvm-*/lib/libclang[-.][s0-9]*' >/dev/null || wanted+=(libclang-14-dev)
  compgen -G '/usr/include/stdio.h' >/dev/null || wanted+=(libc6-dev)
  [ ${#wanted[@]} -eq 0 ] || install_packages "${wanted[@]}"
  command -v cargo >/dev/null || fail "cargo is missing" "install Rust $(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml) with rustup"
}

# A PostgreSQL server's programs, and the tools that scripts/servers.sh uses.
install_postgres() {
  local wanted=()
  postgres_bin >/dev/null 2>&1 || wanted+=(postgresql)
  command -v psql >/dev/null || wanted+=(postgresql-client)
  command -v openssl >/dev/null || wanted+=(openssl)
  [ ${#wanted[@]} -eq 0 ] || install_packages "${wanted[@]}"
}

# install_command COMMAND PACKAGE
install_command() { command -v "$1" >/dev/null || install_packages "$2"; }

# The folder of the newest PostgreSQL's programs, or the one that WEIR_POSTGRES_BIN names.
postgres_bin() {
  local folder
  [ -z "${WEIR_POSTGRES_BIN:-}" ] || { printf '%s\n' "$WEIR_POSTGRES_BIN"; return; }
  folder=$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -n 1)
  folder=${folder%/postgres}
  [ -n "$folder" ] || folder=$(pg_config --bindir 2>/dev/null || true)
  [ -x "$folder/initdb" ] || { say "error: no PostgreSQL server found"; say "hint: apt-get install postgresql"; return 1; }
  printf '%s\n' "$folder"
}

# A port of loopback that is this script's until it ends, as tests/src/port.rs has them: bound by a process that never listens,
# so that nobody else is given it, and whoever listens with SO_REUSEADDR, as servers do, can. Other programs' ports begin above.
free_port() {
  perl -MSocket -e '
    $| = 1;
    for (1 .. 1000) {
      my $port = 20000 + int rand 12000;
      socket(my $tcp, PF_INET, SOCK_STREAM, 0) or die "no socket: $!\n";
      bind($tcp, pack_sockaddr_in($port, INADDR_LOOPBACK)) or next;
      setsockopt($tcp, SOL_SOCKET, SO_REUSEADDR, 1) or die "$!\n";
      print "$port\n";
      exit if fork;
      open STDIN, "<", "/dev/null"; open STDOUT, ">", "/dev/null"; open STDERR, ">", "/dev/null";
      sleep 1 while kill 0, $ARGV[0];
      exit;
    }
    die "no free port\n"' $$
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.1
  done
}

# make_secret FILE [BYTES]: so many random bytes (12), in hexadecimal, for nobody else to read.
make_secret() { (umask 077; head -c "${2:-12}" /dev/urandom | od -An -tx1 | tr -d ' \n' > "$1"); }

# wait_for_relay URL FOLDER LOG: until the relay of that folder listens.
wait_for_relay() {
  wait_for 20 curl -s -o /dev/null --cacert "$2/ca.pem" "$1/" || { cat "$3"; fail "the relay does not listen"; }
}

# wait_for_port SAID LOG: until `weir connect --output json`, whose output is in SAID, listens; its port.
wait_for_port() {
  wait_for 20 grep -q listening "$1" || { cat "$2" >&2; fail "weir connect opens no port"; }
  sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$1" | head -n 1
}

# stop_process PID: TERM, then KILL after five seconds. Never by name.
stop_process() {
  local pid=${1:-}
  [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
}

# weir_login WEIR RELAY CA USER PASSWORD_FILE: runs `weir login` and fills in the relay's form with curl, as a browser would:
# gets the page, keeps its cookie, sends the hidden fields back with name and password, follows to the loopback address.
# The password goes from a 0600 file into the form; it never stands in the arguments of a process.
weir_login() {
  local weir=$1 relay=$2 ca=$3 user=$4 password=$5 work login url to name value fields=()
  work=$(mktemp -d)
  BROWSER=true "$weir" login --relay "$relay" --ca "$ca" > "$work/said" 2>&1 &
  login=$!
  wait_for 20 grep -q 'https://.*/oauth/authorize' "$work/said" || { cat "$work/said" >&2; fail "weir login prints no address"; }
  url=$(grep -o 'https://[^ ]*/oauth/authorize[^ ]*' "$work/said" | head -n 1)
  curl -sS --fail --cacert "$ca" --cookie-jar "$work/cookies" -o "$work/page" "$url"
  while IFS=$'\t' read -r name value; do
    # The page's character references, as a browser reads them.
    value=$(printf '%s' "$value" | sed "s/&#34;\|&quot;/\"/g; s/&#39;/'/g; s/&#60;\|&lt;/</g; s/&#62;\|&gt;/>/g; s/&#38;\|&amp;/\&/g")
    fields+=(--data-urlencode "$name=$value")
  done < <(grep -o '<input type="hidden"[^>]*>' "$work/page" | sed 's/.*name="\([^"]*\)" value="\([^"]*\)".*/\1\t\2/')
  to=$(curl -sS --cacert "$ca" --cookie "$work/cookies" -o "$work/page" -w '%{redirect_url}' "${fields[@]}" \
    --data-urlencode "user=$user" --data-urlencode "password@$password" "$relay/oauth/authorize")
  case $to in http://127.0.0.1:*) ;; *) cat "$work/page" >&2; kill "$login"; fail "$user is not let in" ;; esac
  curl -sS --fail -o /dev/null "$to"
  wait "$login"
  grep -v 'oauth/authorize\|To log in' "$work/said" || true
  rm -rf "$work"
}
