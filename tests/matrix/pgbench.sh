#!/usr/bin/env bash
# pgbench: each of its query modes, its pipeline, several clients at a time. Every check counts what was done.
. "$(dirname "$0")/check.sh"

ask() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }
# bench MODE OPTIONS...: 2 clients with 50 transactions each, none of which may fail.
bench() {
  local mode=$1
  shift
  pgbench -n -M "$mode" -c 2 -j 2 -t 50 "$@" > "$work/bench" 2> "$work/errors" || { tail -n 2 "$work/errors"; return 1; }
  grep -q 'number of transactions actually processed: 100/100' "$work/bench"
}

echo "driver pgbench $(pgbench --version | awk '{print $3}')"

# Making its tables: DDL, COPY in, VACUUM.
connect() { pgbench -i -q -s 1 > "$work/made" 2>&1 || { tail -n 2 "$work/made"; return 1; }; same 100000 "$(ask 'SELECT count(*) FROM pgbench_accounts')"; }
check connect connect

query() { bench simple && bench extended; }
check query query

prepared() { bench prepared; }
check prepared prepared

batch() {
  cat > "$work/pipeline.sql" <<'SQL'
\set id random(1, 100000)
\startpipeline
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :id;
SELECT abalance FROM pgbench_accounts WHERE aid = :id;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :id, 1, CURRENT_TIMESTAMP);
COMMIT;
\endpipeline
SQL
  ask 'TRUNCATE pgbench_history'
  bench extended -f "$work/pipeline.sql"
  bench prepared -f "$work/pipeline.sql"
  same 200 "$(ask 'SELECT count(*) FROM pgbench_history')"
}
check batch batch

copy() { same "$(seq -f '%.0f' 100000 | md5sum)" "$(ask 'COPY (SELECT aid FROM pgbench_accounts ORDER BY aid) TO STDOUT' | md5sum)"; }
check copy copy
not_available large 'psql has it'

# What its own transactions leave is consistent: each booked what it recorded.
transaction() {
  ask 'TRUNCATE pgbench_history; UPDATE pgbench_branches SET bbalance = 0 WHERE bid = 1'
  bench prepared -C
  same 'true' "$(ask 'SELECT ((SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history))::text')"
}
check transaction transaction

error() {
  echo 'SELECT 1 / 0;' > "$work/wrong.sql"
  ! pgbench -n -c 1 -t 1 -f "$work/wrong.sql" > /dev/null 2> "$work/errors"
  grep -q 'ERROR:  division by zero' "$work/errors"
}
check error error

not_available cancel 'psql has it'
not_available notify 'psql has it'
not_available masked 'psql has it'

pgbench -i -I d -q > /dev/null 2>&1
