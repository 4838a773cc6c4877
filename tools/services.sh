#!/usr/bin/env bash
# Private PostgreSQL and Redis for the tests:  tools/services.sh start DIR | stop DIR
# `start` installs what is missing (a browser and fonts for the browser tests too), starts both on free ports with
# throw-away data and writes DIR/services.env. `stop` ends exactly what `start` started and removes its data.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tools/lib.sh"

[ $# = 2 ] || die "usage: tools/services.sh start|stop DIR"
action=$1 dir=$2

POSTGRES_BIN=/usr/lib/postgresql/15/bin

# PostgreSQL refuses to run as root: then it runs as the user its package made.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

free_ports() {
  python3 - <<'PY'
import socket

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))
PY
}

install_packages() {
  if [ ! -e /etc/postgresql-common/createcluster.conf ] && [ ! -x $POSTGRES_BIN/initdb ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  apt_install postgresql-15 redis-server chromium chromium-headless-shell fonts-liberation fonts-noto-cjk
}

start() {
  if [ -e "$dir/services.env" ]; then stop; fi
  install_packages
  mkdir -p "$dir"
  local data postgres_port redis_port fsync=${POSTGRES_FSYNC:-off}  # benchmarks measure with it on
  data=$(mktemp -d "${TMPDIR:-/tmp}/encore-services.XXXXXX")
  echo "$data" >"$dir/data"
  chmod 755 "$data"
  mkdir "$data/postgres" "$data/redis"
  if [ "$(id -u)" = 0 ]; then chown postgres "$data/postgres"; fi
  read -r postgres_port redis_port < <(free_ports)

  say "Starting PostgreSQL (port $postgres_port) and Redis (port $redis_port)"
  cd "$data"
  as_postgres $POSTGRES_BIN/initdb -D "$data/postgres/main" -U admin -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$data/initdb.log"
  as_postgres $POSTGRES_BIN/pg_ctl -D "$data/postgres/main" -w -s -l "$data/postgres/log" start \
    -o "-p $postgres_port -h 127.0.0.1 -k $data/postgres -c fsync=$fsync -c full_page_writes=off -c max_connections=100"
  redis-server --port "$redis_port" --bind 127.0.0.1 --save "" --dir "$data/redis" \
    --daemonize yes --pidfile "$data/redis/pid" --logfile "$data/redis/log" >/dev/null

  psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$postgres_port" -U admin postgres <<'SQL'
CREATE ROLE encore_owner LOGIN CREATEDB NOSUPERUSER;
CREATE ROLE encore_app LOGIN NOSUPERUSER;
CREATE DATABASE encore OWNER encore_owner;
SQL
  cat >"$dir/services.env" <<ENV
TEST_DATABASE_ADMIN_URL=postgresql://admin@127.0.0.1:$postgres_port/postgres
DATABASE_OWNER_URL=postgresql://encore_owner@127.0.0.1:$postgres_port/encore
DATABASE_URL=postgresql://encore_app@127.0.0.1:$postgres_port/encore
REDIS_URL=redis://127.0.0.1:$redis_port/0
ENV
}

stop() {
  local data pid
  data=$(cat "$dir/data" 2>/dev/null) || return 0
  cd /
  if [ -e "$data/postgres/main/postmaster.pid" ]; then
    as_postgres $POSTGRES_BIN/pg_ctl -D "$data/postgres/main" -w -s -m immediate stop || true
  fi
  if pid=$(cat "$data/redis/pid" 2>/dev/null) && kill "$pid" 2>/dev/null; then
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  fi
  rm -rf "$data"
  rm -f "$dir/data" "$dir/services.env"
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
case $action in
  start | stop) "$action" ;;
  *) die "usage: tools/services.sh start|stop DIR" ;;
esac
