/* SPDX-License-Identifier: MIT
 * What places are by symbol tables and debugging information, of this very program and of damaged
 * copies of it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <link.h>

#include "analyzer/symbols/demangle.h"
#include "analyzer/symbols/dwarf_places.h"
#include "analyzer/symbols/dwarf_unit.h"
#include "analyzer/symbols/elf_names.h"
#include "analyzer/symbols/perf_map.h"
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
    struct gs_symbols *s = gs_symbols_new(1, 0);
    size_t n;
    (void)state;
    gs_symbols_add_module(s, 3, NULL, 0, SELF);
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
    assert_int_equal(n, 0);
    assert_string_equal(gs_symbols_at(s, 9, 0x1, &n)->function, "0x1");
    gs_symbols_free(s);
}

/* ---- debugging information ---- */

static volatile int sink;
static inline __attribute__((always_inline)) void inlined_here(void)
{
    sink++;
    sink--;
}
static __attribute__((noinline)) void has_another_inside(void)
{
    inlined_here();
}

static void lines_and_inlined_functions(void **state)
{
    uint64_t here = address_of((void (*)(void **))has_another_inside);
    struct gs_dwarf *d = gs_dwarf_open(SELF);
    struct gs_dwarf_frame frames[8];
    size_t most = 0;
    (void)state;
    assert_non_null(d);
    for (uint64_t i = 0; i < 24 && most < 2; i++) {
        size_t n = gs_dwarf_at(d, here + i, frames, 8);
        most = n > most ? n : most;
    }
    assert_int_equal(most, 2);
    assert_string_equal(frames[0].function, "inlined_here");
    assert_string_equal(frames[1].function, "has_another_inside");
    assert_non_null(strstr(frames[1].file, "test_symbols.c"));
    assert_true(frames[0].line > 0 && frames[1].line > frames[0].line);
    assert_int_equal(gs_dwarf_at(d, here, frames, 0), 0);
    assert_int_equal(gs_dwarf_at(d, UINT64_MAX, frames, 8), 0);
    gs_dwarf_close(d);
    assert_null(gs_dwarf_open("/nowhere"));
    assert_null(gs_dwarf_open("/proc/self/maps"));
}

/* The definition: libdw's own search, one place at a time. */
static size_t scopes_of_libdw(Dwarf_Die *unit, uint64_t address, Dwarf_Off *out, size_t max)
{
    Dwarf_Die *scopes = NULL, *around = NULL;
    size_t n = 0;
    int k = dwarf_getscopes(unit, address, &scopes);
    if (k > 0)
        k = dwarf_getscopes_die(&scopes[0], &around);
    for (int i = 0; i < k && n < max; i++) {
        int tag = dwarf_tag(&around[i]);
        if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram)
            out[n++] = dwarf_dieoffset(&around[i]);
        if (tag == DW_TAG_subprogram)
            break;
    }
    free(scopes);
    free(around);
    return n;
}

static size_t scopes_of_unit(const struct gs_dwarf_unit *u, uint64_t address, Dwarf_Off *out,
                             size_t max)
{
    size_t n = 0;
    for (uint32_t f = gs_dwarf_unit_at(u, address); f != GS_DWARF_NONE && n < max;
         f = u->functions[f].parent) {
        Dwarf_Die die = u->functions[f].die;
        out[n++] = dwarf_dieoffset(&die);
    }
    return n;
}

static void a_unit_says_what_libdw_says(void **state)
{
    struct gs_dwarf_unit u = {0};
    uint64_t here = address_of((void (*)(void **))has_another_inside);
    int fd = open(SELF, O_RDONLY | O_CLOEXEC);
    Dwarf *dwarf = dwarf_begin(fd, DWARF_C_READ);
    Dwarf_Die unit;
    Dwarf_Off theirs[16], ours[16];
    size_t deepest = 0, places = 0;
    (void)state;
    assert_non_null(dwarf);
    assert_non_null(dwarf_addrdie(dwarf, here, &unit));
    gs_dwarf_unit_read(&u, &unit);
    for (uint64_t at = here - 4096; at < here + 8192; at++) {
        size_t n = scopes_of_libdw(&unit, at, theirs, 16);
        assert_int_equal(scopes_of_unit(&u, at, ours, 16), n);
        assert_memory_equal(ours, theirs, n * sizeof(*ours));
        deepest = n > deepest ? n : deepest;
        places += n > 0;
    }
    assert_true(deepest >= 2 && places > 1000);
    gs_dwarf_unit_free(&u);
    dwarf_end(dwarf);
    close(fd);
}

/* ---- code in no file ---- */

static void put_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void names_in_no_file(struct gs_elf_names *out, int64_t began_unix_ns)
{
    gs_perf_map_read(out, (uint32_t)getpid(), began_unix_ns);
}

static void perf_maps_name_code_in_no_file(void **state)
{
    static const char text[] = "1000 10 first\n2000 20 gone\nnonsense\n3000\n4000 zz x\n"
                               "2000 30 py::f:/app/a.py\nffffffffffffffffff 1 x\n5000 10 last";
    char path[40], elsewhere[] = "/tmp/gs_perf_map_XXXXXX";
    struct gs_elf_names e;
    size_t n;
    (void)state;
    snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
    unlink(path);
    names_in_no_file(&e, 0);
    assert_int_equal(e.n, 0);
    put_map(path, text);
    names_in_no_file(&e, 0);
    assert_int_equal(e.n, 3);
    assert_string_equal(gs_elf_names_at(&e, 0x202f), "py::f:/app/a.py");
    assert_string_equal(gs_elf_names_at(&e, 0x100f), "first");
    assert_null(gs_elf_names_at(&e, 0x1010));
    assert_string_equal(gs_elf_names_at(&e, 0x5000), "last");
    gs_elf_names_free(&e);
    struct gs_symbols *s = gs_symbols_new((uint32_t)getpid(), 0);
    assert_string_equal(gs_symbols_at(s, 0, 0x1001, &n)->function, "first");
    assert_int_equal(n, 1);
    assert_string_equal(gs_symbols_at(s, 0, 0x7001, &n)->function, "0x7001");
    assert_int_equal(n, 0);
    gs_symbols_free(s);
    names_in_no_file(&e, (int64_t)(time(NULL) + 3600) * 1000000000); /* another process's */
    assert_int_equal(e.n, 0);
    assert_true(mkstemp(elsewhere) >= 0);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path), 0);
    names_in_no_file(&e, 0);
    assert_int_equal(e.n, 0);
    unlink(path);
    unlink(elsewhere);
}

static void demangled(const char *name, const char *want)
{
    char *got = gs_demangle(name);
    assert_string_equal(got, want);
    free(got);
}

static void names_as_people_write_them(void **state)
{
    (void)state;
    demangled("main", "main");
    demangled("", "");
    demangled("_Z", "_Z");
    demangled("_ZN5outer6Worker4workEi", "outer::Worker::work(int)");
    demangled("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write");
    demangled("_Znonsense", "_Znonsense");
}

/* A reference to the part at `at`, in the name's own way of writing numbers. */
static char *refer(char *out, size_t at)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    *out++ = 'B';
    if (at > 62)
        *out++ = digits[(at - 1) / 62];
    *out++ = digits[(at - 1) % 62];
    *out++ = '_';
    return out;
}

/* Each part is a pair of the one before: 2^(pairs + 1) words in the last. */
static void put_pairs(char *name, int pairs)
{
    char *out = stpcpy(name, "_RIC1a");
    size_t before = (size_t)(out - name) - 2;
    out = stpcpy(out, "TyyE");
    for (int i = 0; i < pairs; i++) {
        size_t at = (size_t)(out - name) - 2;
        *out++ = 'T';
        out = refer(refer(out, before), before);
        *out++ = 'E';
        before = at;
    }
    strcpy(out, "E");
}

static void names_of_rust(void **state)
{
    (void)state;
#ifdef GS_HAVE_LIBIBERTY
    char name[1024];
    demangled("_RNvC6_123foo3bar", "123foo::bar");
    demangled("_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate",
              "<std::path::PathBuf>::new");
    demangled("_Rnonsense", "_Rnonsense");
    put_pairs(name, 1);
    demangled(name, "a::<(u64, u64), ((u64, u64), (u64, u64))>");
    put_pairs(name, 40);
    demangled(name, name);
#else
    (void)put_pairs;
    skip(); /* built without libiberty */
#endif
}

/* ---- damage ---- */

/* What it finds nobody knows; that it comes back is all. */
static void look_into(const char *path)
{
    struct gs_dwarf *d = gs_dwarf_open(path);
    struct gs_dwarf_frame frames[8];
    uint64_t here = address_of((void (*)(void **))has_another_inside);
    for (uint64_t i = 0; d && i < 20; i++) {
        size_t n = gs_dwarf_at(d, here + i * i * 7 % 4096, frames, 8);
        assert_true(n <= 8);
        for (size_t k = 0; k < n; k++)
            assert_non_null(frames[k].function);
    }
    if (d) {
        struct gs_elf_names e = {0};
        gs_dwarf_add_names(d, &e);
        gs_elf_names_free(&e);
        gs_dwarf_close(d);
    }
}

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
        look_into(path);
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
        cmocka_unit_test(lines_and_inlined_functions),
        cmocka_unit_test(a_unit_says_what_libdw_says),
        cmocka_unit_test(perf_maps_name_code_in_no_file),
        cmocka_unit_test(names_as_people_write_them),
        cmocka_unit_test(names_of_rust),
        cmocka_unit_test(damaged_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
