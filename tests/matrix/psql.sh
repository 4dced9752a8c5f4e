#!/usr/bin/env bash
# psql, one process for each question.
. "$(dirname "$0")/check.sh"

psql=(psql -X -q -A -t -v ON_ERROR_STOP=1)
ask() { "${psql[@]}" -c "$1"; }

echo "driver psql $(psql --version | awk '{print $3}')"

connect() { same shop "$(ask 'SELECT current_database()')"; }
check connect connect

query() {
  same "7|grüße, 世界|3.1400|t||\\x00ff|2026-11-26 12:00:00+00|{1,NULL,3}|{\"a\": [1, 2]}" "$("${psql[@]}" -c "SET timezone = 'UTC'" -c \
    "SELECT 7, 'grüße, 世界', 3.1400::numeric, true, NULL, '\\x00ff'::bytea, timestamptz '2026-11-26 12:00Z', '{1,NULL,3}'::int[], '{\"a\": [1, 2]}'::jsonb")"
}
check query query

prepared() {
  { echo 'PREPARE add (int) AS SELECT $1 + 1;'; seq -f 'EXECUTE add (%g);' 1 20; echo 'DEALLOCATE add;'; } > "$work/prepared.sql"
  same "$(seq 2 21)" "$("${psql[@]}" -f "$work/prepared.sql")"
}
check prepared prepared

# Several statements in one message, and one statement for each row of another's answer.
batch() {
  same "$(printf '1\n2\n3')" "$(ask 'SELECT 1; SELECT 2; SELECT 3')"
  same "$(seq 100)" "$(printf "SELECT 'SELECT ' || n FROM generate_series(1, 100) n \\\\gexec" | "${psql[@]}")"
}
check batch batch

copy() {
  ask 'DROP TABLE IF EXISTS matrix_psql; CREATE TABLE matrix_psql (id int PRIMARY KEY, word text)'
  seq 1000 | awk '{printf "%d\t%s\n", $1, $1 % 3 ? "tab\\there, line\\nbreak, backslash \\\\, grüße " $1 : "\\N"}' > "$work/rows"
  ask "\\copy matrix_psql FROM '$work/rows'"
  ask "\\copy (SELECT * FROM matrix_psql ORDER BY id) TO '$work/again'"
  cmp "$work/rows" "$work/again"
  ask "COPY (SELECT * FROM matrix_psql ORDER BY id) TO STDOUT (FORMAT binary)" > "$work/binary"
  ask 'TRUNCATE matrix_psql'
  ask 'COPY matrix_psql FROM STDIN (FORMAT binary)' < "$work/binary"
  ask 'COPY (SELECT * FROM matrix_psql ORDER BY id) TO STDOUT' | cmp "$work/rows" -
}
check copy copy

large() {
  # A long text both ways.
  local long
  long=$(printf 'weir %.0s' $(seq 200000))
  echo "SELECT '$long';" > "$work/long.sql"
  same "$long" "$("${psql[@]}" -f "$work/long.sql")"
  same "$(seq -f 'row %.0f' 200000 | md5sum)" \
    "$("${psql[@]}" -v FETCH_COUNT=5000 -c "SELECT 'row ' || n FROM generate_series(1, 200000) n" | md5sum)"
  same "$(yes weir | head -n 400000 | tr '\n' ' ' | md5sum)" "$(ask "SELECT repeat('weir ', 400000)" | tr -d '\n' | md5sum)"
}
check large large

transaction() {
  ask 'DROP TABLE IF EXISTS matrix_psql; CREATE TABLE matrix_psql (id int PRIMARY KEY, word text)'
  "${psql[@]}" <<'SQL'
BEGIN;
INSERT INTO matrix_psql VALUES (1, 'gone');
ROLLBACK;
BEGIN;
INSERT INTO matrix_psql VALUES (2, 'stays');
SAVEPOINT s;
INSERT INTO matrix_psql VALUES (3, 'gone');
ROLLBACK TO s;
COMMIT;
SQL
  same '2|stays' "$(ask 'TABLE matrix_psql')"
}
check transaction transaction

error() {
  same "$(printf '22012\n23505\n42P01\n25P02\n1')" "$(psql -X -q -A -t 2>/dev/null <<'SQL'
SELECT 1 / 0;
\echo :LAST_ERROR_SQLSTATE
INSERT INTO orders (id) VALUES (1);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM nowhere;
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT 1 / 0;
SELECT 1;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT 1;
SQL
)"
}
check error error

# Ctrl-C. A psql that reads no terminal ends then.
cancel() {
  psql -X -v VERBOSITY=verbose -c 'SELECT pg_sleep(60)' 2> "$work/slept" &
  local sleeper=$! began=$SECONDS
  sleep 1
  kill -INT $sleeper
  wait $sleeper || true
  [ $((SECONDS - began)) -lt 20 ]
  same 'ERROR:  57014: canceling statement due to user request' "$(grep ERROR "$work/slept")"
}
check cancel cancel

notify() {
  same '"matrix" with payload "hello there"' "$("${psql[@]}" <<'SQL' | sed -n 's/^Asynchronous notification \(.*\) received.*/\1/p'
LISTEN matrix;
\! psql -X -q -c "NOTIFY matrix, 'hello there'"
SELECT 1;
SQL
)"
}
check notify notify

masked() { same "$MATRIX_EMAIL" "$(ask 'SELECT email FROM customers WHERE id = 1')"; }
check masked masked

ask 'DROP TABLE matrix_psql' >/dev/null 2>&1
