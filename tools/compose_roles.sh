#!/bin/sh
# Run once by the database container of compose.yaml: the database and its two roles.
# encore_owner owns the tables and migrates; encore_app serves and is bound by row-level security.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -v owner="$ENCORE_OWNER_PASSWORD" -v app="$ENCORE_APP_PASSWORD" <<'SQL'
CREATE ROLE encore_owner LOGIN NOSUPERUSER PASSWORD :'owner';
CREATE ROLE encore_app LOGIN NOSUPERUSER PASSWORD :'app';
CREATE DATABASE encore OWNER encore_owner;
SQL
