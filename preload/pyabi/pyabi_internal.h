/* SPDX-License-Identifier: MIT
 * Shared by the files of preload/pyabi only: loads, the key of a code object, the raw reads.
 */
#ifndef GS_PYABI_INTERNAL_H
#define GS_PYABI_INTERNAL_H

#include <string.h>
#include <sys/uio.h>

#include "preload/pyabi/pyabi.h"

/* _frameowner, unchanged since 3.11; shims come after these (see first_shim_owner). */
enum { OWNED_BY_THREAD = 0, OWNED_BY_GENERATOR = 1, OWNED_BY_FRAME_OBJECT = 2 };

/* A deferred or borrowed reference (_PyStackRef, 3.14) carries flags in its low two bits; objects
 * are aligned to 8, so the mask does no harm to a plain pointer. */
#define GS__REF_MASK      (~(uintptr_t)3)

/* The part of a code object that the walks look at, copied to read it safely. Rows that need
 * more are refused by gs_pyabi_resolve(). */
#define GS__CODE_HEAD_MAX 256
#define GS__FRAME_MAX     128 /* of an interpreter frame, without its locals */

static inline uintptr_t load_ptr(const void *base, int32_t off)
{
    uintptr_t value;
    memcpy(&value, (const char *)base + off, sizeof(value));
    return value;
}

static inline int32_t load_i32(const void *base, int32_t off)
{
    int32_t value;
    memcpy(&value, (const char *)base + off, sizeof(value));
    return value;
}

static inline uint8_t load_u8(const void *base, int32_t off)
{
    return *((const uint8_t *)base + off);
}

static inline bool gs__equal(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < len; i++)
        if (x[i] != y[i])
            return false;
    return true;
}

/* Independent multiplications, so that they overlap; `head` is the code object or a copy of it. */
static inline uint64_t code_key(const struct gs_pyabi *abi, uintptr_t code, const void *head)
{
    uint64_t key = (uint64_t)code * 0x9e3779b97f4a7c15u;
    key += (uint64_t)load_ptr(head, abi->off.code_filename) * 0xc2b2ae3d27d4eb4fu;
    key += (uint64_t)load_ptr(head, abi->code_name_key) * 0x165667b19e3779f9u;
    key += (uint64_t)load_ptr(head, abi->off.code_linetable) * 0xd6e8feb86659fd93u;
    key += (uint64_t)(uint32_t)load_i32(head, abi->off.code_firstlineno) * 0xff51afd7ed558ccdu;
    key ^= key >> 32;
    key *= 0xd6e8feb86659fd93u;
    return key ^ (key >> 29);
}

/* Was the interpreter's loop entered for this frame (3.11), or does it lie in front of the first of
 * a loop's (later)? `frame` is an interpreter frame or a copy of it. */
static inline bool gs__ends_run(const struct gs_pyabi *abi, const void *frame)
{
    if (abi->minor == 11)
        return load_u8(frame, abi->off.frame_owner - 1) != 0; /* is_entry, a bool */
    return load_u8(frame, abi->off.frame_owner) >= abi->first_shim_owner;
}

/* Bytes of a code object that hold every field the walks and the key need. */
size_t gs__code_head_len(const struct gs_pyabi *abi);

/* Raw getpid: a cached one would read the parent's memory after a fork. */
int gs__own_pid(void);

/* process_vm_readv on ourselves: bytes read, or a negative errno. Never changes errno. Stops at
 * the first piece that cannot be read. */
long gs__readv(int pid, const struct iovec *local, size_t n_local, const struct iovec *remote,
               size_t n_remote);

bool gs__read_ptr(uintptr_t src, uintptr_t *out);

/* Copies a str as UTF-8 into buf; length written, at most len, cut between characters, or -1 when
 * it cannot be read as a str. */
long gs__read_str(const struct gs_pyabi *abi, uintptr_t str, char *buf, size_t len);

/* True when a str is the ASCII text `want`, or ends with it. */
bool gs__str_is(const struct gs_pyabi *abi, uintptr_t str, const char *want, bool only_end);

#endif
