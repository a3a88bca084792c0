#!/bin/bash
# SPDX-License-Identifier: MIT
# The agent as it will be loaded into strangers' processes: it exports the interposed names and
# nothing else, needs nothing but libc, and keeps to the size of its thread-local storage.
# usage: check_exports.sh [BUILD-FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
agent=${1:-build}/lib/libgilscope.so
max_tls=64
problems=0

problem() {
    echo "  $*"
    problems=$((problems + 1))
}

if [ ! -e "$agent" ]; then
    echo "SKIP exports: $agent is not built"
    exit 77
fi

# ---- names ----
# Of the CUDA driver's functions the preprocessor makes more than the table shows.
cuda_names() {
    printf '%s\n' '#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params) NAME symbol;' \
        '#include "preload/cuda_calls.def"' | cc -E -P -I. -x c - | grep -oE 'NAME \w+' | cut -c6-
}
hooked=$({
    grep -ohE '^GS_HOOK[A-Z_]*\([a-zA-Z0-9_]+' preload/hooks.def | sed 's/.*(//'
    cuda_names
    echo dlsym # preload/dlsym_entry.c
} | sort -u)
exported=$(nm -D --defined-only "$agent" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort -u)
for name in $(comm -13 <(echo "$hooked") <(echo "$exported")); do
    problem "exports $name, which is in no table of preload/"
done
for name in $(comm -23 <(echo "$hooked") <(echo "$exported")); do
    problem "does not export $name, which is in a table of preload/"
done
nm -D --defined-only "$agent" | grep -q ' pthread_cond_signal@@GLIBC_2.3.2$' ||
    [ "$(uname -m)" != x86_64 ] ||
    problem "pthread_cond_signal lacks its version: callers of the old layout would come here"

# ---- dlsym(): glibc finds whose RTLD_NEXT it is by the return address, so it ends in a jump ----
entry=$(objdump -d --no-show-raw-insn --disassemble=dlsym "$agent" | grep -E '^ +[0-9a-f]+:')
grep -qE 'jmp +\*%rax' <<<"$entry" || problem "dlsym does not jump to the next one"
for name in $(grep -oE 'call .*' <<<"$entry" | sed 's/.*<\(.*\)>/\1/'); do
    case $name in
    gs_cuda_dlsym | gs_dlsym_find_real) ;;
    *) problem "dlsym calls $name: whoever that is takes us for the caller" ;;
    esac
done

# ---- what it may never call ----
for name in $(nm -D --undefined-only "$agent" | awk '{ sub(/@.*/, "", $2); print $2 }'); do
    case $name in
    exit | abort | __assert_fail | quick_exit) problem "calls $name: it may not end the job" ;;
    signal | sigaction | __sigaction | kill | raise | tgkill | pthread_kill)
        problem "calls $name: it may not touch signals"
        ;;
    printf | puts | putchar | __printf_chk | stdout) problem "uses $name: stdout is the job's" ;;
    Py* | _Py*) problem "imports $name: it may not need an interpreter" ;;
    __cxa_thread_atexit_impl) problem "has a thread-local destructor" ;;
    __tls_get_addr) problem "thread-local storage is not initial-exec" ;;
    esac
done

# ---- the ELF file ----
for name in $(readelf -dW "$agent" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $name in
    libc.so.6 | ld-linux* | libpthread.so.0 | libdl.so.2 | librt.so.1) ;; # one libc, before 2.34
    *) problem "needs $name" ;;
    esac
done
readelf -dW "$agent" | grep -q 'FLAGS_1.*NOW' || problem "not linked with -z now"
readelf -dW "$agent" | grep -q 'FLAGS_1.*INITFIRST' || problem "not linked with -z initfirst"
! readelf -dW "$agent" | grep -q TEXTREL || problem "has text relocations"
tls=$(readelf -lW "$agent" | awk '$1 == "TLS" { print $6 }')
((${tls:-0} <= max_tls)) || problem "$((tls)) bytes of thread-local storage, more than $max_tls"

echo "$([ $problems = 0 ] && echo PASS || echo FAIL) exports:" \
    "$(wc -w <<<"$exported") names, $((${tls:-0})) bytes of TLS, $problems problems"
[ $problems = 0 ]
