/* SPDX-License-Identifier: MIT
 * gs_pyabi_read_gc on made interpreters of every version; what is no collector's state is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "preload/pyabi/pyabi.h"

struct row {
    int minor, free_threaded;
    struct gs_pyabi_offsets off, debug;
};

#define GS_F(name, value)                              .name = (value),
#define GS_PYABI_ROW(minor, free_threaded, off, debug) {minor, free_threaded, {off}, {debug}},
static const struct row rows[] = {
#include "preload/pyabi/pyabi_rows.def"
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]), INTERP_BYTES = 16384 };

struct fake {
    _Alignas(16) uint8_t runtime[2048], interp[INTERP_BYTES], rings[2048];
    struct gs_pyabi abi;
    uint8_t *gc;
};

static void put_u64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void put_i32(uint8_t *at, int32_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void put_stats(const struct fake *f, uint8_t *at, uint64_t collections, double seconds)
{
    put_u64(at + f->abi.off.stats_collections, collections);
    put_u64(at + f->abi.off.stats_collected, collections * 10);
    put_u64(at + f->abi.off.stats_uncollectable, collections / 4);
    if (f->abi.off.stats_duration >= 0)
        memcpy(at + f->abi.off.stats_duration, &seconds, sizeof(seconds));
}

/* Generation g has 100 + g collections, of g + 1 seconds together. */
static void make_stats(struct fake *f)
{
    const struct gs_pyabi_offsets *off = &f->abi.off;
    if (off->stats_old < 0) {
        for (int g = 0; g < 3; g++)
            put_stats(f, f->gc + off->gc_stats + g * off->stats_size, 100u + (unsigned)g, 0);
        return;
    }
    put_u64(f->gc + off->gc_stats, (uintptr_t)f->rings);
    for (int i = 0; i < 4; i++) /* the newest is in the midst */
        put_stats(f, f->rings + ((i + 2) % 4) * off->stats_size, 97u + (unsigned)i, 0.25 * (i + 1));
    for (int g = 1; g < 3; g++)
        put_stats(f, f->rings + off->stats_old + (g - 1) * off->stats_old_size, 100u + (unsigned)g,
                  g + 1);
}

static void make(struct fake *f, const struct row *row)
{
    const struct gs_pyabi_offsets *off = &row->off;
    memset(f, 0, sizeof(*f));
    f->abi = (struct gs_pyabi){.minor = (uint8_t)row->minor, .has_gc = true, .off = *off};
    f->abi.in.py_runtime = (uintptr_t)f->runtime;
    f->gc = f->interp + off->interp_gc;
    assert_true(off->interp_gc + off->gc_size <= INTERP_BYTES);
    put_u64(f->runtime + off->runtime_interpreters, (uintptr_t)f->interp);
    put_i32(f->gc + off->gc_enabled, 1);
    put_u64(f->gc + off->gc_generation0, (uintptr_t)f->gc + (uintptr_t)off->gc_generations);
    put_u64(f->gc + off->gc_long_lived, 5000);
    put_u64(f->gc + off->gc_pending, 70);
    for (int g = 0; g < 3; g++) {
        uint8_t *generation = f->gc + off->gc_generations + g * off->generation_size;
        put_u64(generation, (uintptr_t)generation);
        put_u64(generation + 8, (uintptr_t)generation);
        put_i32(generation + off->generation_threshold, 700 / (g + 1));
        put_i32(generation + off->generation_count, 3 + g);
    }
    make_stats(f);
}

static void every_version_is_read(void **state)
{
    (void)state;
    struct fake f;
    struct gs_py_gc gc;
    int minors = 0;
    for (int i = 0; i < N_ROWS; i++) {
        if (rows[i].free_threaded)
            continue;
        make(&f, &rows[i]);
        assert_true(gs_pyabi_read_gc(&f.abi, (uintptr_t)f.interp, &gc));
        assert_true(gs_pyabi_gc_hangs_together(&f.abi, (uintptr_t)f.interp));
        assert_true(gc.enabled && !gc.collecting);
        assert_int_equal(gc.live, 5070);
        for (unsigned g = 0; g < 3; g++) {
            assert_int_equal(gc.generations[g].collections, 100 + g);
            assert_int_equal(gc.generations[g].collected, 1000 + 10 * g);
            assert_int_equal(gc.generations[g].uncollectable, 25);
            assert_int_equal(gc.generations[g].threshold, 700 / (g + 1));
            assert_int_equal(gc.generations[g].count, 3 + g);
        }
        assert_int_equal(gc.has_duration, rows[i].minor >= 15);
        assert_int_equal(gc.duration_ns, rows[i].minor >= 15 ? 6000000000 : 0);
        minors |= 1 << rows[i].minor;
    }
    assert_int_equal(minors, 0xfe00); /* 9 to 15 */
}

static const struct row *row_of(int minor)
{
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].minor == minor && !rows[i].free_threaded)
            return &rows[i];
    fail_msg("no row for 3.%d", minor);
    return NULL;
}

static void refuses(struct fake *f, bool reads)
{
    struct gs_py_gc gc;
    assert_int_equal(gs_pyabi_read_gc(&f->abi, (uintptr_t)f->interp, &gc), reads);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    struct fake f;
    struct gs_py_gc gc;
    const struct gs_pyabi_offsets *off = &row_of(12)->off;
    make(&f, row_of(12));
    assert_false(gs_pyabi_read_gc(&f.abi, 4096, &gc)); /* nothing is there */
    assert_false(gs_pyabi_read_gc(&f.abi, UINTPTR_MAX - 64, &gc));
    f.abi.has_gc = false;
    refuses(&f, false);
    make(&f, row_of(12));
    put_u64(f.gc + off->gc_generation0, (uintptr_t)f.gc);
    refuses(&f, false);
    make(&f, row_of(12));
    put_i32(f.gc + off->gc_collecting, 2);
    refuses(&f, false);
    make(&f, row_of(12));
    put_i32(f.gc + off->gc_enabled, -1);
    refuses(&f, false);
    make(&f, row_of(12));
    put_u64(f.gc + off->gc_generations + 8, 0);
    refuses(&f, false);
    make(&f, row_of(12));
    put_u64(f.gc + off->gc_long_lived, UINT64_MAX - 1000); /* no number of objects */
    assert_true(gs_pyabi_read_gc(&f.abi, (uintptr_t)f.interp, &gc));
    assert_int_equal(gc.live, 0);
}

static void rings_that_are_none_are_refused(void **state)
{
    (void)state;
    struct fake f;
    struct gs_py_gc gc;
    const struct gs_pyabi_offsets *off = &row_of(15)->off;
    make(&f, row_of(15));
    put_u64(f.gc + off->gc_stats, 8);
    refuses(&f, false);
    make(&f, row_of(15));
    double nonsense = -1.0 / 0.0;
    memcpy(f.rings + off->stats_old + off->stats_duration, &nonsense, sizeof(nonsense));
    assert_true(gs_pyabi_read_gc(&f.abi, (uintptr_t)f.interp, &gc));
    assert_int_equal(gc.duration_ns, 4000000000);
}

static void lists_that_do_not_hang_together(void **state)
{
    (void)state;
    struct fake f;
    uint64_t object[2] = {0, 0};
    make(&f, row_of(13));
    uint8_t *middle = f.gc + f.abi.off.gc_generations + f.abi.off.generation_size;
    put_u64(middle, (uintptr_t)object | 1); /* low bits are flags */
    assert_false(gs_pyabi_gc_hangs_together(&f.abi, (uintptr_t)f.interp));
    object[1] = (uintptr_t)middle | 3;
    assert_true(gs_pyabi_gc_hangs_together(&f.abi, (uintptr_t)f.interp));
    put_u64(middle, 64);
    assert_false(gs_pyabi_gc_hangs_together(&f.abi, (uintptr_t)f.interp));
}

static void interpreters_are_listed(void **state)
{
    (void)state;
    static struct fake f, second;
    struct gs_py_interpreter list[4];
    make(&f, row_of(14));
    make(&second, row_of(14));
    const struct gs_pyabi_offsets *off = &f.abi.off;
    put_u64(second.interp + off->interp_id, 7);
    put_u64(f.interp + off->interp_next, (uintptr_t)second.interp);
    assert_int_equal(gs_pyabi_interpreters(&f.abi, list, 4), 2);
    assert_true(list[0].id == 0 && list[1].id == 7);
    assert_true(list[1].address == (uintptr_t)second.interp);
    assert_int_equal(gs_pyabi_interpreters(&f.abi, list, 1), 1);
    put_u64(second.interp + off->interp_next, (uintptr_t)f.interp); /* a ring */
    assert_int_equal(gs_pyabi_interpreters(&f.abi, list, 4), 4);
    put_u64(second.interp + off->interp_next, 32); /* nothing there */
    assert_int_equal(gs_pyabi_interpreters(&f.abi, list, 4), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_is_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(rings_that_are_none_are_refused),
        cmocka_unit_test(lists_that_do_not_hang_together),
        cmocka_unit_test(interpreters_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
