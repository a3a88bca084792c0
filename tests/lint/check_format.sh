#!/bin/bash
# SPDX-License-Identifier: MIT
# C, C++ and CUDA sources are as clang-format 14 with .clang-format leaves them. One version, since
# each formats a little differently: Debian 12's, or the one from pip in the cache.
# usage: check_format.sh [--fix]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cache=${GILSCOPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gilscope}
venv=$cache/clang-format-venv

is_14() { "$1" --version 2>/dev/null | grep -q 'version 14\.'; }

find_tool() {
    local tool
    for tool in clang-format-14 clang-format "$venv/bin/clang-format"; do
        if is_14 "$tool"; then echo "$tool" && return; fi
    done
    { python3 -m venv "$venv" && "$venv/bin/pip" install -q 'clang-format==14.*'; } >/dev/null 2>&1
    is_14 "$venv/bin/clang-format" && echo "$venv/bin/clang-format"
}

if ! tool=$(find_tool); then
    echo "SKIP format: clang-format 14 is not here and cannot be installed"
    exit 77
fi
sources=('*.c' '*.h' '*.cpp' '*.cu' '*.cuh')
mapfile -t files < <(git ls-files -co --exclude-standard -- "${sources[@]}" | while read -r file; do
    # tables that a script wrote stay as it wrote them
    [ ! -e "$file" ] || head -n 8 "$file" | grep -qiE 'generated|written by' || echo "$file"
done)
if [ "${1:-}" = --fix ]; then
    exec "$tool" -i "${files[@]}"
fi
bad=$(printf '%s\0' "${files[@]}" | xargs -0 -n 8 -P "$(nproc)" "$tool" --dry-run 2>&1 |
    sed -n 's/^\([^ :]*\):.*\[-Wclang-format-violations\].*/\1/p' | sort | uniq -c) || true
if [ -n "$bad" ]; then
    awk '{ print "  " $2 ": " $1 " places; tests/lint/check_format.sh --fix" }' <<<"$bad"
    echo "FAIL format: $(wc -l <<<"$bad") of ${#files[@]} files"
    exit 1
fi
echo "PASS format: ${#files[@]} files"
