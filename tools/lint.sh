#!/usr/bin/env bash
# Everything that can be judged without running the app. Goes through all checks and fails if any failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh
export PATH="$PWD/.venv/bin:$PATH" PYTHONPATH="$PWD"

failed=()
check() {
  local name=$1
  shift
  say "$name"
  "$@" || failed+=("$name")
}

check "ruff check" ruff check -q
check "ruff format" ruff format -q --check
check "djlint" djlint --quiet --lint retention_app loyalty
check "djlint (devstore)" djlint --quiet --lint --profile jinja --ignore J018,H026 devstore
check "mypy" mypy
check "import-linter" lint-imports
check "makemigrations --check" python manage.py makemigrations --check --dry-run --verbosity 1
check "typescript" npm run --silent typecheck
check "theme check" npm run --silent themecheck
[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
