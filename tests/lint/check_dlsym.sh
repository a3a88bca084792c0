#!/bin/bash
# SPDX-License-Identifier: MIT
# No hook asks the dynamic linker: it allocates, and waits for whoever is inside dlopen(). In the
# agent's object files only the functions that resolve the real names, once, refer to dlvsym().
# dlsym() is the agent's own; the next one behind it is called by those functions, and in the
# program's own calls of dlsym(). Nothing refers to the rest of that family, but for one dlopen():
# the drain thread loads its own NVML with it (nvml_instance.h), and is in no hook.
# usage: check_dlsym.sh [BUILD-FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=${1:-build}
family='dl(sym|vsym|open|mopen|close|addr|addr1|info|error)'
problems=0

mapfile -t objects < <(find "$build/preload" -name '*.o' 2>/dev/null | sort)
if ((${#objects[@]} == 0)); then
    echo "SKIP dlsym: the agent is not built"
    exit 77
fi

# FILE:FUNCTION NAME of each relocation; a pointer in data has its section for a function.
references() {
    objdump -dr "${objects[@]}" | awk -v family="^$family([-+@]|\$)" '
        / file format / { n = split($1, part, "/"); sub(/:$/, "", part[n]); file = part[n] }
        /^[0-9a-f]+ <.*>:$/ { gsub(/[<>:]/, "", $2); sub(/\..*/, "", $2); name = $2 }
        $2 ~ /^R_/ && $3 ~ family { sub(/[-+@].*/, "", $3); print file ":" name, $3 }'
    objdump -r "${objects[@]}" | awk -v family="^$family([-+@]|\$)" '
        / file format / { n = split($1, part, "/"); sub(/:$/, "", part[n]); file = part[n] }
        /^RELOCATION RECORDS FOR/ { data = $4 ~ /data/; name = substr($4, 2, length($4) - 3) }
        data && $2 ~ /^R_/ && $3 ~ family { sub(/[-+@].*/, "", $3); print file ":" name, $3 }'
}

resolving=0
while read -r place name; do
    case "$place $name" in
    hooks_real.c.o:look_up\ dl*sym | hooks_real.c.o:gs_hooks_resolve\ dl*sym)
        resolving=$((resolving + 1))
        ;;
    nvml_instance.c.o:load\ dlopen | nvml_instance.c.o:gs_nvml_instance\ dlopen) ;; # is it there?
    *)
        echo "  $place refers to $name"
        problems=$((problems + 1))
        ;;
    esac
done < <(references)
# None at all would mean that this check no longer sees them.
((resolving)) || { echo "  no reference in hooks_real.c.o was found" && problems=1; }

echo "$([ $problems = 0 ] && echo PASS || echo FAIL) dlsym: ${#objects[@]} object files," \
    "$resolving references where names are resolved, $problems problems"
[ $problems = 0 ]
