/* SPDX-License-Identifier: MIT
 * Rows that stay in their chunks: in order whatever chunk they lie in, each once, and of chunks in
 * order hardly more than one in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/row_stream.h"
#include "analyzer/trace_reader.h"

enum { N_CHUNKS = 50, CHUNK_ROWS = 40, N_ROWS = N_CHUNKS * CHUNK_ROWS };

struct row {
    uint64_t key, number;
};
struct chunks {
    struct row rows[N_CHUNKS][CHUNK_ROWS];
};

static size_t decode(const void *ctx, const struct gs_chunk_ref *c, uint32_t number,
                     uint64_t *scratch, void *out)
{
    const struct chunks *all = ctx;
    (void)c;
    scratch[0] = number;
    memcpy(out, all->rows[number], sizeof(all->rows[number]));
    return CHUNK_ROWS;
}

static int order(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static bool is_said(const void *before, const void *row)
{
    return ((const struct row *)before)->key == ((const struct row *)row)->key;
}

static const struct gs_row_kind KIND = {sizeof(struct row), decode, order, is_said};
static const struct gs_chunk_ref NOWHERE;

static struct gs_row_stream stream_of(const struct chunks *all)
{
    struct gs_row_stream s = {.kind = &KIND, .ctx = all};
    for (size_t i = 0; i < N_CHUNKS; i++) {
        uint64_t first = UINT64_MAX;
        for (size_t k = 0; k < CHUNK_ROWS; k++)
            first = all->rows[i][k].key < first ? all->rows[i][k].key : first;
        gs_row_stream_add(&s, &NOWHERE, first);
    }
    gs_row_stream_sort(&s);
    return s;
}

/* Keys 0, 1, 2 … come out, and of those alike the one that came in first. */
static size_t read_all(const struct chunks *all, size_t n_keys)
{
    struct gs_row_stream s = stream_of(all);
    struct gs_row_cursor c;
    const struct row *row;
    size_t n = 0, most_open = 0;
    gs_row_cursor_open(&c, &s);
    for (; (row = gs_row_peek(&c)); n++) {
        struct row seen = *row;
        row = gs_row_next(&c);
        assert_memory_equal(row, &seen, sizeof(seen));
        assert_int_equal(row->key, n);
        most_open = c.n_open > most_open ? c.n_open : most_open;
        for (size_t i = 0; i < N_ROWS; i++)
            if (all->rows[i / CHUNK_ROWS][i % CHUNK_ROWS].key == row->key)
                assert_true(all->rows[i / CHUNK_ROWS][i % CHUNK_ROWS].number >= row->number);
    }
    assert_int_equal(n, n_keys);
    assert_null(gs_row_next(&c));
    gs_row_cursor_close(&c);
    gs_row_stream_free(&s);
    return most_open;
}

static void fill(struct chunks *all, const uint64_t *keys)
{
    for (size_t i = 0; i < N_ROWS; i++)
        all->rows[i / CHUNK_ROWS][i % CHUNK_ROWS] = (struct row){keys[i], i};
}

static void chunks_in_order_come_one_by_one(void **state)
{
    static struct chunks all;
    uint64_t keys[N_ROWS];
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++)
        keys[i] = i;
    fill(&all, keys);
    assert_in_range(read_all(&all, N_ROWS), 1, 1);
}

/* As they are where threads write one after another: each chunk reaches into its neighbours. */
static void neighbours_may_overlap(void **state)
{
    static struct chunks all;
    uint64_t keys[N_ROWS];
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++)
        keys[i] = i;
    for (size_t i = CHUNK_ROWS - 5; i + 10 < N_ROWS; i += CHUNK_ROWS)
        for (size_t k = 0; k < 5; k++) {
            uint64_t keep = keys[i + k];
            keys[i + k] = keys[i + 9 - k];
            keys[i + 9 - k] = keep;
        }
    fill(&all, keys);
    assert_in_range(read_all(&all, N_ROWS), 2, 3);
}

static void any_order_is_put_in_order(void **state)
{
    static struct chunks all;
    uint64_t keys[N_ROWS], rng = 11;
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) { /* each key twice */
        size_t k = rng % (i + 1);
        rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
        keys[i] = keys[k];
        keys[k] = i / 2;
    }
    fill(&all, keys);
    read_all(&all, N_ROWS / 2);
}

static void nothing_is_an_end(void **state)
{
    struct gs_row_stream s = {.kind = &KIND};
    struct gs_row_cursor c;
    (void)state;
    gs_row_stream_sort(&s);
    gs_row_cursor_open(&c, &s);
    assert_null(gs_row_peek(&c));
    assert_null(gs_row_next(&c));
    gs_row_cursor_close(&c);
    gs_row_stream_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_in_order_come_one_by_one),
        cmocka_unit_test(neighbours_may_overlap),
        cmocka_unit_test(any_order_is_put_in_order),
        cmocka_unit_test(nothing_is_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
