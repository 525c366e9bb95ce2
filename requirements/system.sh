#!/bin/sh
# Lists or installs the missing packages of system.txt.
#   system.sh missing run|test|chaos|container    prints their names, one per line; each level includes the previous ones
#   system.sh install run|test|chaos|container    installs them (Debian, as root), or else prints what to install
set -eu
python=${PYTHON:-python3}
list=$(dirname "$0")/system.txt

there() {
    case $1 in
        lib:*) "$python" -c "import ctypes; ctypes.CDLL('${1#lib:}')" 2>/dev/null ;;
        cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
        py:*) "$python" -c "import ${1#py:}" 2>/dev/null ;;
    esac
}

missing() {
    while read -r package probe need _; do
        case $package in '' | '#'*) continue ;; esac
        case $1-$need in run-test | run-chaos | run-container | test-chaos | test-container | chaos-container) continue ;; esac
        there "$probe" || echo "$package"
    done <"$list"
}

wanted=$(missing "$2")
case $1 in
    missing) [ -z "$wanted" ] || echo "$wanted" ;;
    install)
        [ -n "$wanted" ] || exit 0
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -q
            # shellcheck disable=SC2086  # one word per name
            DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $wanted
        else
            echo "missing: $(echo "$wanted" | tr '\n' ' ')(Debian's names). Install them, on Debian with:" >&2
            echo "    sudo make install-system-packages" >&2
            [ "$2" != run ] || exit 1
        fi
        ;;
esac
