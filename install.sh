#!/usr/bin/env bash
# Installs weir and weir-relay, from a release archive or from source.
#
#   ./install.sh                          builds from this source tree, installs for this user (~/.local)
#   ./install.sh --prefix /usr/local      installs there; never becomes root by itself
#   ./install.sh --archive weir.tar.gz    installs a release archive; weir.tar.gz.sha256 beside it must fit
#   ./install.sh --only weir              the agent's program only (or: --only weir-relay)
#   ./install.sh --uninstall              removes what was installed; logins, configuration and recordings stay
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; [ $# -lt 2 ] || say "hint: $2"; exit 1; }
usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

prefix=${HOME:+$HOME/.local} archive='' uninstall='' programs=(weir weir-relay)
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -ge 2 ] || fail "--prefix needs a folder"; prefix=$2; shift 2 ;;
    --archive) [ $# -ge 2 ] || fail "--archive needs a file"; archive=$2; shift 2 ;;
    --only)
      case ${2:-} in weir | weir-relay) programs=("$2") ;; *) fail "--only takes weir or weir-relay" ;; esac
      shift 2 ;;
    --uninstall) uninstall=1; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
done
[ -n "$prefix" ] || fail "there is no home folder" "give --prefix FOLDER"
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac

# Every file that an installation consists of, below the prefix.
places() {
  case $1 in
    weir-relay) printf '%s\n' bin/weir-relay share/bash-completion/completions/weir-relay share/zsh/site-functions/_weir-relay share/fish/vendor_completions.d/weir-relay.fish ;;
    weir) printf '%s\n' bin/weir share/bash-completion/completions/weir share/zsh/site-functions/_weir share/fish/vendor_completions.d/weir.fish ;;
  esac
}

if [ -n "$uninstall" ]; then
  removed=''
  for program in "${programs[@]}"; do
    while read -r place; do
      [ -e "$prefix/$place" ] || continue
      rm -f -- "$prefix/$place" || fail "$prefix/$place cannot be removed" "run this as its owner"
      removed=1
    done < <(places "$program")
  done
  if [ -n "$removed" ]; then say "removed from $prefix; logins (weir logout) and relay folders stay"; else say "nothing of weir is in $prefix"; fi
  exit 0
fi

[ "$(uname -s)" = Linux ] || [ "$(uname -s)" = Darwin ] || fail "$(uname -s) is not supported" "use Linux or macOS"
# Asked for before the long build, not after it.
mkdir -p "$prefix/bin" 2>/dev/null && [ -w "$prefix/bin" ] \
  || fail "$prefix/bin cannot be written" "choose another --prefix, or run this as a user who may write there"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -n "$archive" ]; then
  [ -r "$archive" ] || fail "$archive cannot be read"
  [ -r "$archive.sha256" ] || fail "$archive.sha256 is missing" "download it from where the archive is"
  command -v sha256sum >/dev/null && sum=(sha256sum) || sum=(shasum -a 256)
  wanted=$(cut -d ' ' -f 1 < "$archive.sha256")
  found=$("${sum[@]}" < "$archive" | cut -d ' ' -f 1)
  [ "$wanted" = "$found" ] || fail "$archive is not what $archive.sha256 says" "download both again"
  # Only the programs, whatever else the archive holds.
  for program in "${programs[@]}"; do
    tar -xOzf "$archive" "$program" > "$work/$program" 2>/dev/null || fail "$archive holds no $program" "is it a release archive of weir?"
    chmod 755 "$work/$program"
  done
else
  source_tree=$(cd "$(dirname "$0")" && pwd)
  [ -f "$source_tree/Cargo.toml" ] || fail "this is not weir's source tree" "give --archive FILE"
  missing=()
  command -v cargo >/dev/null || missing+=("cargo (https://rustup.rs)")
  command -v cc >/dev/null || missing+=("a C compiler (Debian: gcc)")
  case " ${programs[*]} " in
    *" weir-relay "*)
      compgen -G '/usr/lib/llvm-*/lib/libclang[-.][s0-9]*' >/dev/null || [ -n "${LIBCLANG_PATH:-}" ] || [ "$(uname -s)" = Darwin ] \
        || missing+=("libclang (Debian: libclang-14-dev)") ;;
  esac
  [ ${#missing[@]} -eq 0 ] || fail "missing: $(printf '%s; ' "${missing[@]}")" "install them and run this again"
  packages=()
  for program in "${programs[@]}"; do packages+=(-p "${program/%weir/weir-cli}"); done
  say "building (some minutes)"
  (cd "$source_tree" && cargo build --locked --release "${packages[@]}" --bins)
  for program in "${programs[@]}"; do
    cp "${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$source_tree/target}}/release/$program" "$work/$program"
    # Line tables make it three times as large, and are for who works on it.
    ! command -v strip >/dev/null || strip "$work/$program"
  done
fi

for program in "${programs[@]}"; do
  # Runs here at all, before anything is replaced.
  version=$("$work/$program" version 2>/dev/null) || fail "$program does not run on this machine" "build it from source"
  # Beside its place and then moved there: a running program is not written to.
  install -m 755 "$work/$program" "$prefix/bin/.$program.new"
  mv -f "$prefix/bin/.$program.new" "$prefix/bin/$program"
  while read -r place; do
    case $place in
      bin/*) continue ;;
      *.fish) shell=fish ;;
      */_*) shell=zsh ;;
      *) shell=bash ;;
    esac
    mkdir -p "$(dirname "$prefix/$place")"
    "$prefix/bin/$program" completions "$shell" > "$prefix/$place"
  done < <(places "$program")
  say "installed $version in $prefix/bin"
done
case ":$PATH:" in *":$prefix/bin:"*) ;; *) say "hint: add $prefix/bin to PATH" ;; esac
