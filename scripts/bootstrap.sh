#!/bin/bash
# Set this checkout up: Debian packages, virtual environment, third-party assets, translations.
#
#   scripts/bootstrap.sh run     what `make run` needs
#   scripts/bootstrap.sh test    the tools and servers of the tests as well
#
# Each part is passed over when nothing it depends on has changed, so a second call takes a moment.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
purpose=${1:-run}
DATA_DIR=${DATA_DIR:-var}
HOSTS=${HOSTS:-local}
log=$DATA_DIR/logs/setup.log
export DEBIAN_FRONTEND=noninteractive

say() { printf '==> %s\n' "$*"; }
die() { printf '\n%s\n' "$*" >&2; exit 1; }

# quietly COMMAND...: output goes to the log; its end is shown when the command fails.
quietly() {
  printf '\n$ %s\n' "$*" >>"$log"
  "$@" >>"$log" 2>&1 && return
  tail -n 30 "$log" >&2
  die "That did not work: $*
The whole log is in $log"
}

hash_of() { cat -- "$@" | sha256sum | cut -d' ' -f1; }
stamped() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

packages_of() {   # packages_of GROUP...
  for group in "$@"; do
    awk -v want="[$group]" '/^\[/ { inside = ($1 == want); next } inside && NF && !/^#/ { print $1 }' scripts/debian-packages.txt
  done
}

missing_packages() {
  local groups=(run)
  if [ "$purpose" = test ] || [[ $HOSTS != simulated:* ]]; then groups+=(local-host guest-image); fi
  if [ "$purpose" = test ]; then groups+=(test); fi
  local wanted
  wanted=$(packages_of "${groups[@]}")
  if ! command -v npm >/dev/null; then wanted+=$'\nnodejs\nnpm'; fi
  # shellcheck disable=SC2086
  comm -23 <(sort <<<"$wanted") \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | awk '$1 == "installed" { print $2 }' | sort -u)
}

install_packages() {
  local missing as_root=()
  command -v dpkg-query >/dev/null || die "Yushan sets itself up on Debian 12, and this system has no dpkg.
The packages it needs, by their Debian names, are listed in scripts/debian-packages.txt."
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      die "These Debian packages are missing, and only root may install them. Have root run this, then call make again:

    apt-get install --no-install-recommends ${missing[*]}
"
    fi
  fi
  say "Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update >>"$log" 2>&1 || say "apt-get update failed (see $log); trying with the lists that are there"
  without_a_cluster "${missing[*]}" "${as_root[@]}"
  without_a_directory "${missing[*]}" "${as_root[@]}"
  quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "${missing[@]}"
  allow_clusters
}

# Debian's postgresql makes and starts a database cluster of its own when it is installed.  The tests need only its
# programs, so for the time of the installation that is switched off; nothing of ours stays in /etc.
no_cluster=/etc/postgresql-common/createcluster.d/00-not-for-yushan.conf
cluster_root=
without_a_cluster() {
  case " $1 " in *" postgresql "*) ;; *) return 0 ;; esac
  shift
  cluster_root=("$@")
  trap allow_clusters EXIT
  "$@" mkdir -p "${no_cluster%/*}"
  echo "create_main_cluster = false" | "$@" tee "$no_cluster" >/dev/null
}
# The same for slapd: without a configuration its service has nothing to start.
without_a_directory() {
  case " $1 " in *" slapd "*) ;; *) return 0 ;; esac
  shift
  echo "slapd slapd/no_configuration boolean true" | "$@" debconf-set-selections
}
allow_clusters() {
  [ -e "$no_cluster" ] || return 0
  "${cluster_root[@]}" rm -f "$no_cluster"
  trap - EXIT
}

# A virtual environment holds its own path: one that was moved or copied here is made anew.
make_environment() {
  local python=/usr/bin/python3 here
  [ -x "$python" ] || python=$(command -v python3) || die "Python 3.11 or newer is needed, and there is no python3 here."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python 3.11 or newer is needed; $python is $("$python" -V)."
  here=$(realpath -m .venv)
  if [ -d .venv ] && .venv/bin/python -c '' 2>/dev/null && { [ ! -e .venv/.made-at ] || stamped .venv/.made-at "$here"; }; then
    return
  fi
  say "Virtual environment (.venv)"
  rm -rf "$here"
  quietly "$python" -m venv "$here"
  echo "$here" >.venv/.made-at
}

install_requirements() {
  local files=(requirements.txt constraints.txt) wanted=requirements.txt stamp=.venv/.installed-run hash
  if [ "$purpose" = test ]; then
    files+=(requirements-dev.txt) wanted=requirements-dev.txt stamp=.venv/.installed-test
  fi
  hash=$(hash_of "${files[@]}")-$(.venv/bin/python -c 'import sys; print(*sys.version_info[:2], sep=".")')
  if stamped "$stamp" "$hash"; then return; fi
  say "Python packages ($wanted; a minute or two the first time)"
  quietly .venv/bin/python -m pip install --disable-pip-version-check -r "$wanted" -c constraints.txt
  echo "$hash" >"$stamp"
}

install_assets() {
  local hash
  hash=$(hash_of package.json package-lock.json .npmrc scripts/assets.py)
  if stamped node_modules/.installed "$hash" && [ -d static/vendor ]; then return; fi
  say "Third-party assets (package-lock.json)"
  quietly npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  quietly .venv/bin/python -m scripts.assets
  echo "$hash" >node_modules/.installed
}

# Clients that the tests of the API run; what is current is passed over.
install_clients() {
  [ "$purpose" = test ] || return 0
  .venv/bin/python -m scripts.clients || die "The tests need these clients; what failed is above, and in $log."
}

compile_messages() {
  local source target said=
  while IFS= read -r -d '' source; do
    target=${source%.po}.mo
    if [ "$target" -nt "$source" ]; then continue; fi
    [ -n "$said" ] || { say "Translations"; said=1; }
    quietly msgfmt --check-format -o "$target.new" "$source"
    mv "$target.new" "$target"
  done < <(find . \( -path ./.venv -o -path ./node_modules -o -path ./var -o -path ./.git \) -prune -o -name '*.po' -print0)
}

case $purpose in run | test) ;; *) die "usage: scripts/bootstrap.sh run|test" ;; esac
mkdir -p "$(dirname "$log")" 2>/dev/null || die "DATA_DIR is $DATA_DIR, and $(id -un) may not write there; choose another DATA_DIR."
if [ -f "$log" ] && [ "$(stat -c %s "$log")" -gt 1000000 ]; then mv "$log" "$log.1"; fi
printf '\n--- %s: set-up for %s in %s\n' "$(date -Is)" "$purpose" "$root" >>"$log"

exec 9<.   # one set-up at a time in one checkout: the lock is on the directory itself
flock -n 9 || { say "Another set-up is at work in this checkout; waiting for it"; flock 9; }
install_packages
make_environment
install_requirements
install_assets
install_clients
compile_messages
