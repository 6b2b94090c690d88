# Shared by the scripts of this folder; read with `. "$(dirname "$0")/lib.sh"`. Leaves the shell at the project's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check=$(basename "$0")

say() { echo "$check: $*"; }
fail() {
    echo "$check: FAILED: $*" >&2
    exit 1
}

# Ends the script because something it needs cannot be had here. With CI=true that is a failure: a check that did not
# run must not look like one that passed.
skip() {
    [ "${CI:-}" != true ] || fail "cannot run: $*"
    echo "$check: SKIPPED: $*"
    exit 0
}

is_root() { [ "$(id -u)" = 0 ]; }

# apt_get ARGUMENTS...: waits for other users of the package system, and asks nothing.
apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# The package lists are fetched once in a run of several scripts. A source that does not answer is no failure yet:
# the installation decides.
apt_update() {
    [ -z "${POP3_CI_APT_UPDATED:-}" ] || return 0
    apt_get update || say "apt-get update reported errors"
    export POP3_CI_APT_UPDATED=1
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}

# nightly_rustdoc FILE: makes FILE a rustdoc that knows the options of nightly compilers. They are unlocked for it alone: in
# the environment of cargo that would have half of all crates built again.
nightly_rustdoc() {
    printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec %q "$@"\n' "${RUSTDOC:-rustdoc}" >"$1"
    chmod +x "$1"
}
