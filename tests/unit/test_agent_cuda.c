/* SPDX-License-Identifier: MIT
 * Which wrapper a program gets for what it asks cuGetProcAddress(), and what lives of memory that
 * has more than one name.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/cuda_image.h"
#include "preload/cuda_live.h"
#include "preload/cuda_lookup.h"

#define PER_THREAD 2
#define NEWEST     13000

static int real, other; /* addresses of functions of the driver's, to compare only */

static void *same(const char *name, int version, uint64_t flags)
{
    (void)name;
    (void)version;
    (void)flags;
    return &real;
}

static void *another(const char *name, int version, uint64_t flags)
{
    return same(name, version, flags) ? &other : NULL;
}

static void *wrapper(const char *name, int version, uint64_t flags)
{
    return gs_cuda_wrapper_of(name, version, flags, &real, same);
}

static const struct {
    const char *symbol, *base;
    int since, per_thread;
    void *wrapper;
} calls[] = {
#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params)                                  \
    {#symbol, #base, since, per_thread, (void *)symbol},
#include "preload/cuda_calls.def"
#undef GS_CUDA_CALL
};

static void test_every_entry_is_found_by_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < GS_CUDA_CALLS; i++) {
        uint64_t flags = calls[i].per_thread ? PER_THREAD : 0;
        assert_string_equal(gs_cuda_symbols[i], calls[i].symbol);
        assert_ptr_equal(wrapper(calls[i].base, calls[i].since, flags), calls[i].wrapper);
    }
}

static void test_versions(void **state)
{
    (void)state;
    assert_ptr_equal(wrapper("cuCtxCreate", 3020, 0), cuCtxCreate_v2);
    assert_ptr_equal(wrapper("cuCtxCreate", 11030, 0), cuCtxCreate_v2);
    assert_ptr_equal(wrapper("cuCtxCreate", 11040, 0), cuCtxCreate_v3);
    assert_ptr_equal(wrapper("cuCtxCreate", NEWEST, 0), cuCtxCreate_v4);
    assert_ptr_equal(wrapper("cuMemAlloc", 2000, 0), &real); /* of another layout: untouched */
    assert_ptr_equal(wrapper("cuGetProcAddress", 11030, 0), cuGetProcAddress);
    assert_ptr_equal(wrapper("cuGetProcAddress", 12000, 0), cuGetProcAddress_v2);
    assert_ptr_equal(wrapper("cuInit", NEWEST, 0), &real);
}

static void test_per_thread_streams(void **state)
{
    (void)state;
    assert_ptr_equal(wrapper("cuStreamSynchronize", NEWEST, 0), cuStreamSynchronize);
    assert_ptr_equal(wrapper("cuStreamSynchronize", NEWEST, PER_THREAD), cuStreamSynchronize_ptsz);
    assert_ptr_equal(wrapper("cuStreamSynchronize", 2000, PER_THREAD), cuStreamSynchronize);
    assert_ptr_equal(wrapper("cuMemAlloc", NEWEST, PER_THREAD), cuMemAlloc_v2);
}

/* Of a driver that is newer than our table: what it gives for a newer version may take other
 * arguments, unless it gives the same for a version we know. */
static void test_a_newer_driver(void **state)
{
    (void)state;
    assert_ptr_equal(gs_cuda_wrapper_of("cuMemAlloc", 14000, 0, &real, same), cuMemAlloc_v2);
    assert_ptr_equal(gs_cuda_wrapper_of("cuMemAlloc", 14000, 0, &real, another), &real);
}

/* ---- what lives ---- */

static struct gs_cuda_block block(uint64_t seq, uint32_t context)
{
    return (struct gs_cuda_block){.seq = seq,
                                  .t = seq,
                                  .bytes = 100,
                                  .context = (uint16_t)context,
                                  .kind = GS_CUDA_KIND_DEVICE};
}

static void test_the_newest_of_a_name_is_taken(void **state)
{
    struct gs_cuda_block old = block(1, 1), new = block(2, 2), out;
    (void)state;
    gs_cuda_live_put(GS_SPACE_DEVICE, 0x1000, &old);
    gs_cuda_live_put(GS_SPACE_DEVICE, 0x1000, &new);
    assert_false(gs_cuda_live_take(GS_SPACE_HOST, 0x1000, &out));
    assert_true(gs_cuda_live_take(GS_SPACE_DEVICE, 0x1000, &out));
    assert_int_equal(out.seq, 2);
    assert_int_equal(gs_cuda_live_end_context(1), 100);
    assert_false(gs_cuda_live_take(GS_SPACE_DEVICE, 0x1000, &out));
}

static void test_a_handle_comes_again_while_its_memory_is_mapped(void **state)
{
    struct gs_cuda_block first = {.seq = 1, .bytes = 7, .refs = 1, .names = 1}, second = first, out;
    (void)state;
    gs_cuda_live_put(GS_SPACE_VMM, 5, &first);
    uint32_t slot = gs_cuda_live_slot(gs_cuda_live_find(GS_SPACE_VMM, 5));
    assert_true(gs_cuda_live_hold(slot)); /* mapped */
    gs_cuda_live_unname(slot);            /* released */
    assert_false(gs_cuda_live_drop(slot, &out));
    assert_null(gs_cuda_live_find(GS_SPACE_VMM, 5));
    second.seq = 2;
    gs_cuda_live_put(GS_SPACE_VMM, 5, &second);
    assert_int_equal(gs_cuda_live_find(GS_SPACE_VMM, 5)->seq, 2);
    assert_true(gs_cuda_live_drop(slot, &out)); /* unmapped */
    assert_int_equal(out.seq, 1);
    assert_false(gs_cuda_live_hold(slot));
}

static void test_no_room_is_counted(void **state)
{
    struct gs_cuda_block b = block(9, 3), out;
    uint64_t untracked = gs_cuda_untracked();
    (void)state;
    for (unsigned i = 0; i < GS_CUDA_PROBES; i++)
        assert_true(gs_cuda_live_put(GS_SPACE_ARRAY, 0x77, &b));
    assert_false(gs_cuda_live_put(GS_SPACE_ARRAY, 0x77, &b));
    assert_int_equal(gs_cuda_untracked(), untracked + 1);
    for (unsigned i = 0; i < GS_CUDA_PROBES; i++)
        assert_true(gs_cuda_live_take(GS_SPACE_ARRAY, 0x77, &out));
}

/* ---- images ---- */

static void test_bytes_of_images(void **state)
{
    const struct {
        uint32_t magic;
        uint16_t version, header_bytes;
        uint64_t body_bytes;
    } fat = {0xba55ed50u, 1, 16, 4000};
    const struct {
        uint32_t magic, version;
        const void *data, *file;
    } around = {0x466243b1u, 1, &fat, NULL};
    unsigned char elf[64] = {0x7f, 'E', 'L', 'F', [40] = 0x80, [58] = 64, [60] = 3};
    (void)state;
    assert_int_equal(gs_cuda_image_bytes(&fat), 4016);
    assert_int_equal(gs_cuda_image_bytes(&around), 4016);
    assert_int_equal(gs_cuda_image_bytes(elf), 0x80 + 64 * 3);
    assert_int_equal(gs_cuda_image_bytes(".version 8.0\n.target sm_90\n"), 27);
    assert_int_equal(gs_cuda_image_bytes(NULL), 0);
    assert_int_equal(gs_cuda_image_bytes((void *)16), 0);
    assert_int_equal(gs_cuda_file_bytes("/nowhere"), 0);
}

static int map_table(void **state)
{
    (void)state;
    return gs_cuda_live_init() ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_entry_is_found_by_what_it_says),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_per_thread_streams),
        cmocka_unit_test(test_a_newer_driver),
        cmocka_unit_test(test_the_newest_of_a_name_is_taken),
        cmocka_unit_test(test_a_handle_comes_again_while_its_memory_is_mapped),
        cmocka_unit_test(test_no_room_is_counted),
        cmocka_unit_test(test_bytes_of_images),
    };
    return cmocka_run_group_tests(tests, map_table, NULL);
}
