#!/usr/bin/env bash
# pg_dump and pg_restore: a dump of a schema of its own, and its way back. What would be masked is another check's.
. "$(dirname "$0")/check.sh"

ask() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }

echo "driver pg_dump $(pg_dump --version | awk '{print $3}')"

connect() {
  ask "DROP SCHEMA IF EXISTS matrix_dump CASCADE; CREATE SCHEMA matrix_dump;
    CREATE TYPE matrix_dump.mood AS ENUM ('good', 'bad');
    CREATE TABLE matrix_dump.item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text DEFAULT 'none', mood matrix_dump.mood,
      parent int REFERENCES matrix_dump.item, data jsonb, bytes bytea, CHECK (id > 0));
    INSERT INTO matrix_dump.item (word, mood, parent, data, bytes) SELECT E'tab\\there, line\\nbreak, grüße ' || n, 'bad', NULLIF(n / 2, 0),
      jsonb_build_object('n', n), decode(to_hex(n + 4096), 'hex') FROM generate_series(1, 1000) n;
    CREATE VIEW matrix_dump.bad AS SELECT id, word FROM matrix_dump.item WHERE mood = 'bad';
    CREATE INDEX ON matrix_dump.item USING gin (data);
    COMMENT ON TABLE matrix_dump.item IS 'for the matrix'"
}
check connect connect

# The text of a dump, without what is another each time.
dump() { pg_dump -n matrix_dump "$@" | grep -v '^\\\(un\)\?restrict '; }

# What was dumped is what lies there, whole, and the same over every path.
query() {
  dump > "$work/dump.sql"
  for part in 'CREATE TYPE matrix_dump.mood' 'CREATE VIEW matrix_dump.bad' 'COPY matrix_dump.item' 'PostgreSQL database dump complete'; do
    grep -q "$part" "$work/dump.sql"
  done
  ask 'COPY matrix_dump.item TO STDOUT' > "$work/rows"
  sed -n '/^COPY matrix_dump.item/,/^\\\.$/p' "$work/dump.sql" | sed '1d;$d' | cmp "$work/rows" -
  # The first path, the direct one, leaves its dump for the others to compare with.
  [ -e "$MATRIX_SHARED/dump.sql" ] || cp "$work/dump.sql" "$MATRIX_SHARED/dump.sql"
  cmp "$MATRIX_SHARED/dump.sql" "$work/dump.sql"
}
check query query
not_available prepared 'psql has it'

# Several connections that look at one snapshot.
batch() {
  pg_dump -n matrix_dump -Fd -j 2 -f "$work/folder"
  pg_restore -f - "$work/folder" | grep -v '^\\\(un\)\?restrict ' > "$work/again.sql"
  diff <(grep -v '^--' "$work/dump.sql") <(grep -v '^--' "$work/again.sql")
}
check batch batch

# Out in the custom format, and in again into another database by two connections, and out of there.
copy() {
  pg_dump -n matrix_dump -Fc -f "$work/custom"
  PGDATABASE=second ask 'DROP SCHEMA IF EXISTS matrix_dump CASCADE'
  pg_restore --no-owner -j 2 -d "dbname=second" "$work/custom"
  PGDATABASE=second dump > "$work/second.sql"
  cmp "$work/dump.sql" "$work/second.sql"
  PGDATABASE=second ask 'DROP SCHEMA matrix_dump CASCADE'
}
check copy copy

not_available large 'psql has it'

transaction() {
  ask 'DROP SCHEMA matrix_dump CASCADE'
  psql -X -q -v ON_ERROR_STOP=1 --single-transaction -f "$work/dump.sql" > /dev/null
  dump | cmp "$work/dump.sql" -
}
check transaction transaction

error() { ! pg_restore --no-owner -n matrix_dump --exit-on-error -d shop "$work/custom" 2> "$work/errors"; grep -q 'already exists' "$work/errors"; }
check error error

not_available cancel 'psql has it'
not_available notify 'it does not listen'

# A dump with masks in it is one that was asked for.
masked() {
  case $MATRIX_EMAIL in '[masked'*) ! pg_dump -a -t customers > /dev/null 2>&1 || return 1 ;; esac
  same "$MATRIX_EMAIL" "$(PGOPTIONS='-c weir.masked_dump=on' pg_dump -a -t customers | awk -F '\t' '$1 == 1 {print $3}')"
}
check masked masked

ask 'DROP SCHEMA IF EXISTS matrix_dump CASCADE' > /dev/null 2>&1
