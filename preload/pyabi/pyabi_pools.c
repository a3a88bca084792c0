/* SPDX-License-Identifier: MIT
 * pymalloc's arenas and pools (Objects/obmalloc.c). An arena is cut into pools aligned to their own
 * size; a pool holds blocks of one size behind a header, whose fields have stood where they are
 * from 3.3 to 3.15.
 */
#include "preload/pyabi/pyabi_internal.h"
#include "preload/trace/trace_format.h"

#define POOL_USED  0  /* u32: blocks in use */
#define POOL_CLASS 36 /* u32: block size / 16 - 1 */
#define POOL_NEXT_BLOCK                                                                            \
    40 /* u32: offset of the first block never used; > 0 once there is a pool                      \
        */
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
static bool read_pool(const void *pool, size_t pool_bytes, uint16_t *cell)
{
    const volatile uint32_t *words = pool;
    uint32_t used = words[POOL_USED / 4], class = words[POOL_CLASS / 4];
    *cell = 0;
    if (!words[POOL_NEXT_BLOCK / 4] || class == NO_CLASS)
        return true;
    if (class >= GS_POOL_CLASSES)
        return false;
    size_t blocks = (pool_bytes - GS_POOL_HDR_BYTES) / (16 * (class + 1));
    *cell = (uint16_t)GS_POOL_CELL(class + 1, used < blocks ? used : blocks);
    return true;
}

/* Pools are cut off in order of address: behind the first that is none yet there are no others, and
 * no page of them is touched. */
bool gs_pyabi_read_pools(const struct gs_pyabi *abi, uintptr_t arena, uint16_t *cells)
{
    size_t bytes = gs_pyabi_pool_bytes(abi);
    uintptr_t pool = (arena + bytes - 1) & ~(uintptr_t)(bytes - 1);
    uintptr_t end = arena + gs_pyabi_arena_bytes(abi);
    for (size_t i = 0; i < GS_ARENA_POOLS; i++)
        cells[i] = 0;
    for (size_t i = 0; pool + bytes <= end; i++, pool += bytes) {
        if (!read_pool((const void *)pool, bytes, &cells[i])) /* NOLINT: an address of Python's */
            return false;
        if (!cells[i])
            break;
    }
    return true;
}
