# For the scripts beside it: the cache outside the tree, and Debian's packages where something is missing.
caches="${XDG_CACHE_HOME:-$HOME/.cache}/betrace"
mkdir -p "$caches"

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# cached NAME FILE...: the folder for what is made from these files, which may not be there yet
cached() {
    local name=$1
    shift
    echo "$caches/$name-$(cat "$@" | sha256sum | cut -c1-16)"
}

# newer WANTED VERSION: whether a version such as go1.26.8 or 17.0.15 is at least the wanted one
newer() {
    [ -n "$2" ] && printf '%s\n%s\n' "$1" "$(tr -dc '0-9.\n' <<<"$2")" | sort -VC
}

install_packages() {
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "$* missing, and neither root nor sudo to install it"
        sudo=sudo
    fi
    command -v apt-get >/dev/null || fail "$* missing; install it (no apt-get here to do so)"
    echo "installing $*" >&2
    $sudo apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >&2
}
