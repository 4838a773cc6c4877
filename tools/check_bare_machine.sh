#!/usr/bin/env bash
# Proves on a bare Debian 12 that the two commands need nothing but git, make, ca-certificates, Python 3.11 and Node 20:
#   sudo tools/check_bare_machine.sh [setup|demo|all]        (default: all)
# Makes a Debian 12 chroot, clones the committed state of this repository into it, runs `make demo` until READY, stops
# it, runs `make test`, looks for processes left behind, and does the same again after `git clean -xfd`.
# The package clients' configuration and certificates of this machine are copied into the chroot, so that the same
# registries are reached. Node is copied too, because Debian 12 has an older one. CHROOT=DIR keeps the chroot there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/lib.sh

READY_WITHIN=300 # seconds
TEST_WITHIN=1200
PORTS="PORT=18000 DEVSTORE_PORT=18700"

what=${1:-all}
[ "$(id -u)" = 0 ] || die "making a chroot needs root"
keep=${CHROOT:+yes}
chroot=${CHROOT:-$(mktemp -d /tmp/encore-bare.XXXXXX)}
logs=var/bare
mkdir -p "$logs" "$chroot"
chmod 755 "$chroot" # the database's own user has to get in

mounts() {
  local point
  for point in proc dev dev/shm; do
    case $1 in
      on)
        mountpoint -q "$chroot/$point" || case $point in
          proc) mount -t proc proc "$chroot/proc" ;;
          dev) mount --bind /dev "$chroot/dev" ;;
          dev/shm) mount -t tmpfs tmpfs "$chroot/dev/shm" ;;
        esac ;;
      off) ;;
    esac
  done
  if [ "$1" = off ]; then
    for point in dev/shm dev proc; do
      if mountpoint -q "$chroot/$point"; then umount "$chroot/$point"; fi
    done
  fi
}

clean_up() {
  mounts off
  [ -n "$keep" ] || rm -rf --one-file-system "$chroot"
}

inside() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    chroot "$chroot" sh -c "cd /srv/encore && $1"
}

# The ids of processes whose root is the chroot.
processes_inside() {
  local process
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/root" 2>/dev/null)" = "$chroot" ] && echo "${process#/proc/}"
  done
  return 0
}

expect_no_process() {
  local pids
  pids=$(processes_inside)
  [ -z "$pids" ] || {
    for pid in $pids; do tr '\0' ' ' <"/proc/$pid/cmdline" >&2; echo >&2; done
    die "$1 left processes behind"
  }
  say "$1 left no process behind"
}

make_chroot() {
  if [ ! -e "$chroot/etc/debian_version" ]; then
    apt_install debootstrap
    say "Making a Debian 12 chroot in $chroot"
    local mirror
    mirror=$(grep -rohE --exclude='*disabled*' 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1) || true
    debootstrap --variant=minbase --include=git,make,ca-certificates,python3 bookworm "$chroot" ${mirror:+"$mirror"} >"$logs/debootstrap.log"
  fi
  rm -f "$chroot/etc/apt/sources.list"
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/. /etc/apt/apt.conf.d/99* /etc/apt/auth.conf.d/. \
    /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/. \
    /etc/pip.conf /root/.config/pip/. /root/.pip/. /root/.npmrc /usr/etc/npmrc /etc/npmrc; do
    if [ -e "$file" ]; then
      mkdir -p "$chroot$(dirname "$file")"
      cp -rL "$file" "$chroot${file%/.}$([ -d "$file" ] && echo / || true)"
    fi
  done
  local npm
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  mkdir -p "$chroot/usr/lib/node_modules"
  cp -L "$(command -v node)" "$chroot/usr/bin/node"
  cp -r "$npm" "$chroot/usr/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$chroot/usr/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$chroot/usr/bin/npx"
  rm -rf "$chroot/srv/encore"
  git clone -q --no-hardlinks . "$chroot/srv/encore"
}

run_setup() {
  local begun=$SECONDS
  inside "make setup"
  say "make setup took $((SECONDS - begun)) s"
}

run_demo() {
  local log="$logs/demo-$1.log" begun=$SECONDS demo
  say "make demo ($1)"
  set -m
  inside "exec make demo $PORTS" >"$log" 2>&1 </dev/null &
  demo=$!
  set +m
  until grep -q '^READY' "$log"; do
    kill -0 $demo 2>/dev/null || { cat "$log" >&2; die "make demo ended before READY"; }
    [ $((SECONDS - begun)) -lt $READY_WITHIN ] || { kill -INT -- -$demo; cat "$log" >&2; die "no READY within $READY_WITHIN s"; }
    sleep 0.5
  done
  say "READY after $((SECONDS - begun)) s"
  sleep 5
  kill -INT -- -$demo
  wait $demo || true
  expect_no_process "make demo ($1)"
}

run_test() {
  local log="$logs/test-$1.log" begun=$SECONDS
  say "make test ($1)"
  inside "exec timeout $TEST_WITHIN make test" >"$log" 2>&1 </dev/null || { tail -n 60 "$log" >&2; die "make test failed"; }
  tail -n 8 "$log"
  say "make test took $((SECONDS - begun)) s"
  expect_no_process "make test ($1)"
}

trap clean_up EXIT
trap 'exit 130' INT TERM
make_chroot
mounts on
case $what in
  setup) run_setup ;;
  demo) run_demo fresh ;;
  all)
    run_demo fresh
    run_test fresh
    inside "git clean -qxfd"
    run_demo "after git clean"
    run_test "after git clean"
    ;;
  *) die "usage: tools/check_bare_machine.sh [setup|demo|all]" ;;
esac
say "Done; logs are in $logs"
