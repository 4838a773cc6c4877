# Shared by the shell scripts in this folder; sourced, never run.

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "needs root for: $* (run it yourself, then repeat)"
  fi
}

# Installs the Debian packages among the arguments that are missing. Package scripts start no services meanwhile.
apt_install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "please install: ${missing[*]}"
  say "Installing ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d log wrote_policy=false status=0
  log=$(mktemp)
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    wrote_policy=true
  fi
  { as_root apt-get -q update &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 </dev/null || status=$?
  if $wrote_policy; then as_root rm -f $policy; fi
  [ $status = 0 ] || { tail -n 20 "$log" >&2; rm -f "$log"; die "apt-get could not install ${missing[*]}"; }
  rm -f "$log"
}
