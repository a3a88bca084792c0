/* SPDX-License-Identifier: MIT
 * Tagged records from anywhere: read by changing recipes of field types. What was read is written
 * anew and must read the same. The first byte of the input is the recipe.
 */
#include <string.h>

#include "preload/trace/trace_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        __builtin_trap();
}

/* Field i of a record: two bits of the recipe, going round. */
static unsigned type_of(uint8_t recipe, unsigned i)
{
    return recipe >> 2 * (i % 4) & 3;
}

static void copy_field(struct gs_record *r, struct gs_record_writer *w, unsigned type)
{
    const uint8_t *end = r->end, *p;
    size_t len;

    if (type == 0) {
        gs_record_put_u(w, gs_record_get_u(r));
    } else if (type == 1) {
        gs_record_put_z(w, gs_record_get_z(r));
    } else {
        p = gs_record_get_bytes(r, &len);
        check(p && len <= (size_t)(end - p));
        gs_record_put_bytes(w, p, len);
    }
    check(r->pos <= r->end && r->end == end);
}

static void check_same(struct gs_record a, struct gs_record b, uint8_t recipe, unsigned n)
{
    const uint8_t *p, *q;
    size_t n_p, n_q;

    check(a.tag == b.tag);
    for (unsigned i = 0; i < n; i++) {
        unsigned type = type_of(recipe, i);

        if (type == 0) {
            check(gs_record_get_u(&a) == gs_record_get_u(&b));
        } else if (type == 1) {
            check(gs_record_get_z(&a) == gs_record_get_z(&b));
        } else {
            p = gs_record_get_bytes(&a, &n_p);
            q = gs_record_get_bytes(&b, &n_q);
            check(n_p == n_q && !memcmp(p, q, n_p));
        }
    }
    check(b.pos == b.end);
}

static void rewrite(const struct gs_record *r, uint8_t recipe, size_t cap)
{
    static uint8_t buf[1u << 16];
    struct gs_record_writer w;
    struct gs_record copy = *r, back;
    const uint8_t *cursor = buf;
    enum gs_status status;
    unsigned n = 0;

    gs_record_writer_init(&w, buf, cap < sizeof(buf) ? cap : sizeof(buf));
    gs_record_begin(&w, r->tag);
    while (copy.pos < copy.end)
        copy_field(&copy, &w, type_of(recipe, n++));
    if (!gs_record_end(&w)) {
        check(w.overflow && w.len == 0);
        return;
    }
    check(gs_record_next(&cursor, buf + w.len, &back, &status) && cursor == buf + w.len);
    check_same(*r, back, recipe, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cursor, *end;
    enum gs_status status;
    struct gs_record r;

    if (size < 1)
        return 0;
    cursor = data + 1;
    end = data + size;
    while (gs_record_next(&cursor, end, &r, &status)) {
        check(status == GS_OK && r.pos <= r.end && r.end == cursor && cursor <= end);
        rewrite(&r, data[0], SIZE_MAX);
        rewrite(&r, data[0], data[0]);
    }
    check(status == GS_OK || status == GS_ERR_CORRUPT);
    return 0;
}
