/* SPDX-License-Identifier: MIT
 * The collector's state (struct _gc_runtime_state), a part of the interpreter's. It has a pointer
 * to itself, generation0, by which it is known; its generations are the heads of doubly linked
 * lists.
 */
#include "preload/pyabi/pyabi_internal.h"

enum {
    GC_MAX = 512,     /* bytes of the state */
    STATS_MAX = 4096, /* bytes of what it points to, 3.15 and later */
    HEAD_NEXT = 0,    /* PyGC_Head */
    HEAD_PREV = 8,    /* its low bits are flags, as in _gc_next */
};
#define HEAD_MASK  (~(uintptr_t)7)
#define SECONDS_NS 1000000000.0
#define LONGEST_S  1000000000.0

/* Sums never fall: so of a ring of them the greatest is the newest that is complete, whichever of
 * its places is being written. */
static void read_stats(const struct gs_pyabi *abi, const uint8_t *stats, size_t n,
                       struct gs_py_gc_generation *out, double *seconds)
{
    for (size_t i = 0; i < n; i++, stats += abi->off.stats_size) {
        uint64_t collections = load_ptr(stats, abi->off.stats_collections);
        if (i && collections < out->collections)
            continue;
        out->collections = collections;
        out->collected = load_ptr(stats, abi->off.stats_collected);
        out->uncollectable = load_ptr(stats, abi->off.stats_uncollectable);
        if (abi->off.stats_duration != GS_PYABI_ABSENT)
            memcpy(seconds, stats + abi->off.stats_duration, sizeof(*seconds));
    }
}

/* How many sums a ring of `bytes` has; behind them is the place of the newest. */
static size_t ring_len(const struct gs_pyabi *abi, int32_t bytes)
{
    return (size_t)(bytes / abi->off.stats_size);
}

/* Until 3.14 three sums in the state itself; then rings of them behind a pointer. */
static bool read_all_stats(const struct gs_pyabi *abi, const uint8_t *gc, struct gs_py_gc *out)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    uint8_t rings[STATS_MAX];
    double seconds, all = 0;
    if (off->stats_old == GS_PYABI_ABSENT) {
        for (size_t g = 0; g < GS_PY_GENERATIONS; g++)
            read_stats(abi, gc + off->gc_stats + g * (size_t)off->stats_size, 1,
                       &out->generations[g], &seconds);
        return true;
    }
    size_t len = (size_t)off->stats_old + 2 * (size_t)off->stats_old_size;
    if (len > sizeof(rings) || !gs_safe_read(rings, load_ptr(gc, off->gc_stats), len))
        return false;
    for (size_t g = 0; g < GS_PY_GENERATIONS; g++) {
        size_t at = g ? (size_t)off->stats_old + (g - 1) * (size_t)off->stats_old_size : 0;
        seconds = 0;
        read_stats(abi, rings + at, ring_len(abi, g ? off->stats_old_size : off->stats_young_size),
                   &out->generations[g], &seconds);
        all += seconds >= 0 && seconds < LONGEST_S ? seconds : 0;
    }
    out->has_duration = true;
    out->duration_ns = (uint64_t)(all * SECONDS_NS);
    return true;
}

static bool is_flag(int32_t value)
{
    return value == 0 || value == 1;
}

/* What does not change while the interpreter lives, or not but from 0 to 1 and back. */
static bool is_gc(const struct gs_pyabi *abi, const uint8_t *gc, uintptr_t at)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    if (load_ptr(gc, off->gc_generation0) != at + (uintptr_t)off->gc_generations ||
        !is_flag(load_i32(gc, off->gc_enabled)) || !is_flag(load_i32(gc, off->gc_collecting)))
        return false;
    for (size_t g = 0; g < GS_PY_GENERATIONS; g++) {
        int32_t head = off->gc_generations + (int32_t)g * off->generation_size;
        if (!load_ptr(gc, head + HEAD_NEXT) || !load_ptr(gc, head + HEAD_PREV))
            return false;
    }
    return true;
}

bool gs_pyabi_read_gc(const struct gs_pyabi *abi, uintptr_t interp, struct gs_py_gc *out)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    uint8_t gc[GC_MAX];
    uintptr_t at = interp + (uintptr_t)off->interp_gc;
    memset(out, 0, sizeof(*out));
    if (!abi->has_gc || (size_t)off->gc_size > sizeof(gc) ||
        !gs_safe_read(gc, at, (size_t)off->gc_size) || !is_gc(abi, gc, at) ||
        !read_all_stats(abi, gc, out))
        return false;
    out->enabled = load_i32(gc, off->gc_enabled);
    out->collecting = load_i32(gc, off->gc_collecting);
    int64_t live = (int64_t)(load_ptr(gc, off->gc_long_lived) + load_ptr(gc, off->gc_pending));
    out->live = live > 0 ? (uint64_t)live : 0;
    for (size_t g = 0; g < GS_PY_GENERATIONS; g++) {
        int32_t generation = off->gc_generations + (int32_t)g * off->generation_size;
        out->generations[g].threshold = load_i32(gc, generation + off->generation_threshold);
        out->generations[g].count = load_i32(gc, generation + off->generation_count);
    }
    return true;
}

bool gs_pyabi_gc_hangs_together(const struct gs_pyabi *abi, uintptr_t interp)
{
    uintptr_t first = interp + (uintptr_t)(abi->off.interp_gc + abi->off.gc_generations);
    for (size_t g = 0; g < GS_PY_GENERATIONS; g++) {
        uintptr_t head = first + g * (uintptr_t)abi->off.generation_size, next, back;
        if (!gs__read_ptr(head + HEAD_NEXT, &next) ||
            !gs__read_ptr((next & HEAD_MASK) + HEAD_PREV, &back) || (back & HEAD_MASK) != head)
            return false;
    }
    return true;
}

size_t gs_pyabi_interpreters(const struct gs_pyabi *abi, struct gs_py_interpreter *out, size_t max)
{
    uintptr_t at;
    size_t n = 0;
    if (!abi->has_gc ||
        !gs__read_ptr(abi->in.py_runtime + (uintptr_t)abi->off.runtime_interpreters, &at))
        return 0;
    for (; at && n < max; n++) {
        out[n].address = at;
        if (!gs_safe_read(&out[n].id, at + (uintptr_t)abi->off.interp_id, sizeof(out[n].id)) ||
            out[n].id < 0 || !gs__read_ptr(at + (uintptr_t)abi->off.interp_next, &at))
            break;
    }
    return n;
}
