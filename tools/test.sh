#!/usr/bin/env bash
# Runs the suite against PostgreSQL and Redis of its own: tools/test.sh [pytest arguments]. Without arguments the whole
# suite runs and the branch coverage of the modules named in pyproject.toml is judged too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

services=var/services
tests=

# Ends what the tests left running (they have a process group of their own), then the services.
clean_up() {
  trap '' INT TERM
  if [ -n "$tests" ] && kill -INT -- "-$tests" 2>/dev/null; then
    for _ in $(seq 100); do
      kill -0 -- "-$tests" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL -- "-$tests" 2>/dev/null || true
  fi
  tools/services.sh stop $services
}
trap clean_up EXIT
trap 'exit 130' INT TERM

tools/setup.sh
tools/services.sh start $services
set -a
. $services/services.env
set +a

arguments=("$@")
[ $# -gt 0 ] || arguments=(--cov --cov-report=)
set -m
.venv/bin/python -m pytest -n 3 --dist worksteal --durations=25 "${arguments[@]}" </dev/null &
tests=$!
set +m
wait $tests
if [ $# = 0 ]; then .venv/bin/python tools/coverage_gate.py; fi
