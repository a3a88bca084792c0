/* SPDX-License-Identifier: MIT
 * A hardware counter read by the thread it counts, without a system call: the kernel's part of it
 * lies in a page, the processor's part is read by rdpmc. As perf_event.h of Linux describes it.
 */
#ifndef GS_PERF_PAGE_H
#define GS_PERF_PAGE_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

#define GS_PERF_PAGE_TRIES 16

static inline uint64_t gs_rdpmc(uint32_t counter)
{
    uint32_t lo, hi;
    __asm__ volatile("rdpmc" : "=a"(lo), "=d"(hi) : "c"(counter));
    return (uint64_t)hi << 32 | lo;
}

static inline int64_t gs_sign_extend(uint64_t v, uint32_t width)
{
    unsigned shift = width && width < 64 ? 64 - width : 0;
    return (int64_t)(v << shift) >> shift;
}

/* False where the processor may not be asked, or the page kept changing. A counter that is not on
 * the processor now (`index` 0: others have it, or none was ever given) is what the page says. */
static inline bool gs_perf_page_read(const void *page, uint64_t *value)
{
    const struct perf_event_mmap_page *p = page;
    for (int i = 0; i < GS_PERF_PAGE_TRIES; i++) {
        uint32_t lock = __atomic_load_n(&p->lock, __ATOMIC_ACQUIRE);
        uint32_t index = __atomic_load_n(&p->index, __ATOMIC_RELAXED);
        int64_t count = __atomic_load_n(&p->offset, __ATOMIC_RELAXED);
        if (!p->cap_user_rdpmc)
            return false;
        if (index)
            count += gs_sign_extend(gs_rdpmc(index - 1), p->pmc_width);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&p->lock, __ATOMIC_RELAXED) == lock) {
            *value = (uint64_t)count;
            return count >= 0;
        }
    }
    return false;
}

#endif
