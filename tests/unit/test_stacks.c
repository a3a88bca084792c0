/* SPDX-License-Identifier: MIT
 * Maps of ids, and the tree of stacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyzer/stacks.h"

/* Every key of keys[] has the index of its first place; others have none. */
static void check_map(const uint64_t *keys, size_t n)
{
    struct gs_idmap m = {0};
    for (size_t i = 0; i < n; i++) {
        size_t first = 0;
        while (first < m.n && m.keys[first] != keys[i])
            first++;
        assert_int_equal(gs_idmap_add(&m, keys[i]), first);
        for (size_t k = 0; k < m.n; k++)
            assert_int_equal(gs_idmap_find(&m, m.keys[k]), k);
        assert_int_equal(gs_idmap_find(&m, keys[i] ^ UINT64_C(1) << 40), GS_IDMAP_NONE);
    }
    gs_idmap_free(&m);
}

static void maps_keep_the_order_of_keys(void **state)
{
    (void)state;
    static const uint64_t cases[][6] = {
        {1, 2, 3, 4, 5, 6},                      /* a run */
        {1, 2, 1, 3, 2, 4},                      /* a run, again and again */
        {5, 6, 7, 9, 8, 10},                     /* a run that ends */
        {5, 4, 3, 4, 5, 6},                      /* none */
        {7, 7, 7, 0, 8, 9},                      /* back to the least */
        {UINT64_MAX, 0, 1, UINT64_MAX - 1, 2, 3} /* round the corner */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_map(cases[i], 6);
    uint64_t keys[300];
    for (size_t i = 0; i < 300; i++)
        keys[i] = i < 100 ? i + 3 : i * 7919 % 211;
    check_map(keys, 300);
    struct gs_idmap empty = {0};
    assert_int_equal(gs_idmap_find(&empty, 0), GS_IDMAP_NONE);
}

/* However many a parent has, each is one node, and the order of nodes is that of their making. */
static void children_are_told_apart(void **state)
{
    (void)state;
    enum { PARENTS = 3, CHILDREN = 40 };
    struct gs_stacks s;
    gs_stacks_init(&s);
    uint32_t first = (uint32_t)s.n_nodes, parents[PARENTS];
    for (uint32_t i = 0; i < PARENTS; i++)
        parents[i] = gs_stacks_child(&s, 0, 1000 + i);
    for (int again = 0; again < 2; again++)
        for (uint32_t k = 0; k < CHILDREN; k++)
            for (uint32_t i = 0; i < PARENTS; i++)
                assert_int_equal(gs_stacks_child(&s, parents[i], k * 3),
                                 first + PARENTS + k * PARENTS + i);
    assert_int_equal(s.n_nodes, first + PARENTS + PARENTS * CHILDREN);
    struct gs_profile p = {0};
    gs_stacks_move(&s, &p);
    for (uint32_t i = 0; i < PARENTS * CHILDREN; i++) {
        assert_int_equal(p.nodes[first + PARENTS + i].parent, parents[i % PARENTS]);
        assert_int_equal(p.nodes[first + PARENTS + i].frame, i / PARENTS * 3);
    }
    for (size_t i = 0; i < p.n_strings; i++)
        free(p.strings[i]);
    free(p.strings);
    free(p.nodes);
    free(p.frames);
}

static void define_codes(struct gs_definitions *d, struct gs_stacks *s)
{
    gs_definitions_init(d);
    for (uint32_t id = 1; id <= 4; id++) {
        struct gs_py_code_info info = {
            .filename = "f.py", .filename_len = 4, .qualname = &"abcde"[id], .qualname_len = 1};
        gs_definitions_add_code(d, s, id, &info);
    }
}

/* A STACK record of frames (code, offset); `claimed` may be more than there are. */
struct stack {
    bool truncated;
    unsigned claimed, n;
    unsigned places[6][2]; /* innermost first */
    unsigned more;         /* a field of a later format */
};

static struct gs_record encode(uint8_t *buf, size_t cap, uint32_t id, const struct stack *stack)
{
    struct gs_record_writer w;
    struct gs_record rec;
    enum gs_status status;
    gs_record_writer_init(&w, buf, cap);
    gs_record_begin(&w, GS_RECORD_STACK);
    gs_record_put_u(&w, id);
    gs_record_put_u(&w, stack->truncated);
    gs_record_put_u(&w, stack->claimed);
    for (unsigned i = 0; i < stack->n; i++) {
        gs_record_put_u(&w, stack->places[i][0]);
        gs_record_put_u(&w, stack->places[i][1]);
    }
    if (stack->more)
        gs_record_put_u(&w, stack->more);
    assert_true(gs_record_end(&w));
    const uint8_t *cursor = buf;
    assert_true(gs_record_next(&cursor, buf + w.len, &rec, &status));
    return rec;
}

/* The definitions of one process, in this order: each is the node that it is alone, too. */
static void a_stack_does_not_depend_on_the_one_before(void **state)
{
    (void)state;
    static const struct stack stacks[] = {
        {false, 3, 3, {{3, 0}, {2, 0}, {1, 0}}, 0},
        {false, 3, 3, {{4, 0}, {2, 0}, {1, 0}}, 0},
        {false, 2, 2, {{2, 0}, {1, 0}}, 0},
        {false, 2, 2, {{2, 300}, {1, 0}}, 0}, /* longer numbers that end alike */
        {false, 3, 3, {{4, 300}, {2, 300}, {1, 0}}, 0},
        {false, 2, 2, {{300, 0}, {1, 0}}, 0},
        {false, 2, 2, {{2, 2}, {1, 0}}, 0},
        {true, 2, 2, {{2, 0}, {1, 0}}, 0},
        {true, 3, 3, {{3, 0}, {2, 0}, {1, 0}}, 0},
        {false, 0, 0, {{0}}, 0},
        {false, 3, 3, {{3, 0}, {2, 0}, {1, 0}}, 0},
        {false, 9, 3, {{4, 0}, {2, 0}, {1, 0}}, 0}, /* cut off */
        {false, 9, 3, {{3, 0}, {2, 0}, {1, 0}}, 0},
        {false, 3, 3, {{4, 0}, {2, 0}, {1, 0}}, 0},
        {false, 2, 3, {{4, 0}, {2, 0}, {1, 0}}, 0}, /* frames that do not count */
        {false, 2, 3, {{3, 0}, {2, 0}, {1, 0}}, 0},
        {false, 3, 3, {{4, 0}, {2, 0}, {1, 0}}, 77},
        {false, 3, 3, {{3, 0}, {2, 0}, {1, 0}}, 77},
        {false, 3, 3, {{3, 0}, {2, 0}, {1, 0}}, 0},
        {false, 600, 6, {{3, 0}, {2, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}}, 0},
        {false, 6, 6, {{3, 0}, {2, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}}, 0},
    };
    enum { N = sizeof(stacks) / sizeof(*stacks) };
    uint8_t bytes[N][64], alone_bytes[64];
    struct gs_stacks s, alone;
    struct gs_definitions d;
    gs_stacks_init(&s);
    gs_stacks_init(&alone);
    define_codes(&d, &s);
    for (uint32_t i = 0; i < N; i++) {
        struct gs_definitions fresh;
        struct gs_record rec = encode(bytes[i], sizeof(bytes[i]), i + 1, &stacks[i]);
        struct gs_record own = encode(alone_bytes, sizeof(alone_bytes), 1, &stacks[i]);
        define_codes(&fresh, &alone);
        gs_definitions_add_stack(&d, &s, &rec);
        gs_definitions_add_stack(&fresh, &alone, &own);
        assert_int_equal(gs_definitions_node(&d, &s, i + 1),
                         gs_definitions_node(&fresh, &alone, 1));
        gs_definitions_free(&fresh);
    }
    assert_int_equal(gs_definitions_node(&d, &s, 1), gs_definitions_node(&d, &s, 11));
    assert_int_not_equal(gs_definitions_node(&d, &s, 1), gs_definitions_node(&d, &s, 2));
    assert_int_not_equal(gs_definitions_node(&d, &s, 1), gs_definitions_node(&d, &s, 9));
    gs_definitions_free(&d);
    gs_stacks_free(&alone);
    gs_stacks_free(&s);
}

/* Deeper than is kept: the innermost frames, under "(truncated)", and the next one is its own. */
static void the_deepest_do_not_share_what_was_cut(void **state)
{
    (void)state;
    enum { DEEP = GS_STACK_MAX_DEPTH + 5 };
    static uint8_t bytes[3][8 * DEEP];
    struct gs_stacks s;
    struct gs_definitions d;
    uint32_t nodes[3];
    gs_stacks_init(&s);
    define_codes(&d, &s);
    for (uint32_t i = 0; i < 3; i++) {
        struct gs_record_writer w;
        struct gs_record rec;
        enum gs_status status;
        unsigned depth = i == 1 ? GS_STACK_MAX_DEPTH : DEEP;
        gs_record_writer_init(&w, bytes[i], sizeof(bytes[i]));
        gs_record_begin(&w, GS_RECORD_STACK);
        gs_record_put_u(&w, i + 1);
        gs_record_put_u(&w, i == 1); /* says that it is cut itself */
        gs_record_put_u(&w, depth);
        for (unsigned k = 0; k < depth; k++) {
            gs_record_put_u(&w, 1 + k % 4);
            gs_record_put_u(&w, 0);
        }
        assert_true(gs_record_end(&w));
        const uint8_t *cursor = bytes[i];
        assert_true(gs_record_next(&cursor, bytes[i] + w.len, &rec, &status));
        gs_definitions_add_stack(&d, &s, &rec);
        nodes[i] = gs_definitions_node(&d, &s, i + 1);
    }
    assert_int_equal(nodes[0], nodes[1]);
    assert_int_equal(nodes[0], nodes[2]);
    size_t depth = 0;
    for (uint32_t node = nodes[0]; node; node = s.nodes[node].parent)
        depth++;
    assert_int_equal(depth, GS_STACK_MAX_DEPTH + 1);
    gs_definitions_free(&d);
    gs_stacks_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_keep_the_order_of_keys),
        cmocka_unit_test(children_are_told_apart),
        cmocka_unit_test(a_stack_does_not_depend_on_the_one_before),
        cmocka_unit_test(the_deepest_do_not_share_what_was_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
