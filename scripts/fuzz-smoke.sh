#!/usr/bin/env bash
# Fuzzes each target of relay/protocol/fuzz for a short time, from the corpus in the repository. Stable Rust, no cargo-fuzz:
# the sanitizer flags are passed to rustc directly.
# fuzz-smoke.sh [SECONDS] [TARGET...]: 15 seconds, all targets.
. "$(dirname "$0")/lib.sh"

seconds=${1:-15}
[ $# = 0 ] || shift
fuzz=$root/relay/protocol/fuzz
install_build_tools
# libFuzzer itself is C++ and is compiled by its crate.
install_command c++ g++
triple=$(rustc -vV | sed -n 's/^host: //p')
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for file in "$fuzz"/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

say "building: ${targets[*]}"
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Cdebug-assertions -Copt-level=3 --cfg fuzzing"
export CARGO_TARGET_DIR=$fuzz/target
(cd "$fuzz" && cargo build --locked --release --target "$triple" $(printf -- '--bin %s ' "${targets[@]}"))

for target in "${targets[@]}"; do
  found=$fuzz/artifacts/$target
  work=$(mktemp -d)
  mkdir -p "$found"
  say "fuzzing: $target, $seconds s"
  # New inputs go to the first folder; the seeds stay as they are.
  "$CARGO_TARGET_DIR/$triple/release/$target" "$work" "$fuzz/corpus/$target" -max_total_time="$seconds" -max_len=65536 \
    -timeout=5 -rss_limit_mb=2048 -artifact_prefix="$found/" -print_final_stats=1 2> "$work.log" || {
    tail -n 40 "$work.log" >&2
    fail "$target found a failing input in $found" "reproduce: $CARGO_TARGET_DIR/$triple/release/$target $found/<file>"
  }
  sed -n 's/^stat::number_of_executed_units: */  inputs tried: /p; s/^stat::peak_rss_mb: */  peak memory in MB: /p' "$work.log" >&2
  rm -rf "$work" "$work.log"
done
say "fuzzing found nothing in ${#targets[@]} targets"
