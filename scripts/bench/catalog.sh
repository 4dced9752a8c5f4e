# What resolving names costs where a database has many relations: time of a session's first statement that names a relation and
# of the same once more, over weir and directly, and the relay's memory. Sourced by scripts/bench.sh.

say "making $relations relations"
for from in $(seq 1 1000 "$relations"); do
  echo "DO \$\$ BEGIN FOR n IN $from..$((from + 999)) LOOP
    EXECUTE format('CREATE TABLE wide_%s (id int PRIMARY KEY, customer int, note text, amount numeric, created timestamptz)', n);
  END LOOP; END \$\$;"
done | psql -X -q "${where[direct]}"
PGPASSWORD=$(cat "$PG_SUPERUSER_PASSWORD_FILE") psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d shop \
  -c 'VACUUM ANALYZE pg_class, pg_attribute, pg_index, pg_depend, pg_type'
start_weir-quic
wait_for 20 psql -X -At "${where[weir-quic]}" -c 'SELECT 1' || fail "weir does not answer"
results=$lab/results
before=$(memory weir-quic)

# timings PATH FROM: each of 200 relations is named by two statements; milliseconds go to first and again.
timings() {
  {
    printf '\\timing on\n\\o /dev/null\n'
    # The first of all is the login's and the client's.
    printf 'SELECT 1;\nSELECT 1;\n'
    for number in $(seq "$2" 7 $(($2 + 199 * 7))); do
      printf 'SELECT note, amount FROM wide_%s WHERE id = 1;\n' "$number" "$number"
    done
  } | psql -X "${where[$1]}" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n +3 | awk -v path="$1" \
    '{print (NR % 2 ? "first statement: ms" : "the same again: ms") "\t" path "\t" $1}' >> "$results"
}
for round in $(seq $rounds); do
  say "round $round of $rounds"
  # Another round names other relations.
  for path in direct weir-quic; do timings "$path" "$round"; done
done
after=$(memory weir-quic)
python3 scripts/bench/table.py "$results" direct weir-quic
echo
echo "the relay and the agent: $((before / 1024)) MB before, $((after / 1024)) MB after $((rounds * 200)) relations of $relations were named"
