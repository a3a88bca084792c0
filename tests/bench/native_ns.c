/* SPDX-License-Identifier: MIT
 * A native stack of 40 frames: ours, that of libgcc (backtrace()) and, where it was found, that of
 * libunwind (unw_backtrace(), which remembers too), in turn, once each is warm. Prints the median
 * ns of each, and the quartiles.
 */
#ifdef GS_HAVE_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif
#include <execinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "preload/native/native_stack.h"
#include "preload/trace_writer.h"

enum { ROUNDS = 2001, MOST = 128, DEPTH = 40 };

static uint8_t room[GS_UNWIND_ROOM] __attribute__((aligned(16))), copy[32 << 10];

static size_t ours(void)
{
    struct gs_native_frame frames[MOST];
    struct gs_native_regs regs = gs_native_regs_here();
    bool truncated;
    struct gs_stack_copy stack = {regs.sp & ~UINT64_C(7), copy, 0, sizeof(copy), true};
    return gs_native_unwind(&regs, &stack, frames, MOST, &truncated, room);
}

static size_t libgccs(void)
{
    void *frames[MOST];
    return (size_t)backtrace(frames, MOST);
}

static size_t libunwinds(void)
{
#ifdef GS_HAVE_LIBUNWIND
    void *frames[MOST];
    return (size_t)unw_backtrace(frames, MOST);
#else
    return 0;
#endif
}

static const struct {
    const char *name;
    size_t (*take)(void);
} ways[] = {{"ours", ours}, {"libgcc", libgccs}, {"libunwind", libunwinds}};
enum { N_WAYS = sizeof(ways) / sizeof(*ways) };
static double ns[N_WAYS][ROUNDS];
static size_t depth[N_WAYS];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static __attribute__((noipa)) int measure(int left)
{
    volatile int below = left;
    if (left > 0)
        below = measure(left - 1) + 1;
    else
        for (int i = 0; i < ROUNDS; i++)
            for (int w = 0; w < N_WAYS; w++) {
                double begin = now_ns();
                depth[w] = ways[w].take();
                ns[w][i] = now_ns() - begin;
            }
    return below;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(void)
{
    if (!gs_writer_init() || !gs_native_begin(false))
        return 1;
    libgccs(); /* opens libgcc_s */
    gs_native_modules_find();
    for (int calls = DEPTH; calls <= 4 * DEPTH && depth[0] < DEPTH; calls += DEPTH / 4)
        measure(calls);
    for (int w = 0; w < N_WAYS; w++) {
        qsort(ns[w], ROUNDS, sizeof(double), by_value);
        if (depth[w])
            printf("%-10s %zu frames: median %.0f ns [%.0f, %.0f]\n", ways[w].name, depth[w],
                   ns[w][ROUNDS / 2], ns[w][ROUNDS / 4], ns[w][ROUNDS / 4 * 3]);
    }
    return 0;
}
