# shellcheck shell=bash
# What the set-up scripts share. Sourced, from the root of the repository.

python=.venv/bin/python

say() {
    printf '[setup] %s\n' "$*" >&2
}

# One line that says what is missing and what to do.
fail() {
    printf '[setup] error: %s\n' "$*" >&2
    exit 1
}

# Installs Debian packages where that needs nobody's password; false where it cannot.
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

# is_stamped NAME FILE...: whether these files are as they were when NAME was done in this place.
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
