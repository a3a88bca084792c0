/* SPDX-License-Identifier: MIT
 * What `run` and `doctor` read of a program before they start it: any file, however damaged, gets
 * an answer soon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/run_target.h"

enum { INTERP_AT = 0x100, DYN_AT = 0x140, STR_AT = 0x180, SHDR_AT = 0x200, N_SHDR = 3 };
enum { LEN = SHDR_AT + N_SHDR * 64 };

static char path[64];

/* A program that needs libasan.so, no more of it than is looked at. */
static void make_elf(uint8_t *out)
{
    Elf64_Ehdr eh = {.e_type = ET_EXEC,
                     .e_machine = EM_X86_64,
                     .e_version = 1,
                     .e_phoff = sizeof(eh),
                     .e_shoff = SHDR_AT,
                     .e_ehsize = sizeof(eh),
                     .e_phentsize = 56,
                     .e_phnum = 1,
                     .e_shentsize = 64,
                     .e_shnum = N_SHDR,
                     .e_shstrndx = 2};
    const Elf64_Phdr ph = {.p_type = PT_INTERP, .p_offset = INTERP_AT, .p_filesz = 8};
    const Elf64_Dyn dyn[] = {{.d_tag = DT_NEEDED, .d_un.d_val = 1}, {.d_tag = DT_NULL}};
    const Elf64_Shdr sh[N_SHDR] = {
        {.sh_type = SHT_NULL},
        {.sh_type = SHT_DYNAMIC,
         .sh_offset = DYN_AT,
         .sh_size = sizeof(dyn),
         .sh_link = 2,
         .sh_entsize = sizeof(*dyn)},
        {.sh_type = SHT_STRTAB, .sh_offset = STR_AT, .sh_size = 16},
    };
    memset(out, 0, LEN);
    memcpy(eh.e_ident, ELFMAG, SELFMAG);
    eh.e_ident[EI_CLASS] = ELFCLASS64;
    eh.e_ident[EI_DATA] = ELFDATA2LSB;
    eh.e_ident[EI_VERSION] = 1;
    memcpy(out, &eh, sizeof(eh));
    memcpy(out + sizeof(eh), &ph, sizeof(ph));
    memcpy(out + INTERP_AT, "/lib/ld", 8);
    memcpy(out + DYN_AT, dyn, sizeof(dyn));
    memcpy(out + STR_AT, "\0libasan.so.8", 14);
    memcpy(out + SHDR_AT, sh, sizeof(sh));
}

static void write_file(const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static const char *refusal_of(const void *data, size_t len)
{
    static char buf[1024];
    write_file(data, len);
    return gs_target_refusal(path, buf, sizeof(buf));
}

static void a_whole_program_is_understood(void **state)
{
    uint8_t elf[LEN];
    (void)state;
    make_elf(elf);
    assert_non_null(strstr(refusal_of(elf, LEN), "libasan.so"));
    memcpy(elf + INTERP_AT, "ld-musl", 8);
    assert_non_null(strstr(refusal_of(elf, LEN), "musl"));
    memset(elf + 64, 0, 4); /* no PT_INTERP */
    assert_non_null(strstr(refusal_of(elf, LEN), "statically"));
}

static void every_cut_and_every_byte(void **state)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    uint8_t elf[LEN];
    (void)state;
    make_elf(elf);
    for (size_t len = 0; len <= LEN; len++)
        refusal_of(elf, len);
    for (size_t i = 0; i < LEN; i++)
        for (size_t k = 0; k < sizeof(telling); k++) {
            uint8_t was = elf[i];
            elf[i] = telling[k];
            refusal_of(elf, LEN);
            elf[i] = was;
        }
}

/* All 64-bit offsets and sizes, near the ends of what they can be. */
static void every_word(void **state)
{
    static const uint64_t edges[] = {LEN - 1,   LEN,        0x7fffffff,      0xffffffff,
                                     INT64_MAX, UINT64_MAX, UINT64_MAX - LEN};
    uint8_t elf[LEN];
    (void)state;
    for (size_t i = 0; i + 8 <= LEN; i += 8)
        for (size_t k = 0; k < sizeof(edges) / sizeof(*edges); k++) {
            make_elf(elf);
            memcpy(elf + i, &edges[k], 8);
            refusal_of(elf, LEN);
        }
}

/* 30,000 dynamic sections, each the whole file of 2 MB, in entries that need nothing. */
static void sections_that_overlap(void **state)
{
    enum { N = 30000, SIZE = SHDR_AT + N * 64 };
    uint8_t *elf = calloc(1, SIZE);
    (void)state;
    make_elf(elf);
    for (size_t i = 1; i < N; i++) {
        const Elf64_Shdr sh = {.sh_type = SHT_DYNAMIC, .sh_size = SIZE, .sh_entsize = 1};
        memcpy(elf + SHDR_AT + 64 * i, &sh, sizeof(sh));
    }
    ((Elf64_Ehdr *)elf)->e_shnum = N;
    assert_null(refusal_of(elf, SIZE));
    free(elf);
}

/* 0xffff says that the number stands in the first section: 4 thousand million. */
static void more_program_headers_than_bytes(void **state)
{
    uint8_t elf[LEN];
    const uint32_t many = UINT32_MAX;
    (void)state;
    make_elf(elf);
    memset(elf + 64, 0, 4);
    ((Elf64_Ehdr *)elf)->e_phnum = PN_XNUM;
    memcpy(elf + SHDR_AT + offsetof(Elf64_Shdr, sh_info), &many, sizeof(many));
    refusal_of(elf, LEN);
}

static void scripts_of_all_kinds(void **state)
{
    static const char *const heads[] = {"#!",  "#! ",         "#!\n",
                                        "#!/", "#!\0/bin/sh", "#!/no/such\r\n"};
    char longest[5000], fifo[80];
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
        assert_null(refusal_of(heads[i], strlen(heads[i]) + 1));
    memset(longest, '/', sizeof(longest));
    memcpy(longest, "#!", 2);
    refusal_of(longest, sizeof(longest));
    snprintf(fifo, sizeof(fifo), "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0700), 0);
    snprintf(longest, sizeof(longest), "#!%s\n", fifo);
    assert_null(refusal_of(longest, strlen(longest)));
    unlink(fifo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_program_is_understood),
        cmocka_unit_test(every_cut_and_every_byte),
        cmocka_unit_test(every_word),
        cmocka_unit_test(sections_that_overlap),
        cmocka_unit_test(more_program_headers_than_bytes),
        cmocka_unit_test(scripts_of_all_kinds),
    };
    unsetenv("ASAN_OPTIONS");
    snprintf(path, sizeof(path), "/tmp/gilscope-refuse-%d", (int)getpid());
    alarm(100); /* what hangs is killed, and so fails */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
