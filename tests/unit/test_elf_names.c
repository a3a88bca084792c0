/* SPDX-License-Identifier: MIT
 * Names of functions by symbol tables, of this very program and of damaged copies of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <gelf.h>
#include <link.h>

#include "analyzer/symbols/elf_names.h"
#include "analyzer/symbols/symbols.h"

#define SELF "/proc/self/exe"

static int take_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
    (void)size;
    *(uint64_t *)bias = info->dlpi_addr;
    return 1; /* the program is the first */
}

static uint64_t address_of(void (*f)(void **))
{
    uint64_t bias = 0;
    dl_iterate_phdr(take_bias, &bias);
    return (uint64_t)(uintptr_t)f - bias;
}

static void functions_have_their_names(void **state)
{
    struct gs_elf_names e;
    (void)state;
    gs_elf_names_read(&e, SELF, NULL, 0);
    uint64_t here = address_of(functions_have_their_names);
    assert_string_equal(gs_elf_names_at(&e, here), "functions_have_their_names");
    assert_string_equal(gs_elf_names_at(&e, here + 1), "functions_have_their_names");
    assert_null(gs_elf_names_at(&e, 0));
    assert_null(gs_elf_names_at(&e, UINT64_MAX));
    gs_elf_names_free(&e);
}

static void a_place_ends_with_its_function(void **state)
{
    struct gs_elf_function functions[] = {{10, 5, "a"}, {20, 99, "b"}, {30, 1, "c"}};
    const struct gs_elf_names e = {.functions = functions, .n = 3};
    (void)state;
    assert_null(gs_elf_names_at(&e, 9));
    assert_string_equal(gs_elf_names_at(&e, 14), "a");
    assert_null(gs_elf_names_at(&e, 15));
    assert_string_equal(gs_elf_names_at(&e, 29), "b");
    assert_string_equal(gs_elf_names_at(&e, 30), "c");
    assert_null(gs_elf_names_at(&e, 31));
}

static void another_build_and_other_files_have_none(void **state)
{
    static const char *const paths[] = {"/nowhere", "/", "/dev/zero", "/proc/self/maps", ""};
    struct gs_elf_names e;
    (void)state;
    gs_elf_names_read(&e, SELF, (const uint8_t *)"12345678901234567890", 20);
    assert_int_equal(e.n, 0);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        gs_elf_names_read(&e, paths[i], NULL, 0);
        assert_int_equal(e.n, 0);
    }
}

static void records_come_before_tables(void **state)
{
    uint64_t here = address_of(records_come_before_tables);
    struct gs_symbols *s = gs_symbols_new(1);
    size_t n;
    (void)state;
    gs_symbols_add_module(s, 3, 0, 1, 0, NULL, 0, SELF);
    gs_symbols_add_known(s, 3, here + 1, 0, "inner", "a.c", 7);
    gs_symbols_add_known(s, 3, here + 1, 1, "outer", "b.c", 8);
    gs_symbols_add_known(s, 3, here + 1, 1, "again", "c.c", 9);
    assert_string_equal(gs_symbols_at(s, 3, here, &n)->function, "records_come_before_tables");
    assert_int_equal(n, 1);
    const struct gs_symbol *chain = gs_symbols_at(s, 3, here + 1, &n);
    assert_int_equal(n, 2);
    assert_string_equal(chain[0].function, "inner");
    assert_string_equal(chain[1].function, "outer");
    assert_string_equal(chain[1].file, "b.c");
    assert_string_equal(gs_symbols_at(s, 3, 0x1, &n)->function, "0x1 (exe)");
    assert_string_equal(gs_symbols_at(s, 9, 0x1, &n)->function, "0x1");
    gs_symbols_free(s);
}

/* ---- damage ---- */

struct bytes {
    uint8_t *at;
    size_t n;
};

static struct bytes whole_file(const char *path)
{
    struct bytes b = {malloc(64u << 20), 0};
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b.n = fread(b.at, 1, 64u << 20, f);
    fclose(f);
    return b;
}

/* Of headers and tables, where damage says most. */
static size_t place_to_break(const struct bytes *b, const Elf64_Ehdr *h, uint64_t x)
{
    size_t sections = (size_t)h->e_shnum * sizeof(Elf64_Shdr);
    if (x % 3 == 0)
        return x / 3 % sizeof(*h);
    return x % 3 == 1 ? h->e_shoff + x / 3 % sections : x / 3 % b->n;
}

static void damaged_files_are_read(void **state)
{
    char path[] = "/tmp/gs_elf_names_XXXXXX";
    struct bytes b = whole_file(SELF);
    uint64_t x = 88172645463325252u;
    int fd = mkstemp(path);
    Elf64_Ehdr header;
    (void)state;
    assert_true(fd >= 0);
    memcpy(&header, b.at, sizeof(header));
    for (int round = 0; round < 300; round++) {
        size_t at[8], len = b.n;
        uint8_t kept[8];
        for (int i = 0; i < 8; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            at[i] = place_to_break(&b, &header, x >> 8);
            kept[i] = b.at[at[i]];
            if (i <= round % 8)
                b.at[at[i]] ^= (uint8_t)x;
        }
        if (round % 5 == 0)
            len = x % b.n;
        assert_int_equal(pwrite(fd, b.at, len, 0), len);
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
        for (int i = 8; i-- > 0;)
            b.at[at[i]] = kept[i];
        struct gs_elf_names e;
        gs_elf_names_read(&e, path, NULL, 0);
        for (size_t i = 1; i < e.n; i++)
            assert_true(e.functions[i - 1].start < e.functions[i].start);
        gs_elf_names_free(&e);
    }
    close(fd);
    unlink(path);
    free(b.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_have_their_names),
        cmocka_unit_test(a_place_ends_with_its_function),
        cmocka_unit_test(another_build_and_other_files_have_none),
        cmocka_unit_test(records_come_before_tables),
        cmocka_unit_test(damaged_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
