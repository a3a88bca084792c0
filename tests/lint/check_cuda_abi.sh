#!/bin/bash
# SPDX-License-Identifier: MIT
# The CUDA driver's interface as the agent passes it on, against NVIDIA's own headers: each wrapped
# function has the prototype of cuda.h, each version that of cudaTypedefs.h, each struct its layout.
# The versions of the driver that tests use, too. Headers: GILSCOPE_CUDA_HEADERS, include folders with
# cuda.h separated by ':' (pip's nvidia-cuda-runtime has them), or /usr/local/cuda*/include.
# usage: check_cuda_abi.sh
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=0 checked=0
declare -A seen_symbol seen_version

problem() {
    echo "  $*"
    problems=$((problems + 1))
}

IFS=: read -ra folders <<<"${GILSCOPE_CUDA_HEADERS:-$(printf '%s:' /usr/local/cuda*/include)}"
mapfile -t headers < <(for folder in "${folders[@]}"; do
    [ ! -e "$folder/cudaTypedefs.h" ] || realpath "$folder"
done | sort -u) # /usr/local/cuda is a link to one of the others
if ((${#headers[@]} == 0)); then
    echo "SKIP cuda_abi: no cuda.h (GILSCOPE_CUDA_HEADERS names its folder)"
    exit 77
fi

# "symbol base since per-thread parameters" of each row of a table, one a line.
rows() { # DEFINITION FILE
    printf '#define %s ROW symbol @ base @ since @ per_thread @ params END\n#include "%s"\n' "$@" |
        cc -E -P -I. -x c - | tr '\n' ' ' | sed 's/ END */\n/g' | sed -n 's/ *ROW //p'
}
rows 'GS_CUDA_CALL(symbol, base, since, per_thread, op, params)' preload/cuda_calls.def >"$work/ours"
rows 'FAKE_CALL(symbol, base, since, per_thread, params)' tests/cuda/driver_calls.def |
    sed 's/@ PER_THREAD @/@ 1 @/; s/@ \(ANY\|LEGACY\) @/@ 0 @/' >"$work/fake"

# Names of functions and of pointer types that a folder's headers declare.
names() { # FOLDER
    printf '#include <cuda.h>\n#include <cudaTypedefs.h>\n' |
        cc -E -P -D__CUDA_API_VERSION_INTERNAL -I"$1" -x c - | tr '\n' ' ' |
        grep -oE '\b(cu[A-Z]\w*|PFN_cu\w+)\)? *\(' | tr -d '() ' | sort -u
}

pointer_type() { # SYMBOL BASE SINCE PER_THREAD
    local suffix=
    if [ "$4" = 1 ]; then suffix=_${1##*_}; fi
    echo "PFN_${2}_v$3$suffix"
}

# A static assertion for each name that these headers have.
assertions() { # ROWS
    local symbol base since per_thread params type
    printf '#include <cuda.h>\n#include <cudaTypedefs.h>\n#include <stdint.h>\n'
    printf '#define SAME(a, b, text) _Static_assert(__builtin_types_compatible_p(a, b), text);\n'
    while IFS='@' read -r symbol base since per_thread params; do
        read -r symbol <<<"$symbol" && read -r base <<<"$base"
        type=$(pointer_type "$symbol" "$base" ${since// /} ${per_thread// /})
        if [ -n "${declared[$symbol]:-}" ]; then
            echo "SAME(__typeof__(&$symbol), CUresult(*)$params, \"$symbol\")"
            seen_symbol[$symbol]=1
        fi
        if [ -n "${declared[$type]:-}" ]; then
            echo "SAME($type, CUresult(*)$params, \"$type\")"
            seen_version[$symbol]=1
        fi
    done <"$1"
}

layouts() { # FOLDER OR ""
    local type first='#include "preload/cuda_api.h"'
    [ -z "$1" ] || first=$'#include <cuda.h>\n#include <stdint.h>'
    cat <<END
$first
#include <stddef.h>
#include <stdio.h>
#define SIZE(type) printf(#type " %zu\n", sizeof(type));
#define FIELD(type, field) printf(#type "." #field " %zu\n", offsetof(type, field));
int main(void)
{
    $(sed 's/^#.*//' "$work/types")
    FIELD(CUDA_ARRAY_DESCRIPTOR, Format) FIELD(CUDA_ARRAY_DESCRIPTOR, NumChannels)
    FIELD(CUDA_ARRAY3D_DESCRIPTOR, Depth) FIELD(CUDA_ARRAY3D_DESCRIPTOR, Format)
    FIELD(CUDA_ARRAY3D_DESCRIPTOR, NumChannels) FIELD(CUDA_ARRAY3D_DESCRIPTOR, Flags)
    FIELD(CUDA_MEM_ALLOC_NODE_PARAMS, accessDescs) FIELD(CUDA_MEM_ALLOC_NODE_PARAMS, bytesize)
    FIELD(CUDA_MEM_ALLOC_NODE_PARAMS, dptr)
END
    if [ "$2" -ge 12020 ]; then
        echo '    SIZE(CUgraphNodeParams) FIELD(CUgraphNodeParams, type)'
        echo '    FIELD(CUgraphNodeParams, alloc) FIELD(CUgraphNodeParams, free)'
    fi
    echo '    return 0; }'
}

# ---- each set of headers ----

cat >"$work/types" <<'END'
    SIZE(CUresult) SIZE(CUdevice) SIZE(CUdeviceptr) SIZE(CUmemGenericAllocationHandle)
    SIZE(CUcontext) SIZE(CUmemPool_attribute) SIZE(CUjit_option) SIZE(CUarray_format)
    SIZE(CUipcMemHandle) SIZE(CUDA_ARRAY_DESCRIPTOR) SIZE(CUDA_ARRAY3D_DESCRIPTOR)
    SIZE(CUDA_MEM_ALLOC_NODE_PARAMS)
END
for folder in "${headers[@]}"; do
    version=$(sed -n 's/^#define CUDA_VERSION \([0-9]*\).*/\1/p' "$folder/cuda.h")
    declare -A declared=()
    for name in $(names "$folder"); do declared[$name]=1; done
    assertions "$work/ours" >"$work/check.c"
    checked=$((checked + $(grep -c '^SAME' "$work/check.c")))
    while read -r line; do
        problem "$version: $line"
    done < <(cc -fsyntax-only -D__CUDA_API_VERSION_INTERNAL -I"$folder" "$work/check.c" 2>&1 |
        sed -n 's/.*error: //p')
    layouts "$folder" "$version" >"$work/theirs.c"
    layouts "" "$version" >"$work/ours.c"
    for who in theirs ours; do
        cc -w -I. -I"$folder" "$work/$who.c" -o "$work/$who.exe" 2>&1 | sed -n 's/.*error: /  /p'
        "$work/$who.exe" >"$work/$who.txt" || problem "$version: layouts of $who do not compile"
    done
    checked=$((checked + $(wc -l <"$work/theirs.txt")))
    while read -r line; do
        problem "$version: $line"
    done < <(diff "$work/theirs.txt" "$work/ours.txt" | grep '^[<>]')
    while IFS=' @' read -r symbol base since per_thread _; do
        type=$(pointer_type "$symbol" "$base" "$since" "$per_thread")
        if [ -n "${declared[$type]:-}" ]; then seen_version["fake $symbol"]=1; fi
    done <"$work/fake"
done

# ---- what no header knows ----

newest=$(sed -n 's/^#define CUDA_VERSION \([0-9]*\).*/\1/p' "${headers[@]/%//cuda.h}" | sort -n | tail -n 1)
while IFS=' @' read -r symbol base since _; do
    [ "$since" -le "$newest" ] || continue
    [ -n "${seen_symbol[$symbol]:-}" ] || problem "$symbol: declared in no header"
    [ -n "${seen_version[$symbol]:-}" ] || problem "$symbol: no type of version $since"
done <"$work/ours"
while IFS=' @' read -r symbol base since _; do
    [ "$since" -gt "$newest" ] || [ -n "${seen_version["fake $symbol"]:-}" ] ||
        problem "tests/cuda: $symbol: no type of version $since"
done <"$work/fake"

echo "$([ $problems = 0 ] && echo PASS || echo FAIL) cuda_abi: ${#headers[@]} versions of the" \
    "headers, $checked checks, $problems problems"
[ $problems = 0 ]
