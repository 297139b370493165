#!/bin/sh
# Builds .venv from requirements.lock, with uv when it is on PATH and with venv and pip when not.
# Run by `make install` and by every target that needs the environment; PYTHON=… names another
# interpreter, LOCK=requirements-run.lock leaves out what only development needs. The stamp .venv/.installed is written last and holds what was installed, so that an
# interrupted run starts over and an unchanged lock costs nothing.
set -eu
cd "$(dirname "$0")/.."

lock=${LOCK:-requirements.lock}
stamp=.venv/.installed
supported='import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 15))'

fail() {
    printf 'install: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# A .venv keeps the interpreter that it was made with.
candidates='.venv/bin/python python3 python3.14 python3.13 python3.12 python3.11 python'

find_python() {
    for candidate in ${PYTHON:-$candidates}; do
        if command -v "$candidate" >/dev/null && "$candidate" -c "$supported" 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys._base_executable or sys.executable)'
            return
        fi
    done
    if [ -z "${PYTHON:-}" ] && command -v uv >/dev/null; then
        uv python find --system --no-project '>=3.11,<3.15' 2>/dev/null || true
    fi
}

python=$(find_python)
if [ -z "$python" ]; then
    found=$("${PYTHON:-python3}" --version 2>&1) || found="no ${PYTHON:-python3} on PATH"
    fail "Python 3.11, 3.12, 3.13 or 3.14 is needed; found: $found." \
        "Debian, Ubuntu: apt-get install python3 python3-venv    macOS: brew install python@3.13" \
        "with uv:        uv python install 3.13" \
        "elsewhere:      make install PYTHON=/path/to/python3.13"
fi

# Two terminals may start at once: the second waits for the first and then finds its work done.
if [ "${1:-}" != locked ]; then
    exec "$python" -c '
import fcntl, os, sys
lock = os.open("scripts/install.sh", os.O_RDONLY)
os.set_inheritable(lock, True)
fcntl.flock(lock, fcntl.LOCK_EX)
os.execvp("sh", ["sh", "scripts/install.sh", "locked"])'
fi

wanted="$("$python" -c 'import sys; print(sys.version.split()[0])') $(cksum <"$lock")"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
    touch "$stamp"
    echo ".venv is up to date"
    exit 0
fi

has_uv=$(command -v uv || true)
if [ -z "$has_uv" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    fail "$python comes without venv or pip." \
        "Debian, Ubuntu: apt-get install python3-venv" \
        "elsewhere:      install uv, which needs neither"
fi

rm -f "$stamp" # from here to the last line an interrupted run leaves no stamp
rm -rf .venv
if [ -n "$has_uv" ]; then
    echo "Installing into .venv with uv and $python; the first time this downloads about 400 MB"
    uv venv --quiet --no-project --python "$python" .venv
    uv pip sync --quiet --require-hashes --python .venv/bin/python "$lock"
else
    echo "Installing into .venv with pip and $python; the first time this downloads about 400 MB"
    "$python" -m venv .venv
    install() {
        .venv/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes "$@"
    }
    # Python 3.11 brings a pip that cannot read the lock: the lock's own pip comes first.
    sed -n '/^pip==/,/[^\\]$/p' "$lock" >.venv/pip.lock
    [ ! -s .venv/pip.lock ] || install --requirement .venv/pip.lock
    install --requirement "$lock"
fi

printf '%s\n' "$wanted" >"$stamp"
