/* SPDX-License-Identifier: MIT
 * How long something takes: nanoseconds of a clock that nobody sets.
 */
#ifndef GS_NOW_H
#define GS_NOW_H

#include <stdint.h>
#include <time.h>

static inline uint64_t gs_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
