/* SPDX-License-Identifier: MIT
 * The file is whatever lies at a path that a capture names: it is read, not mapped, so that one
 * that shrinks meanwhile ends in an error, and libelf bounds every table.
 */
#include "analyzer/symbols/elf_names.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/xalloc.h"

#define MAX_FUNCTIONS (1u << 24)

static bool is_build_id(Elf_Data *data, const GElf_Nhdr *n, size_t name, size_t desc,
                        const uint8_t *id, size_t len)
{
    return n->n_type == NT_GNU_BUILD_ID && n->n_namesz == sizeof(ELF_NOTE_GNU) &&
           memcmp((const char *)data->d_buf + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
           n->n_descsz == len && memcmp((const char *)data->d_buf + desc, id, len) == 0;
}

static bool has_build_id(Elf *elf, const uint8_t *id, size_t len)
{
    for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
        GElf_Shdr sh;
        GElf_Nhdr note;
        size_t name, desc, at = 0;
        Elf_Data *data =
            gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOTE ? elf_getdata(scn, NULL) : NULL;
        while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0)
            if (is_build_id(data, &note, name, desc, id, len))
                return true;
    }
    return false;
}

/* Functions written in assembler say no size: they end where the next one begins, or with all. */
static uint64_t to_section_end(Elf *elf, const GElf_Sym *sym)
{
    GElf_Shdr sh;
    Elf_Scn *scn = sym->st_shndx < SHN_LORESERVE ? elf_getscn(elf, sym->st_shndx) : NULL;
    if (!scn || !gelf_getshdr(scn, &sh) || sym->st_value - sh.sh_addr >= sh.sh_size)
        return 1;
    return sh.sh_size - (sym->st_value - sh.sh_addr);
}

void gs_elf_names_add(struct gs_elf_names *e, uint64_t start, uint64_t size, const char *name)
{
    struct gs_elf_function f = {start, size, gs_xstrndup(name, strlen(name))};
    GS_PUSH(e->functions, e->n, e->cap, f);
}

static void add_table(struct gs_elf_names *e, Elf *elf, Elf_Data *data, size_t strings)
{
    GElf_Sym sym;
    for (int i = 0; gelf_getsym(data, i, &sym) && e->n < MAX_FUNCTIONS; i++) {
        int type = GELF_ST_TYPE(sym.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || sym.st_shndx == SHN_UNDEF)
            continue;
        const char *name = elf_strptr(elf, strings, sym.st_name);
        if (!name || !*name)
            continue;
        gs_elf_names_add(e, sym.st_value, sym.st_size ? sym.st_size : to_section_end(elf, &sym),
                         name);
    }
}

/* Of aliases the longest function, then the first name. */
static int by_start(const void *pa, const void *pb)
{
    const struct gs_elf_function *a = pa, *b = pb;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return strcmp(a->name, b->name);
}

void gs_elf_names_sort(struct gs_elf_names *e)
{
    size_t kept = 0;
    if (e->n)
        qsort(e->functions, e->n, sizeof(*e->functions), by_start);
    for (size_t i = 0; i < e->n; i++) {
        if (kept && e->functions[kept - 1].start == e->functions[i].start)
            free(e->functions[i].name);
        else
            e->functions[kept++] = e->functions[i];
    }
    e->n = kept;
}

/* ---- the interpreter's loop, where only its beginning has a name ---- */

#define LOOP            "_PyEval_EvalFrameDefault"
#define LOOP_LEAST      8192u /* bytes: a shorter one has most of its code elsewhere (.cold) */
#define TABLE_HDR_BYTES 12u

static bool needs_loop(const struct gs_elf_names *e)
{
    bool is_there = false;
    for (size_t i = 0; i < e->n; i++) {
        const struct gs_elf_function *f = &e->functions[i];
        if (strncmp(f->name, LOOP, sizeof(LOOP) - 1) != 0)
            continue;
        if (f->name[sizeof(LOOP) - 1] != '\0' || f->size >= LOOP_LEAST)
            return false;
        is_there = true;
    }
    return is_there;
}

static int32_t word_at(const Elf_Data *table, size_t at)
{
    int32_t v;
    memcpy(&v, (const char *)table->d_buf + at, sizeof(v));
    return v;
}

/* .eh_frame_hdr has all functions in order, stripped or not, as distances from itself. */
static struct gs_elf_function longest(const GElf_Shdr *sh, const Elf_Data *table)
{
    static const uint8_t HEAD[] = {1, 0x1b, 3, 0x3b};
    struct gs_elf_function f = {0, 0, NULL};
    if (!table || table->d_size < TABLE_HDR_BYTES || memcmp(table->d_buf, HEAD, sizeof(HEAD)) != 0)
        return f;
    for (size_t at = TABLE_HDR_BYTES; table->d_size - at >= 16; at += 8) {
        int64_t begin = word_at(table, at), end = word_at(table, at + 8);
        if (end > begin && (uint64_t)(end - begin) > f.size)
            f = (struct gs_elf_function){sh->sh_addr + (uint64_t)begin, (uint64_t)(end - begin),
                                         NULL};
    }
    return f;
}

/* Compilers put most of the loop apart from its beginning, and stripping takes that part's name. In
 * an interpreter no function is nearly as long. */
static void name_loop(struct gs_elf_names *e, Elf *elf)
{
    size_t names;
    if (!needs_loop(e) || elf_getshdrstrndx(elf, &names) != 0)
        return;
    for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
        GElf_Shdr sh;
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
        if (!name || strcmp(name, ".eh_frame_hdr") != 0)
            continue;
        struct gs_elf_function f = longest(&sh, elf_rawdata(scn, NULL));
        if (f.size < LOOP_LEAST || gs_elf_names_at(e, f.start))
            return;
        gs_elf_names_add(e, f.start, f.size, LOOP ".cold");
        gs_elf_names_sort(e);
        return;
    }
}

static void read_elf(struct gs_elf_names *e, Elf *elf, const uint8_t *build_id, size_t len)
{
    if (elf_kind(elf) != ELF_K_ELF || (len && !has_build_id(elf, build_id, len)))
        return;
    for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
        GElf_Shdr sh;
        if (!gelf_getshdr(scn, &sh) || (sh.sh_type != SHT_SYMTAB && sh.sh_type != SHT_DYNSYM))
            continue;
        Elf_Data *data = elf_getdata(scn, NULL);
        if (data)
            add_table(e, elf, data, sh.sh_link);
        e->has_symtab |= data && sh.sh_type == SHT_SYMTAB;
    }
    gs_elf_names_sort(e);
    name_loop(e, elf);
}

void gs_elf_names_read(struct gs_elf_names *e, const char *path, const uint8_t *build_id,
                       size_t build_id_len)
{
    struct stat st;
    memset(e, 0, sizeof(*e));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    elf_version(EV_CURRENT);
    Elf *elf = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    if (elf) {
        read_elf(e, elf, build_id, build_id_len);
        elf_end(elf);
    }
    close(fd);
}

const char *gs_elf_names_at(const struct gs_elf_names *e, uint64_t address)
{
    size_t lo = 0, hi = e->n; /* the first that starts after it */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (e->functions[mid].start <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct gs_elf_function *f = lo ? &e->functions[lo - 1] : NULL;
    return f && address - f->start < f->size ? f->name : NULL;
}

void gs_elf_names_free(struct gs_elf_names *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->functions[i].name);
    free(e->functions);
    memset(e, 0, sizeof(*e));
}
