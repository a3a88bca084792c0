/* SPDX-License-Identifier: MIT
 * gs_pyabi_line against the lines that CPython 3.9-3.15 give for every instruction of real code
 * objects (pyabi_line_rows.h), and against tables that no compiler writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "preload/pyabi/pyabi.h"

struct vector {
    const char *python, *code;
    enum gs_linetable_kind kind;
    int32_t first_line;
    const uint8_t *table;
    size_t table_len;
    const int32_t *lines; /* pairs: line, number of instructions */
    size_t n_lines;
};

#include "tests/unit/pyabi_line_rows.h"

enum { N_VECTORS = sizeof(vectors) / sizeof(vectors[0]), UNIT = 2 };

static uint32_t check_vector(const struct vector *v)
{
    uint32_t off = 0;
    for (size_t i = 0; i < v->n_lines; i += 2) {
        for (int32_t n = 0; n < v->lines[i + 1]; n++, off += UNIT) {
            int32_t line = gs_pyabi_line(v->kind, v->table, v->table_len, v->first_line, off);
            if (line != v->lines[i])
                fail_msg("%s %s at %u: %d, not %d", v->python, v->code, off, line, v->lines[i]);
        }
    }
    return off;
}

static void line_equals_cpythons(void **state)
{
    (void)state;
    size_t n_instructions = 0;
    for (size_t i = 0; i < N_VECTORS; i++)
        n_instructions += check_vector(&vectors[i]) / UNIT;
    assert_true(n_instructions > 5000);
}

static void behind_the_table_there_is_no_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_VECTORS; i++) {
        const struct vector *v = &vectors[i];
        if (v->kind != GS_LINETABLE_LNOTAB)
            assert_int_equal(
                gs_pyabi_line(v->kind, v->table, v->table_len, v->first_line, 1u << 30), -1);
    }
}

static void empty_or_absent_tables(void **state)
{
    (void)state;
    const uint8_t byte = 0xff;
    assert_int_equal(gs_pyabi_line(GS_LINETABLE_NONE, &byte, 1, 7, 0), -1);
    assert_int_equal(gs_pyabi_line(GS_LINETABLE_LNOTAB, NULL, 9, 7, 0), 7);
    assert_int_equal(gs_pyabi_line(GS_LINETABLE_LINETABLE, NULL, 9, 7, 0), -1);
    assert_int_equal(gs_pyabi_line(GS_LINETABLE_LOCATIONS, NULL, 0, 7, 0), -1);
    assert_int_equal(gs_pyabi_line((enum gs_linetable_kind)99, &byte, 1, 7, 0), -1);
}

/* Cut at every length, in a buffer of exactly that length: a sanitizer sees a byte too many. */
static void cut_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_VECTORS; i++) {
        for (size_t len = 0; len < vectors[i].table_len; len++) {
            uint8_t *copy = malloc(len ? len : 1);
            assert_non_null(copy);
            memcpy(copy, vectors[i].table, len);
            int32_t line = gs_pyabi_line(vectors[i].kind, copy, len, 1, (uint32_t)len);
            assert_true(line >= -1);
            free(copy);
        }
    }
}

static void garbage_neither_hangs_nor_leaves_the_table(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)round % 67;
        uint8_t *table = malloc(len ? len : 1);
        assert_non_null(table);
        for (size_t i = 0; i < len; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            table[i] = (uint8_t)(round & 1 ? x | 0x80 : x);
        }
        for (int kind = GS_LINETABLE_NONE; kind <= GS_LINETABLE_LOCATIONS; kind++)
            assert_true(gs_pyabi_line((enum gs_linetable_kind)kind, table, len,
                                      round & 2 ? INT32_MAX : -5, (uint32_t)x & 0x3ff) >= -1);
        free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_equals_cpythons),
        cmocka_unit_test(behind_the_table_there_is_no_line),
        cmocka_unit_test(empty_or_absent_tables),
        cmocka_unit_test(cut_tables),
        cmocka_unit_test(garbage_neither_hangs_nor_leaves_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
