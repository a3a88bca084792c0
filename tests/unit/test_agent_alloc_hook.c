/* SPDX-License-Identifier: MIT
 * The allocator hooks, around allocators of a Python that is none: what is sampled, what is lost,
 * what becomes of it in the capture.
 * LINK: gs_agent_objects
 */
#include <elf.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/alloc_hook.h"
#include "preload/alloc_records.h"
#include "preload/alloc_table.h"
#include "preload/elf_symbols.h"
#include "preload/gil.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace_writer.h"

/* ---- a Python ---- */

struct allocator { /* PyMemAllocatorEx */
    void *ctx;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};

static bool out_of_memory;
static void *kept; /* what the next malloc gives: a block that was freed past our hooks */

static void *next_malloc(void *ctx, size_t size)
{
    void *block = kept;
    assert_ptr_equal(ctx, &out_of_memory);
    kept = NULL;
    if (block)
        return block;
    return out_of_memory ? NULL : malloc(size ? size : 1);
}

static void *next_calloc(void *ctx, size_t n, size_t size)
{
    assert_ptr_equal(ctx, &out_of_memory);
    return out_of_memory || (size && n > SIZE_MAX / size) ? NULL : calloc(n, size);
}

static void *next_realloc(void *ctx, void *block, size_t size)
{
    assert_ptr_equal(ctx, &out_of_memory);
    return out_of_memory ? NULL : realloc(block, size ? size : 1);
}

static void next_free(void *ctx, void *block)
{
    assert_ptr_equal(ctx, &out_of_memory);
    free(block);
}

static struct { /* as in Python's data */
    uint64_t something_else[5];
    struct allocator domains[3];
} data;

static void get_allocator(int domain, struct allocator *a)
{
    *a = data.domains[domain];
}

static void set_allocator(int domain, struct allocator *a)
{
    data.domains[domain] = *a;
}

/* A hash table of ELF with one bucket. */
static struct gs_elf_object fake_python(void)
{
    static const char names[] = "\0PyMem_GetAllocator\0PyMem_SetAllocator";
    static Elf64_Sym syms[3];
    static uint32_t hash[4 + 2 + 1 + 2] = {1, 1, 1, 0, 0, 0, 1};
    void (*functions[2])(int, struct allocator *) = {get_allocator, set_allocator};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t h = 5381, name = i ? 20 : 1;
        for (const char *s = names + name; *s; s++)
            h = h * 33 + (uint8_t)*s;
        hash[7 + i] = i ? h | 1 : h & ~1u;
        syms[1 + i] = (Elf64_Sym){.st_name = name, .st_shndx = 1};
        memcpy(&syms[1 + i].st_value, &functions[i], sizeof(functions[i]));
    }
    return (struct gs_elf_object){.symtab = syms,
                                  .strtab = names,
                                  .gnu_hash = hash,
                                  .data_lo = (uintptr_t)&data,
                                  .data_len = sizeof(data)};
}

static void *py_malloc(size_t size)
{
    return data.domains[2].malloc(data.domains[2].ctx, size);
}

static void *py_realloc(void *block, size_t size)
{
    return data.domains[2].realloc(data.domains[2].ctx, block, size);
}

static void py_free(void *block)
{
    data.domains[2].free(data.domains[2].ctx, block);
}

/* ---- the agent ---- */

static char path[100];
static struct gs_gil gil;

static void set_up(uint64_t interval)
{
    struct gs_elf_object python = fake_python();
    const struct allocator plain = {&out_of_memory, next_malloc, next_calloc, next_realloc,
                                    next_free};
    gs_threads_forget();
    gs_writer_forget();
    gs_spill_init();
    gs_clock_init();
    out_of_memory = false;
    gs_live.mode = GS_LIVE_YES;
    gs_agent.state = GS_STATE_ON;
    gs_agent.level = 1;
    gs_agent.t_start = gs_now();
    gs_agent.process_key = gs_now();
    gs_agent.config.alloc = true;
    gs_agent.config.alloc_interval_bytes = interval;
    strcpy(path, "/tmp/gs_alloc_XXXXXX");
    assert_non_null(mkdtemp(path));
    snprintf(gs_writer.sink.path, sizeof(gs_writer.sink.path), "%s/t.gsc", path);
    assert_true(gs_stack_intern_init(&gs_agent.abi) && gs_writer_init());
    assert_int_equal(gs_writer_open(false), 0);
    for (int i = 0; i < 3; i++)
        data.domains[i] = plain;
    gs_alloc_install(&python, false);
    gs_alloc_begin();
    assert_null(gs_alloc_why_not());
    assert_true(gs_alloc_is_installed());
}

/* With an interval of a byte every allocation is a sample. */
static int sample_all(void **state)
{
    (void)state;
    set_up(1);
    assert_non_null(gs_thread_get(&gil));
    return 0;
}

static int clean(void **state)
{
    (void)state;
    unlink(gs_writer.sink.path);
    return rmdir(path);
}

/* ---- what the capture says ---- */

struct rows {
    size_t n;
    uint64_t col[GS_CHUNK_MAX_COLS][8192];
};

static const struct rows *read_rows(uint8_t stream)
{
    static uint8_t file[4 << 20];
    static struct rows r;
    struct gs_chunk_hdr h;
    gs_writer_drain();
    FILE *f = fopen(gs_writer.sink.path, "rb");
    assert_non_null(f);
    size_t len = fread(file, 1, sizeof(file), f);
    fclose(f);
    r.n = 0;
    for (size_t at = GS_FILE_HDR_LEN; at < len; at += h.total_len) {
        assert_int_equal(gs_chunk_hdr_decode(file + at, len - at, &h), GS_OK);
        if (h.stream != stream)
            continue;
        assert_int_equal(h.gil, GS_NO_GIL);
        assert_in_range(r.n + h.n_rows, 1, 8192);
        for (unsigned c = 0; c < h.n_cols; c++)
            assert_int_equal(gs_chunk_decode_column(file + at, &h, c, r.col[c] + r.n), GS_OK);
        r.n += h.n_rows;
    }
    return &r;
}

enum { T, ID, ADDRESS, BYTES, POINTS, DOMAIN, THREAD };

static void an_allocation_is_a_row_and_so_is_its_end(void **state)
{
    (void)state;
    void *block = py_malloc(40), *other = data.domains[1].malloc(data.domains[1].ctx, 50);
    py_free(block);
    const struct rows *r = read_rows(GS_STREAM_ALLOC);
    assert_int_equal(r->n, 2);
    assert_int_equal(r->col[ID][0], 1);
    assert_int_equal(r->col[ADDRESS][0], (uintptr_t)block);
    assert_int_equal(r->col[BYTES][0], 40);
    assert_int_equal(r->col[POINTS][0], 40);
    assert_int_equal(r->col[DOMAIN][0], GS_ALLOC_OBJ);
    assert_int_equal(r->col[ID][1], 2);
    assert_int_equal(r->col[BYTES][1], 50);
    assert_int_equal(r->col[DOMAIN][1], GS_ALLOC_MEM);
    assert_true(r->col[T][0] <= r->col[T][1]);
    r = read_rows(GS_STREAM_FREE);
    assert_int_equal(r->n, 1);
    assert_int_equal(r->col[ID][0], 1);
    data.domains[1].free(data.domains[1].ctx, other);
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, 2);
    assert_int_equal(gs_alloc_counts().samples, 2);
    assert_int_equal(gs_alloc_counts().lost_allocs + gs_alloc_counts().lost_frees, 0);
}

static void what_fails_is_no_sample(void **state)
{
    struct allocator *obj = &data.domains[2];
    (void)state;
    void *block = py_malloc(10);
    out_of_memory = true;
    assert_null(py_malloc(10));
    assert_null(obj->calloc(obj->ctx, 2, 10));
    assert_null(py_realloc(block, 20));
    out_of_memory = false;
    assert_null(obj->calloc(obj->ctx, SIZE_MAX / 2, 4)); /* 4 bytes, had it overflowed */
    assert_int_equal(gs_alloc_counts().samples, 1);
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, 0);
    py_free(block); /* lives on after the realloc that failed */
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, 1);
    py_free(NULL);
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, 1);
}

static void realloc_ends_a_sample_and_draws_anew(void **state)
{
    (void)state;
    void *block = py_realloc(NULL, 16);
    block = py_realloc(block, 100);
    block = py_realloc(block, 8);
    const struct rows *r = read_rows(GS_STREAM_ALLOC);
    assert_int_equal(r->n, 3);
    assert_int_equal(r->col[BYTES][1], 100);
    assert_int_equal(r->col[POINTS][2], 8);
    r = read_rows(GS_STREAM_FREE);
    assert_int_equal(r->n, 2);
    assert_int_equal(r->col[ID][1], 2);
    py_free(block);
    struct allocator *obj = &data.domains[2];
    py_free(obj->calloc(obj->ctx, 7, 11));
    assert_int_equal(read_rows(GS_STREAM_ALLOC)->col[BYTES][3], 77);
}

static void only_points_are_samples(void **state)
{
    uint64_t points = 0;
    (void)state;
    set_up(1000);
    assert_non_null(gs_thread_get(&gil));
    for (int i = 0; i < 100000; i++)
        py_free(py_malloc(30));
    const struct rows *r = read_rows(GS_STREAM_ALLOC);
    for (size_t i = 0; i < r->n; i++)
        points += r->col[POINTS][i];
    assert_true(fabs((double)points - 3000) < 4 * sqrt(3000));
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, gs_alloc_counts().samples);
}

/* Ten times fewer, and each counts for ten: the sum stays. */
static void the_governor_takes_samples_not_weight(void **state)
{
    uint64_t points = 0;
    (void)state;
    set_up(100);
    assert_non_null(gs_thread_get(&gil));
    gs_alloc_fewer();
    for (int i = 0; i < 100000; i++)
        py_free(py_malloc(20));
    const struct rows *r = read_rows(GS_STREAM_ALLOC);
    for (size_t i = 0; i < r->n; i++)
        points += r->col[POINTS][i];
    assert_true(fabs((double)r->n - 2000) < 4 * sqrt(2000));
    assert_true(fabs((double)points - 20000) < 4 * 10 * sqrt(2000));
}

static void where_nothing_is_recorded_nothing_is_noted(void **state)
{
    (void)state;
    void *block = py_malloc(10);
    gs_live.mode = GS_LIVE_NO;
    py_free(block);
    py_free(py_realloc(py_malloc(10), 1000));
    assert_int_equal(gs_alloc_counts().samples, 1);
    gs_live.mode = GS_LIVE_YES;
    assert_int_equal(read_rows(GS_STREAM_ALLOC)->n, 1);
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, 0);
}

static void without_a_thread_it_is_counted(void **state)
{
    (void)state;
    set_up(1); /* no thread */
    py_free(py_malloc(10));
    assert_int_equal(gs_alloc_counts().samples, 1);
    assert_int_equal(gs_alloc_counts().lost_allocs, 1);
    assert_int_equal(gs_alloc_counts().lost_frees, 0);
}

/* Ring and spill are full: the row is lost, and no FREE row comes for what has none. */
static void a_lost_row_leaves_nothing_behind(void **state)
{
    const uint32_t rows = (GS_RING_SLOTS + GS_SPILL_SLOTS) / 2, more = 100;
    static void *blocks[(GS_RING_SLOTS + GS_SPILL_SLOTS) / 2 + 100];
    (void)state;
    for (uint32_t i = 0; i < rows + more; i++)
        blocks[i] = py_malloc(1);
    assert_int_equal(gs_alloc_counts().samples, rows + more);
    assert_int_equal(gs_alloc_counts().lost_allocs, more);
    py_free(blocks[0]); /* no room for this one either */
    assert_int_equal(gs_alloc_counts().lost_frees, 1);
    assert_int_equal(gs_thread_self()->dropped, more + 1);
    gs_writer_drain();
    for (uint32_t i = 1; i < rows + more; i++) {
        py_free(blocks[i]);
        if (i % 1000 == 0)
            gs_writer_drain();
    }
    gs_writer_drain();
    assert_int_equal(gs_alloc_counts().lost_frees, 1);
}

/* An allocator that was set over ours frees our block; the address comes again. */
static void what_was_freed_past_us_ends_when_its_address_comes_again(void **state)
{
    (void)state;
    void *block = py_malloc(64);
    kept = block;
    void *again = py_malloc(64);
    assert_ptr_equal(block, again);
    assert_int_equal(read_rows(GS_STREAM_FREE)->n, 1);
    py_free(again);
    assert_int_equal(read_rows(GS_STREAM_FREE)->col[ID][1], 2);
}

static void a_new_segment_tells_who_lives(void **state)
{
    void *blocks[3];
    (void)state;
    gs_agent.config.max_size_bytes = 10 << 20;
    for (int i = 0; i < 3; i++)
        blocks[i] = py_malloc(100);
    py_free(blocks[1]);
    gs_writer_drain();
    gs_alloc_records_again();
    const struct rows *r = read_rows(GS_STREAM_ALLOC);
    assert_int_equal(r->n, 5);
    assert_int_equal(r->col[ID][3] + r->col[ID][4], 1 + 3);
    for (size_t i = 3; i < 5; i++)
        for (int c = T; c <= THREAD; c++)
            assert_int_equal(r->col[c][i], r->col[c][r->col[ID][i] - 1]);
    py_free(blocks[0]);
    py_free(blocks[2]);
}

static void somebody_elses_allocator_is_noticed(void **state)
{
    (void)state;
    data.domains[2].malloc = next_malloc;
    assert_false(gs_alloc_is_installed());
    assert_int_equal(data.domains[2].malloc == next_malloc, 1); /* and left alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_allocation_is_a_row_and_so_is_its_end, sample_all,
                                        clean),
        cmocka_unit_test_setup_teardown(what_fails_is_no_sample, sample_all, clean),
        cmocka_unit_test_setup_teardown(realloc_ends_a_sample_and_draws_anew, sample_all, clean),
        cmocka_unit_test_teardown(only_points_are_samples, clean),
        cmocka_unit_test_teardown(the_governor_takes_samples_not_weight, clean),
        cmocka_unit_test_setup_teardown(where_nothing_is_recorded_nothing_is_noted, sample_all,
                                        clean),
        cmocka_unit_test_teardown(without_a_thread_it_is_counted, clean),
        cmocka_unit_test_setup_teardown(a_lost_row_leaves_nothing_behind, sample_all, clean),
        cmocka_unit_test_setup_teardown(what_was_freed_past_us_ends_when_its_address_comes_again,
                                        sample_all, clean),
        cmocka_unit_test_setup_teardown(a_new_segment_tells_who_lives, sample_all, clean),
        cmocka_unit_test_setup_teardown(somebody_elses_allocator_is_noticed, sample_all, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
