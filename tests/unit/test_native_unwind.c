/* SPDX-License-Identifier: MIT
 * Native stacks beside those of backtrace() (libgcc's unwinder, which takes locks and allocates),
 * and by tables and stacks that are garbage.
 * LINK: gs_agent_objects
 */
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "preload/native/native_stack.h"
#include "preload/pyabi/pyabi.h"
#include "preload/trace_writer.h"

#define MOST 128

static uint8_t room[GS_UNWIND_ROOM] __attribute__((aligned(16)));

struct both {
    uint64_t ours[MOST], theirs[MOST];
    size_t n_ours, n_theirs;
    bool truncated;
};
static struct both seen;

/* As addresses of calls; the frame of who asks is left out of both. */
static __attribute__((noinline)) void look(void)
{
    static uint8_t copy[64 << 10];
    struct gs_native_frame frames[MOST];
    struct gs_native_regs regs = gs_native_regs_here();
    void *theirs[MOST];
    struct gs_stack_copy stack = {regs.sp & ~UINT64_C(7), copy, 0, sizeof(copy), true};
    size_t n = gs_native_unwind(&regs, &stack, frames, MOST, &seen.truncated, room);
    int m = backtrace(theirs, MOST);
    struct gs_native_table table = gs_native_table();
    seen.n_ours = seen.n_theirs = 0;
    for (size_t i = 1; i < n; i++)
        for (uint32_t k = 0; k < table.n; k++)
            if (table.modules[k].id == frames[i].module)
                seen.ours[seen.n_ours++] = frames[i].offset + table.modules[k].bias;
    int first = 1; /* behind look(), and a sanitizer's own backtrace() */
    while (first < 3 && seen.n_ours && (uint64_t)(uintptr_t)theirs[first] - 1 != seen.ours[0])
        first++;
    for (int i = first; i < m; i++)
        seen.theirs[seen.n_theirs++] = (uint64_t)(uintptr_t)theirs[i] - 1;
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

/* exact: of these frames, counted from the innermost, the address is no call's. */
static void check(size_t least, size_t exact)
{
    assert_false(seen.truncated);
    if (seen.n_ours < least)
        fail_msg("%zu frames, not %zu; backtrace: %zu", seen.n_ours, least, seen.n_theirs);
    assert_int_equal(seen.n_ours, seen.n_theirs);
    for (size_t i = 0; i < seen.n_ours; i++)
        assert_int_equal(seen.ours[i], seen.theirs[i] + (i == exact));
}

static __attribute__((noipa)) int deep(int n, const volatile char *text)
{
    volatile char *more = __builtin_alloca((size_t)n * 16 + 1);
    more[0] = text[0];
    if (n == 0)
        look();
    return n ? deep(n - 1, more) + 1 : more[0];
}

static void deep_chains(void **state)
{
    (void)state;
    deep(60, "");
    check(8, SIZE_MAX); /* some of the calls are made one by the compiler */
}

static int compare(const void *a, const void *b)
{
    if (*(const int *)a == 3 || *(const int *)b == 3)
        deep(3, "");
    return *(const int *)a - *(const int *)b;
}

static void through_the_c_library(void **state)
{
    (void)state;
    int numbers[] = {4, 3, 2, 1};
    qsort(numbers, 4, sizeof(int), compare);
    check(5, SIZE_MAX);
}

struct __attribute__((aligned(64))) wide {
    char bytes[64];
};
static __attribute__((noinline, optimize("O1"))) void aligned_frame(int n)
{
    struct wide w;
    memset(&w, n, sizeof(w));
    __asm__ volatile("" ::"r"(&w) : "memory");
    deep(n, w.bytes);
    __asm__ volatile("" ::"r"(&w) : "memory");
}

static void frames_that_align_themselves(void **state)
{
    (void)state;
    aligned_frame(2);
    check(4, SIZE_MAX);
}

static size_t handler_depth;
static void on_signal(int number)
{
    (void)number;
    look();
    handler_depth = seen.n_ours;
}

/* Behind the handler lies __restore_rt, whose place is exact, and then where the signal came. */
static void through_a_signal(void **state)
{
    (void)state;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    assert_false(seen.truncated);
    assert_true(seen.n_ours > 5);
    assert_int_equal(seen.n_ours, seen.n_theirs);
    for (size_t i = 0; i < seen.n_ours; i++) {
        uint64_t apart = seen.ours[i] - seen.theirs[i];
        assert_true(apart <= 1);
    }
}

/* ---- garbage ---- */

static uint64_t dice = 88172645463325252u;
static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    return dice ^= dice << 17;
}

static const struct gs_native_module *own_module(void)
{
    static struct gs_native_table table;
    table = gs_native_table();
    return gs_native_module_at(&table, (uint64_t)(uintptr_t)look);
}

/* A copy of this program's tables, of which bytes are changed. The rows of the copy point as far
 * from it as those of the original from that. */
static void tables_that_are_garbage(void **state)
{
    (void)state;
    const struct gs_native_module *o = own_module();
    size_t hdr = (size_t)o->eh_frame_hdr_bytes, len = hdr + (256u << 10);
    uint8_t *copy = malloc(len);
    assert_non_null(copy);
    size_t understood = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        struct gs_native_module fake = *o;
        memset(copy, 0, len);
        memcpy(copy, (const void *)(uintptr_t)o->eh_frame_hdr, hdr); /* NOLINT */
        gs_safe_read(copy + hdr, o->eh_frame_hdr + hdr, 64u << 10);
        for (uint64_t k = i ? 1 + roll() % 60 : 0; k > 0; k--)
            copy[roll() % (k % 3 ? hdr + (32u << 10) : 256)] = (uint8_t)roll();
        fake.id = 1000 + i;
        fake.eh_frame_hdr = (uint64_t)(uintptr_t)copy;
        uint64_t moved = fake.eh_frame_hdr - o->eh_frame_hdr;
        for (int k = 0; k < 20; k++) {
            uint64_t pc = (uint64_t)(uintptr_t)look + roll() % 4096 + (i % 2 ? moved : 0);
            understood += gs_unwind_rule(&fake, pc, room).cfa_rule > GS_CFA_OUTERMOST;
        }
    }
    assert_true(understood > 100);
    free(copy);
}

static void stacks_that_are_garbage(void **state)
{
    (void)state;
    uint64_t words[512];
    struct gs_native_frame frames[MOST];
    bool truncated;
    for (int i = 0; i < 20000; i++) {
        uint64_t base = (uint64_t)(uintptr_t)words;
        for (size_t k = 0; k < 512; k++)
            words[k] = roll() % 3 == 0   ? (uint64_t)(uintptr_t)look + roll() % 4096
                       : roll() % 2 == 0 ? base + roll() % sizeof(words)
                                         : roll();
        struct gs_stack_copy stack = {base, (uint8_t *)words, sizeof(words), sizeof(words), false};
        struct gs_native_regs regs = {(uint64_t)(uintptr_t)look + roll() % 4096,
                                      base + roll() % 256, base + roll() % 1024};
        assert_true(gs_native_unwind(&regs, &stack, frames, MOST, &truncated, room) <= MOST);
    }
}

static int begin(void **state)
{
    (void)state;
    if (!gs_writer_init() || !gs_native_begin(false))
        return -1;
    void *warm[2];
    backtrace(warm, 2); /* loads libgcc_s */
    gs_native_modules_find();
    return gs_native_table().n ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deep_chains),
        cmocka_unit_test(through_the_c_library),
        cmocka_unit_test(frames_that_align_themselves),
        cmocka_unit_test(through_a_signal),
        cmocka_unit_test(tables_that_are_garbage),
        cmocka_unit_test(stacks_that_are_garbage),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
