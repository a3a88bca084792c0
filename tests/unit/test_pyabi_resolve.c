/* SPDX-License-Identifier: MIT
 * gs_pyabi_resolve against made-up interpreters: what is accepted, and that every doubt refuses.
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

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]), FINAL = 0xf0, CANDIDATE = 0xc1, BETA = 0xb1 };

/* A runtime that publishes a row's offsets, and the three types. */
struct fake {
    _Alignas(8) uint8_t runtime[1024], code[512], dict[512], str[512];
    struct gs_pyabi_inputs in;
};

static void make_type(uint8_t *type, const struct row *row, const char *name, int64_t basicsize)
{
    memcpy(type + row->off.type_name, &name, sizeof(name));
    memcpy(type + row->off.type_basicsize, &basicsize, sizeof(basicsize));
}

static void publish(struct fake *f, int32_t position, uint64_t value)
{
    if (position >= 0)
        memcpy(f->runtime + position, &value, sizeof(value));
}

static void make(struct fake *f, const struct row *row)
{
    int32_t code_size = row->off.code_adaptive >= 0 ? row->off.code_adaptive : row->off.code_size;
    memset(f, 0, sizeof(*f));
    f->in.version_hex = 0x03000200u | (uint32_t)row->minor << 16 | FINAL;
    f->in.py_runtime = (uintptr_t)f->runtime;
    f->in.code_type = (uintptr_t)f->code;
    f->in.dict_type = (uintptr_t)f->dict;
    f->in.unicode_type = (uintptr_t)f->str;
    make_type(f->code, row, "code", code_size);
    make_type(f->dict, row, "dict", row->off.dict_size);
    make_type(f->str, row, "str", row->off.unicode_size);
    if (row->minor < 13)
        return;
    memcpy(f->runtime, "xdebugpy", 8);
    publish(f, 8, f->in.version_hex);
    publish(f, 16, (uint64_t)row->free_threaded);
#define X(name, candidates, debug_member) publish(f, row->debug.name, (uint64_t)row->off.name);
    GS_PYABI_OFFSET_LIST(X)
#undef X
}

static const struct row *row_of(int minor, int free_threaded)
{
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].minor == minor && rows[i].free_threaded == free_threaded)
            return &rows[i];
    fail_msg("no row for 3.%d", minor);
    return NULL;
}

static enum gs_status resolve(const struct fake *f, struct gs_pyabi *out)
{
    return gs_pyabi_resolve(out, &f->in);
}

static void every_row_resolves_to_itself(void **state)
{
    (void)state;
    int minors = 0;
    for (int i = 0; i < N_ROWS; i++) {
        struct fake f;
        struct gs_pyabi abi;
        make(&f, &rows[i]);
        assert_int_equal(resolve(&f, &abi), GS_OK);
        assert_int_equal(abi.minor, rows[i].minor);
        assert_int_equal(abi.free_threaded, rows[i].free_threaded);
        assert_memory_equal(&abi.off, &rows[i].off, sizeof(abi.off));
        minors |= 1 << rows[i].minor;
    }
    assert_int_equal(minors, 0xfe00); /* 9 to 15 */
}

static void unknown_versions_are_refused(void **state)
{
    (void)state;
    static const uint32_t refused[] = {
        0x020712f0,
        0x030800f0,
        0x031000f0,
        0x040e00f0,
        0x03090000 | CANDIDATE,
        0x030c0000 | CANDIDATE,
        0x030d0000 | BETA,
        0x030f00a1,
        0,
    };
    struct gs_pyabi abi;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct fake f;
        make(&f, row_of(15, 0));
        f.in.version_hex = refused[i];
        publish(&f, 8, refused[i]);
        assert_int_equal(resolve(&f, &abi), GS_ERR_UNSUPPORTED_PYTHON);
    }
}

static void published_offsets_win(void **state)
{
    (void)state;
    const struct row *row = row_of(14, 0);
    struct fake f;
    struct gs_pyabi abi;
    make(&f, row);
    publish(&f, row->debug.code_adaptive, (uint64_t)row->off.code_adaptive + 8);
    publish(&f, row->debug.tstate_chunk, (uint64_t)row->off.tstate_chunk + 16);
    make_type(f.code, row, "code", row->off.code_adaptive + 8);
    assert_int_equal(resolve(&f, &abi), GS_OK);
    assert_int_equal(abi.off.code_adaptive, row->off.code_adaptive + 8);
    /* What nobody publishes moves with its neighbour. */
    assert_int_equal(abi.off.code_firsttraceable, row->off.code_firsttraceable + 8);
    assert_int_equal(abi.off.tstate_chunk_top, row->off.tstate_chunk_top + 16);
}

static void what_does_not_verify_is_refused(void **state)
{
    (void)state;
    const struct row *row = row_of(14, 0);
    struct fake f;
    struct gs_pyabi abi;

    make(&f, row);
    f.runtime[0] = 'y'; /* the cookie */
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    make(&f, row);
    publish(&f, 8, f.in.version_hex + 0x100); /* another patch release */
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    make(&f, row);
    publish(&f, 16, 2); /* free_threaded */
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    make(&f, row);
    publish(&f, row->debug.code_filename, 1u << 30);
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    make(&f, row);
    publish(&f, row->debug.code_linetable, 4000); /* beyond what the walks copy */
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    make(&f, row);
    make_type(f.code, row, "code", row->off.code_adaptive + 8);
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    make(&f, row);
    make_type(f.dict, row, "tuple", row->off.dict_size);
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
}

static void absent_or_wild_addresses(void **state)
{
    (void)state;
    struct fake f;
    struct gs_pyabi abi;
    make(&f, row_of(13, 0));
    f.in.py_runtime = 0;
    assert_int_equal(resolve(&f, &abi), GS_ERR_UNSUPPORTED_PYTHON);
    f.in.py_runtime = 64;
    assert_int_equal(resolve(&f, &abi), GS_ERR_FAULT);
    make(&f, row_of(9, 0));
    f.in.code_type = 64;
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
    f.in.code_type = 0;
    assert_int_equal(resolve(&f, &abi), GS_ERR_LAYOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_resolves_to_itself),
        cmocka_unit_test(unknown_versions_are_refused),
        cmocka_unit_test(published_offsets_win),
        cmocka_unit_test(what_does_not_verify_is_refused),
        cmocka_unit_test(absent_or_wild_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
