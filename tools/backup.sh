#!/usr/bin/env bash
# Backs a running installation up:  tools/backup.sh DIR [ENV_FILE]
# Writes DIR/<UTC time>/ with the database (pg_dump's custom format, one consistent state; the app goes on meanwhile) and
# a copy of ENV_FILE (.env unless given), without whose keys the dump's tokens can't be read. Nobody else may read either.
# ADMIN_DATABASE_URL names the app's database as a superuser: row-level security would hide rows from the app's own roles.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

[ $# = 1 ] || [ $# = 2 ] || die "usage: tools/backup.sh DIR [ENV_FILE]"
[ -n "${ADMIN_DATABASE_URL:-}" ] || die "ADMIN_DATABASE_URL is not set: the app's database, as a superuser"
env_file=${2:-.env}
[ -r "$env_file" ] || die "$env_file can't be read: without its keys a dump is of no use"
for key in FIELD_ENCRYPTION_KEYS SECRET_KEY PRIVACY_PEPPER; do
  grep -q "^$key=." "$env_file" || die "$env_file has no $key"
done

umask 077
mkdir -p "$1"
made=$1/$(date -u +%Y%m%dT%H%M%SZ)
partial=$made.partial
mkdir "$partial"
trap 'rm -rf "$partial"' EXIT
pg_dump --format=custom --file="$partial/encore.dump" "$ADMIN_DATABASE_URL"
pg_restore --list "$partial/encore.dump" >/dev/null  # it can be read
cp "$env_file" "$partial/encore.env"
mv "$partial" "$made"
say "Backed up to $made"
