#!/usr/bin/env bash
# Brings a working copy to the point where everything runs: Python and Node packages, downloaded data, built assets,
# compiled catalogues. Safe to repeat: a step whose input has not changed is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

mkdir -p var
export HOME="${HOME:-$PWD/var/home}"

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed (Debian 12: apt-get install python3)"
}

make_venv() {
  if .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
  local python
  python=$(find_python)
  say "Making .venv with $("$python" --version)"
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    apt_install python3-venv
  fi
  rm -rf .venv
  "$python" -m venv .venv
}

# Runs "$@" unless the file named by $1 holds the hash of the files named by $2 (space separated).
unless_stamped() {
  local stamp=$1 inputs=$2 hash
  shift 2
  # shellcheck disable=SC2086
  hash=$(cat $inputs | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then return; fi
  "$@"
  echo "$hash" >"$stamp"
}

install_python_packages() {
  say "Installing Python packages (requirements.txt)"
  local pip=(.venv/bin/python -m pip --disable-pip-version-check -q)
  if "${pip[@]}" install --require-hashes -r requirements-uv.txt &&
    .venv/bin/uv pip sync -q --python .venv/bin/python --require-hashes requirements.txt requirements-uv.txt; then
    return
  fi
  say "uv could not; installing with pip, which takes longer"
  "${pip[@]}" install --require-hashes -r requirements.txt
}

install_node_packages() {
  command -v npm >/dev/null || die "Node 20 or newer with npm is needed"
  say "Installing Node packages (package-lock.json)"
  npm ci --omit=dev --silent --no-audit --no-fund
}

compile_catalogues() {
  if [ -d locale ]; then
    say "Compiling message catalogues"
    .venv/bin/pybabel -q compile -d locale -D django
  fi
}

make_venv
unless_stamped .venv/.requirements-hash "requirements.txt requirements-uv.txt" install_python_packages
unless_stamped node_modules/.lock-hash "package-lock.json" install_node_packages
.venv/bin/python tools/fetch_data.py
say "Building front-end assets"
npm run --silent build
compile_catalogues
say "Set up"
