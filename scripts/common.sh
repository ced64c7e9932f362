# shellcheck shell=bash
# Functions of the set-up scripts, which source this file from the root of the repository.

python=.venv/bin/python

say() {
    printf '[setup] %s\n' "$*" >&2
}

# Prints one line that says what is missing and what to do, and exits.
fail() {
    printf '[setup] error: %s\n' "$*" >&2
    exit 1
}

# Installs Debian packages if that needs no password; fails otherwise.
apt_install() {
    local as_root=()
    command -v apt-get > /dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2> /dev/null || return 1
        as_root=(sudo -n)
    fi
    say "installing with apt: $*"
    local log
    log=$(mktemp)
    if "${as_root[@]}" apt-get update -q > "$log" 2>&1 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "$@" >> "$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
}

# is_stamped NAME FILE...: whether the files are unchanged since NAME was done in this folder.
is_stamped() {
    [ "$(cat ".venv/stamp-$1" 2> /dev/null)" = "$(stamp_of "${@:2}")" ]
}

stamp() {
    stamp_of "${@:2}" > ".venv/stamp-$1"
}

stamp_of() {
    pwd
    sha256sum "$@"
}
