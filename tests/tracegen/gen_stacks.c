/* SPDX-License-Identifier: MIT
 * A program's stacks: nodes of a call tree, each an instruction of a code object, with the line
 * tables of the Python version the process says it runs.
 */
#include <stdlib.h>
#include <string.h>

#include "preload/pyabi/pyabi.h"
#include "tests/tracegen/tracegen.h"

#define MAX_DEPTH 60u
#define NO_PARENT UINT32_MAX

enum { MIX_UNITS = 1, MIX_TABLE, MIX_OFFSET };

/* Length of a code object in instructions of two bytes. */
static uint32_t units_of(const struct gen_stacks *s, uint32_t code)
{
    return 16 + (uint32_t)(gen_mix(s->seed, MIX_UNITS, code) % 200);
}

void gen_stacks_open(struct gen_stacks *s, uint64_t seed, uint32_t n, uint32_t python_hex)
{
    struct gen_rng r = {gen_mix(seed, 0, n)};
    *s = (struct gen_stacks){.seed = seed, .python_hex = python_hex, .n = n, .n_codes = n / 4 + 3};
    gen_zipf_open(&s->zipf, n);
    s->by_rank = gen_alloc(n, sizeof(*s->by_rank));
    s->parent = gen_alloc(n, sizeof(*s->parent));
    s->code = gen_alloc(n, sizeof(*s->code));
    s->stack_defined = gen_alloc(n, 1);
    s->code_defined = gen_alloc(s->n_codes, 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t other = gen_below(&r, i + 1);
        s->by_rank[i] = s->by_rank[other];
        s->by_rank[other] = i;
        s->parent[i] = i ? i - 1 - gen_below(&r, i / 2 + 1) : NO_PARENT;
        s->code[i] = 1 + gen_below(&r, s->n_codes);
    }
}

void gen_stacks_close(struct gen_stacks *s)
{
    gen_zipf_close(&s->zipf);
    free(s->by_rank);
    free(s->parent);
    free(s->code);
    free(s->stack_defined);
    free(s->code_defined);
}

/* ---- line tables ---- */

static size_t put_varint(uint8_t *out, uint32_t v)
{
    size_t n = 0;
    for (; v >= 64; v >>= 6)
        out[n++] = (uint8_t)(0x40 | (v & 63));
    out[n++] = (uint8_t)v;
    return n;
}

static uint32_t zigzag(int32_t d) /* of the location table: the sign in the lowest bit */
{
    return d < 0 ? (uint32_t)-d << 1 | 1 : (uint32_t)d << 1;
}

/* Forms of an entry of 3.11's table; the short ones can only say that few lines passed. */
enum { FORM_SHORT = 3, FORM_ONE_LINE = 10, FORM_NO_COLUMNS = 13, FORM_LONG, FORM_NO_LOCATION };

static uint32_t draw_form(struct gen_rng *r, int32_t d)
{
    switch (gen_below(r, 5)) {
    case 0:
        return FORM_LONG;
    case 1:
        return d >= 0 && d <= 2 ? FORM_ONE_LINE + (uint32_t)d : FORM_NO_COLUMNS;
    case 2:
        return d == 0 ? FORM_SHORT : FORM_NO_COLUMNS;
    case 3:
        return d == 0 ? FORM_NO_LOCATION : FORM_NO_COLUMNS;
    default:
        return FORM_NO_COLUMNS;
    }
}

static size_t put_location(struct gen_rng *r, uint8_t *out, uint32_t units, int32_t d)
{
    uint32_t form = draw_form(r, d);
    size_t n = 1;
    out[0] = (uint8_t)(0x80 | form << 3 | (units - 1));
    if (form == FORM_NO_COLUMNS || form == FORM_LONG)
        n += put_varint(out + n, zigzag(d));
    if (form == FORM_LONG) {
        n += put_varint(out + n, gen_below(r, 3));       /* to the end line */
        n += put_varint(out + n, 1 + gen_below(r, 100)); /* columns */
        n += put_varint(out + n, 1 + gen_below(r, 100));
    }
    if (form == FORM_SHORT)
        out[n++] = (uint8_t)gen_below(r, 128);
    if (form >= FORM_ONE_LINE && form < FORM_NO_COLUMNS) {
        out[n++] = (uint8_t)gen_below(r, 100);
        out[n++] = (uint8_t)gen_below(r, 100);
    }
    return n;
}

/* 3.9 and 3.10: bytes of code, lines. */
static size_t put_pair(uint8_t *out, uint32_t units, int32_t d)
{
    out[0] = (uint8_t)(2 * units);
    out[1] = (uint8_t)(int8_t)d;
    return 2;
}

static enum gs_linetable_kind kind_of(const struct gen_stacks *s)
{
    uint32_t minor = s->python_hex >> 16 & 0xff;
    return minor >= 11   ? GS_LINETABLE_LOCATIONS
           : minor == 10 ? GS_LINETABLE_LINETABLE
                         : GS_LINETABLE_LNOTAB;
}

static size_t make_table(const struct gen_stacks *s, uint32_t code, uint8_t *out)
{
    struct gen_rng r = {gen_mix(s->seed, MIX_TABLE, code)};
    uint32_t left = units_of(s, code);
    size_t n = 0;
    while (left > 0) {
        uint32_t units = 1 + gen_below(&r, 8);
        int32_t d = (int32_t)gen_below(&r, 8) - 2;
        units = units < left ? units : left;
        left -= units;
        n += kind_of(s) == GS_LINETABLE_LOCATIONS ? put_location(&r, out + n, units, d)
                                                  : put_pair(out + n, units, d);
    }
    return n;
}

/* ---- definitions ---- */

static void define_code(struct gen_stacks *s, struct gen_chunks *c, uint32_t code)
{
    static const char *const layers[] = {"app", "service", "db", "http", "numpy/core", "torch/nn"};
    static const char *const verbs[] = {"run", "handle", "fetch", "parse", "forward", "encode"};
    uint8_t table[4096];
    char text[96];
    uint64_t x = gen_mix(s->seed, 0, code);
    gs_record_begin(&c->w, GS_RECORD_CODE);
    gs_record_put_u(&c->w, code);
    snprintf(text, sizeof(text), "/srv/job/%s/module_%u.py", layers[x % 6], code % 97);
    gen_put_text(c, text);
    snprintf(text, sizeof(text), "Class%u.%s_%u", code % 13, verbs[x / 6 % 6], code);
    gen_put_text(c, text);
    gs_record_put_z(&c->w, 1 + (int64_t)(x >> 32) % 900);
    gs_record_put_u(&c->w, kind_of(s));
    gs_record_put_bytes(&c->w, table, make_table(s, code, table));
    gen_record_end(c);
    s->code_defined[code - 1] = 1;
}

/* Innermost first. */
static uint32_t path_of(const struct gen_stacks *s, uint32_t node, uint32_t *path)
{
    uint32_t n = 0;
    for (; node != NO_PARENT && n < MAX_DEPTH; node = s->parent[node])
        path[n++] = node;
    return n;
}

void gen_stack_define(struct gen_stacks *s, struct gen_chunks *c, uint32_t stack)
{
    uint32_t path[MAX_DEPTH], n = path_of(s, stack - 1, path);
    for (uint32_t i = 0; i < n; i++)
        if (!s->code_defined[s->code[path[i]] - 1])
            define_code(s, c, s->code[path[i]]);
    uint32_t id = c->o->native ? gen_native_define(s, c, stack, n) : stack;
    gs_record_begin(&c->w, GS_RECORD_STACK);
    gs_record_put_u(&c->w, id);
    gs_record_put_u(&c->w, n == MAX_DEPTH);
    gs_record_put_u(&c->w, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = s->code[path[i]];
        gs_record_put_u(&c->w, code);
        gs_record_put_u(&c->w, 2 * (gen_mix(s->seed, MIX_OFFSET, path[i]) % units_of(s, code)));
    }
    gen_record_end(c);
    s->stack_defined[stack - 1] = 1;
}
