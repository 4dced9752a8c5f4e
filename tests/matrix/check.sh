# What the shell programs of the matrix share: sourced, not run.

set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check NAME FUNCTION: runs it, stopping at its first command that fails, and prints one line about it.
check() {
  local status
  (set -e; "$2") > "$work/said" 2>&1
  status=$?
  if [ $status = 0 ]; then echo "$1 ok"; else echo "$1 fail: $(tail -n 3 "$work/said" | tr '\n' ' ')"; fi
}
not_available() { echo "$1 n/a: $2"; }

# same EXPECTED ACTUAL
same() { [ "$1" = "$2" ] || { printf 'expected %.200s, got %.200s\n' "$1" "$2"; return 1; }; }
