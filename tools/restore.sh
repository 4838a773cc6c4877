#!/usr/bin/env bash
# Restores a back-up into a database that doesn't exist yet:  tools/restore.sh BACKUP
# BACKUP is a folder that tools/backup.sh made. ADMIN_DATABASE_URL names the new database as a superuser of its server;
# the roles encore_owner and encore_app are made there, with the passwords in the back-up, unless they exist.
# Web, worker and beat must be stopped; start them on the new database afterwards (docs/operators.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

[ $# = 1 ] || die "usage: tools/restore.sh BACKUP"
backup=$1
[ -r "$backup/encore.dump" ] && [ -r "$backup/encore.env" ] || die "$backup is no back-up"
[ -n "${ADMIN_DATABASE_URL:-}" ] || die "ADMIN_DATABASE_URL is not set: the database to make, as a superuser"
name=${ADMIN_DATABASE_URL##*/}
name=${name%%\?*}
[[ $name =~ ^[a-z_][a-z0-9_]*$ ]] || die "ADMIN_DATABASE_URL ends in no plain database name: $name"
server=${ADMIN_DATABASE_URL%/*}/postgres

admin() { psql -q -X -v ON_ERROR_STOP=1 "$@"; }
password_of() { sed -n "s/^$1=//p" "$backup/encore.env" | tail -n 1; }

exists=$(admin -At -v name="$name" "$server" <<<"SELECT count(*) FROM pg_database WHERE datname = :'name'")
[ "$exists" = 0 ] || die "the database $name exists: restore into a new one, and drop the old one yourself"

say "Making the database $name"
for role in OWNER APP; do
  admin -v role="encore_${role,,}" -v password="$(password_of ENCORE_${role}_PASSWORD)" "$server" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER PASSWORD %L', :'role', nullif(:'password', ''))
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'role') \gexec
SQL
done
admin -v name="$name" "$server" <<<'CREATE DATABASE :"name" OWNER encore_owner'

say "Restoring"
pg_restore --exit-on-error --single-transaction --dbname="$ADMIN_DATABASE_URL" "$backup/encore.dump"
# What waited when the dump was made may have been called since: every call reads the outside first. Nobody holds a lease.
admin "$ADMIN_DATABASE_URL" <<'SQL'
UPDATE retention_app_outbound SET called_at = coalesce(called_at, now()), lease_until = NULL WHERE state = 'waiting';
ANALYZE;
SQL
say "Restored. Point DATABASE_URL and DATABASE_OWNER_URL at $name, keep the keys of $backup/encore.env, then:"
say "manage.py migrate; start web, worker and beat; manage.py reconcile --shop NAME for each shop"
