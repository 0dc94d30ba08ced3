# Sourced by the entry scripts: makes `.venv` fit one of requirements/{run,test,dev}.txt.
# Works with bash 3.2 (macOS), without a terminal, from any directory, below any path.
#
#   . scripts/env.sh; environment run
#
# `.venv` gets a stamp when it is complete, naming requirements, project and place. A fitting
# stamp is all a later call looks at. A set-up that was interrupted leaves a mark and is begun anew.

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV="$CHECKOUT/.venv"
LOCK="$CHECKOUT/.venv.lock"

unset PYTHONHOME PYTHONPATH VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
export UV_LINK_MODE="${UV_LINK_MODE:-copy}" # a cache on another disk is no reason for a warning

say() { printf '%s\n' "$*" >&2; }

fail() { # fail EXIT_CODE LINE...
    local code=$1
    shift
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit "$code"
}

environment() { # environment run|test|dev
    cd "$CHECKOUT" || fail 1 "cannot enter $CHECKOUT"
    installed "$1" && return
    take_lock
    trap 'release_lock' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    installed "$1" || install "$1"
    release_lock
    trap - EXIT INT TERM HUP
}

# Whether `.venv` holds this set of packages, or a larger one that contains it.
installed() {
    local set
    [ -x "$VENV/bin/python" ] && [ ! -e "$VENV/.installing" ] || return 1
    case $1 in
        run) set="run test dev" ;;
        test) set="test dev" ;;
        *) set=$1 ;;
    esac
    for each in $set; do
        [ -e "$VENV/.stamp-$each" ] && [ "$(cat "$VENV/.stamp-$each")" = "$(stamp "$each")" ] &&
            return 0
    done
    return 1
}

stamp() {
    printf '%s %s\n' "$(cat "requirements/$1.txt" pyproject.toml | cksum)" "$CHECKOUT"
}

install() {
    local uv python
    uv=$(command -v uv || true)
    if ! usable_venv; then
        python=$(find_python || true)
        make_venv "$uv" "$python"
    else
        say "Bringing .venv up to date ..."
    fi
    : >"$VENV/.installing"
    rm -f "$VENV"/.stamp-*
    if [ -n "$uv" ]; then
        installer() { "$uv" pip install --quiet --python "$VENV/bin/python" "$@"; }
    else
        installer() { "$VENV/bin/python" -m pip install --quiet "$@"; }
    fi
    # Installers talk about themselves and the machine; what they say matters when they fail.
    {
        installer --require-hashes -r "requirements/$1.txt" &&
            installer --no-deps --no-build-isolation --editable .
    } >"$VENV/install.log" 2>&1 || {
        tail -n 20 "$VENV/install.log" >&2
        fail 1 "the packages of requirements/$1.txt could not be installed (see above)." \
            "Nothing half made is used: call this again when the cause is gone."
    }
    stamp "$1" >"$VENV/.stamp-$1"
    rm -f "$VENV/.installing"
}

# Whether `.venv` can be built on: whole, its Python alive and new enough, made at this place.
usable_venv() {
    [ ! -e "$VENV/.installing" ] && new_enough "$VENV/bin/python" &&
        "$VENV/bin/python" -c 'import sys; sys.exit(sys.prefix != sys.argv[1])' "$VENV" &&
        { command -v uv || "$VENV/bin/python" -c 'import pip'; } >/dev/null 2>&1 && # uv puts none in
        ! moved
}

# Commands in `.venv/bin` name their Python by its full path, so a moved checkout needs new ones.
moved() {
    local stamps
    stamps=$(cat "$VENV"/.stamp-* 2>/dev/null | sed 's/^[0-9]* [0-9]* //' | sort -u)
    [ -n "$stamps" ] && [ "$stamps" != "$CHECKOUT" ]
}

make_venv() { # make_venv UV PYTHON, either may be empty
    local uv=$1 python=$2
    if [ -n "$uv$python" ]; then
        say "Making .venv with ${python:-a Python that uv fetches} (once, takes a minute) ..."
    fi
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --clear --python "${python:->=3.11}" "$VENV" ||
            fail 1 "uv could not make .venv."
    elif [ -z "$python" ]; then
        fail 1 "no Python 3.11 or newer found." \
            "Debian/Ubuntu: sudo apt install python3 python3-venv" \
            "macOS:         brew install python@3.13" \
            "or name one:   PYTHON=/path/to/python3 $0"
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        fail 1 "$python cannot make virtual environments." \
            "Debian/Ubuntu: sudo apt install python3-venv (or python3.N-venv for that version)"
    else
        "$python" -m venv --clear "$VENV" || fail 1 "$python could not make .venv."
    fi
}

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if [ -n "$name" ] && new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Two calls at once: the second waits for the first. A folder is made by one process only, on every
# file system; the pid inside tells a lock that was left behind.
take_lock() {
    local holder told= nameless=0
    until mkdir "$LOCK" 2>/dev/null; do
        if [ ! -d "$LOCK" ]; then # given back this moment, or never to be had
            mkdir "$LOCK" 2>/dev/null && break
            [ -d "$LOCK" ] || fail 1 "$CHECKOUT cannot be written by this user, or its disk is full."
        fi
        holder=$(cat "$LOCK/pid" 2>/dev/null || true)
        [ -n "$holder" ] || nameless=$((nameless + 1))
        if [ $nameless -gt 5 ] || { [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; }; then
            nameless=0
            rm -rf "$LOCK"
            continue
        fi
        [ -n "$told" ] || say "Waiting for another set-up (pid ${holder:-unknown}; $LOCK) ..."
        told=yes
        sleep 1
    done
    echo $$ >"$LOCK/pid"
}

release_lock() { rm -rf "$LOCK"; }

# A folder $work with a home of its own for services; both are gone when the script ends.
temporary_home() { # temporary_home NAME
    work=$(mktemp -d "${TMPDIR:-/tmp}/mdm-$1.XXXXXX")
    chmod 755 "$work" # the database server of a root user runs as somebody else
    export MDM_HOME="$work/home" MDM_SERVICES=embedded
    trap 'leave_home' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

leave_home() {
    local code=$?
    trap - EXIT
    [ ! -d "$MDM_HOME" ] || .venv/bin/mdm services down >/dev/null 2>&1 || true
    rm -rf "$work"
    exit $code
}
