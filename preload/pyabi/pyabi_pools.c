/* SPDX-License-Identifier: MIT
 * pymalloc's arenas and pools (Objects/obmalloc.c). An arena is cut into pools aligned to their own
 * size; a pool holds blocks of one size behind a header, whose fields have stood where they are
 * from 3.3 to 3.15.
 */
#include "preload/pyabi/pyabi_internal.h"

#define POOL_USED  0  /* u32: blocks in use */
#define POOL_CLASS 36 /* u32: block size / 16 - 1 */
#define POOL_NEXT_BLOCK                                                                            \
    40 /* u32: offset of the first block never used; 0 before there is a pool                      \
        */
#define HDR_BYTES        48u
#define N_CLASSES        32u
#define NO_CLASS         0xffffu /* a pool that has just been cut off, for an instant */
#define RADIX_TREE_MINOR 10      /* larger arenas and pools since */

size_t gs_pyabi_arena_bytes(const struct gs_pyabi *abi)
{
    return abi->minor >= RADIX_TREE_MINOR ? 1u << 20 : 256u << 10;
}

size_t gs_pyabi_pool_bytes(const struct gs_pyabi *abi)
{
    return abi->minor >= RADIX_TREE_MINOR ? 16u << 10 : 4u << 10;
}

/* Fields are read while others write them: a class and a count may be of two lives of a pool. */
static bool read_pool(const volatile uint32_t *words, size_t pool_bytes, struct gs_py_pool *out)
{
    uint32_t used = words[POOL_USED / 4], class = words[POOL_CLASS / 4];
    *out = (struct gs_py_pool){0, 0};
    if (!words[POOL_NEXT_BLOCK / 4] || class == NO_CLASS)
        return true;
    if (class >= N_CLASSES)
        return false;
    size_t blocks = (pool_bytes - HDR_BYTES) / (16 * (class + 1));
    *out = (struct gs_py_pool){(uint16_t)(class + 1), (uint16_t)(used < blocks ? used : blocks)};
    return true;
}

static bool copy_headers(uintptr_t first, size_t pool_bytes, size_t n,
                         uint32_t (*out)[HDR_BYTES / 4])
{
    struct iovec local = {out, n * sizeof(*out)}, remote[GS_PY_ARENA_POOLS];
    for (size_t i = 0; i < n; i++) /* NOLINTNEXTLINE: addresses to be tried */
        remote[i] = (struct iovec){(void *)(first + i * pool_bytes), sizeof(*out)};
    return gs__readv(gs__own_pid(), &local, 1, remote, n) == (long)local.iov_len;
}

/* Pools are cut off in order of address: behind the first that is none yet there are no others, and
 * no page of them need be touched. */
bool gs_pyabi_read_pools(const struct gs_pyabi *abi, uintptr_t arena, bool safely,
                         struct gs_py_pool *out)
{
    uint32_t copies[GS_PY_ARENA_POOLS][HDR_BYTES / 4];
    size_t bytes = gs_pyabi_pool_bytes(abi);
    uintptr_t first = (arena + bytes - 1) & ~(uintptr_t)(bytes - 1);
    size_t n = (arena + gs_pyabi_arena_bytes(abi) - first) / bytes;
    for (size_t i = 0; i < GS_PY_ARENA_POOLS; i++)
        out[i] = (struct gs_py_pool){0, 0};
    if (safely && !copy_headers(first, bytes, n, copies))
        return false;
    for (size_t i = 0; i < n; i++) { /* NOLINTNEXTLINE: an address of Python's */
        const void *pool = safely ? (const void *)copies[i] : (const void *)(first + i * bytes);
        if (!read_pool(pool, bytes, &out[i]))
            return false;
        if (!out[i].size_class)
            break;
    }
    return true;
}
