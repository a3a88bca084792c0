/* SPDX-License-Identifier: MIT
 * The table is found from its users: a pointer to it stands in a PyModuleDef, whose first words are
 * known. In the file that pointer is a relocation, or the word itself.
 */
#include "analyzer/whatif/extension.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/columns.h"

const char *const gs_gil_answer_keys[] = {
#define GS_GIL_ANSWER_KEY(id, key) key,
    GS_GIL_ANSWERS(GS_GIL_ANSWER_KEY)
#undef GS_GIL_ANSWER_KEY
};

#define MOST_FILE_BYTES     (INT64_C(256) << 20)
#define MOST_PARTS          64u /* sections with data; a module has a dozen */
#define HEX_3_13            0x030d0000u

/* struct PyModuleDef and PyModuleDef_Slot of Pythons with the GIL, in words */
#define WORD                8u
#define DEF_M_NAME          5u
#define DEF_M_SIZE          7u /* -1, or how much memory a module takes */
#define DEF_M_SLOTS         9u
#define DEF_WORDS           13u
#define MOST_SLOTS          32u
#define LAST_SLOT           127u /* 3.15 has them up to 110 */
#define SLOT_GIL            4u
#define SLOT_GIL_15         87u /* from 3.15 on */
#define SLOT_TABLE          94u /* another table, which is not looked at */
#define GIL_NOT_USED        1u
#define MOST_M_SIZE         (INT64_C(1) << 32)
#define MOST_LOOKS          4096u /* at what may be a definition; each may go through all relocations */
#define MOST_PACKAGES_BYTES 200u /* of names in front of a module's */

struct part { /* of the file, as it would lie in memory */
    uint64_t addr;
    size_t size;
    const unsigned char *bytes;
};
struct image {
    struct part parts[MOST_PARTS];
    size_t n_parts, last; /* last: where the one before was found */
    unsigned n_looks;
    const char *module; /* NAME of the first PyInit_NAME; NULL: it is no module */
    bool in_phases, sets_gil;
    bool says, does_not; /* tables that do, that do not */
};

/* ---- words of it ---- */

static const unsigned char *bytes_at(struct image *im, uint64_t addr, size_t n)
{
    for (size_t i = 0; i < im->n_parts; i++) {
        size_t k = (im->last + i) % im->n_parts;
        const struct part *p = &im->parts[k];
        if (addr < p->addr || addr - p->addr > p->size || p->size - (addr - p->addr) < n)
            continue;
        im->last = k;
        return p->bytes + (addr - p->addr);
    }
    return NULL;
}

static uint64_t word(const unsigned char *bytes, size_t i)
{
    uint64_t v;
    memcpy(&v, bytes + i * WORD, sizeof(v));
    return v;
}

/* ---- a module's definition, and its table ---- */

/* It has a count of references from the start; ob_type, m_init, m_index and m_copy are empty until
 * it is imported. */
static bool is_definition(const unsigned char *def)
{
    int64_t m_size = (int64_t)word(def, DEF_M_SIZE);
    if (word(def, 0) == 0)
        return false;
    for (size_t i = 1; i < 5; i++)
        if (word(def, i) != 0)
            return false;
    return m_size >= -1 && m_size < MOST_M_SIZE;
}

/* The same name as PyInit_'s, or behind the names of packages. */
static bool is_its_name(struct image *im, uint64_t addr)
{
    size_t n = strlen(im->module);
    const char *dot, *text = (const char *)bytes_at(im, addr, n + 1);
    if (text && memcmp(text, im->module, n + 1) == 0)
        return true;
    for (size_t at = 0; at < MOST_PACKAGES_BYTES; at++) {
        dot = (const char *)bytes_at(im, addr + at, n + 2);
        if (!dot || *dot == '\0')
            return false;
        if (*dot == '.' && memcmp(dot + 1, im->module, n + 1) == 0)
            return true;
    }
    return false;
}

/* A word that is, or will be, `to` stands at `from`: is that m_slots of a definition? name: what
 * m_name is, or will be. */
static void look_at_pointer(struct image *im, uint64_t from, uint64_t to, uint64_t name)
{
    const unsigned char *def = bytes_at(im, from - DEF_M_SLOTS * WORD, DEF_WORDS * WORD);
    if (!def || !is_definition(def) || !is_its_name(im, name))
        return;
    bool says = false;
    for (unsigned i = 0; i < MOST_SLOTS; i++) {
        const unsigned char *slot = bytes_at(im, to + i * 2 * WORD, 2 * WORD);
        uint64_t id = slot ? word(slot, 0) : UINT64_MAX;
        if (id > LAST_SLOT || id == SLOT_TABLE || (id == 0 && i == 0))
            return;
        if (id == 0) {
            *(says ? &im->says : &im->does_not) = true;
            return;
        }
        says |= (id == SLOT_GIL || id == SLOT_GIL_15) && word(slot, 1) == GIL_NOT_USED;
    }
}

static void look_at_words(struct image *im)
{
    for (size_t k = 0; k < im->n_parts; k++) {
        struct part p = im->parts[k];
        for (size_t at = DEF_M_SLOTS * WORD; at + WORD <= p.size; at += WORD)
            if (word(p.bytes + at, 0) && is_definition(p.bytes + at - DEF_M_SLOTS * WORD))
                look_at_pointer(im, p.addr + at, word(p.bytes + at, 0),
                                word(p.bytes + at - DEF_M_SLOTS * WORD, DEF_M_NAME));
    }
}

/* What relocation i writes, and where; 0: there is none. */
static uint64_t relocated(Elf_Data *relocations, Elf_Data *symbols, int i, uint64_t *at)
{
    GElf_Rela rela;
    GElf_Sym sym;
    if (i < 0 || !gelf_getrela(relocations, i, &rela))
        return 0;
    int s = (int)GELF_R_SYM(rela.r_info);
    *at = rela.r_offset;
    return (uint64_t)rela.r_addend +
           (s && symbols && gelf_getsym(symbols, s, &sym) ? sym.st_value : 0);
}

/* Of the m_slots at `slots_at`, which relocation i is: m_name. Relocations mostly stand in order,
 * but those that need a symbol, as a table that is exported does, behind all others. */
static uint64_t name_beside(Elf_Data *relocations, Elf_Data *symbols, int i, uint64_t slots_at)
{
    uint64_t at, to, name_at = slots_at - (DEF_M_SLOTS - DEF_M_NAME) * WORD;
    GElf_Rela rela;
    for (int k = i - 1; k >= i - 3; k--)
        if ((to = relocated(relocations, symbols, k, &at)) != 0 && at == name_at)
            return to;
    for (int k = 0; gelf_getrela(relocations, k, &rela); k++)
        if (rela.r_offset == name_at)
            return relocated(relocations, symbols, k, &at);
    return 0;
}

static bool may_be_slots(struct image *im, uint64_t from)
{
    const unsigned char *def = bytes_at(im, from - DEF_M_SLOTS * WORD, DEF_WORDS * WORD);
    return def && is_definition(def) && im->n_looks++ < MOST_LOOKS;
}

static void look_at_relocations(struct image *im, Elf_Data *relocations, Elf_Data *symbols)
{
    GElf_Rela rela;
    for (int i = 0; gelf_getrela(relocations, i, &rela); i++) {
        uint64_t at, to = relocated(relocations, symbols, i, &at);
        if (to && may_be_slots(im, at))
            look_at_pointer(im, at, to, name_beside(relocations, symbols, i, at));
    }
}

/* ---- sections ---- */

static void look_at_symbols(struct image *im, Elf *elf, const GElf_Shdr *sh, Elf_Data *data)
{
    GElf_Sym sym;
    for (int i = 0; gelf_getsym(data, i, &sym); i++) {
        const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
        if (!name)
            continue;
        if (sym.st_shndx != SHN_UNDEF)
            im->module = im->module || strncmp(name, "PyInit_", 7) != 0 ? im->module : name + 7;
        else if (strcmp(name, "PyModuleDef_Init") == 0)
            im->in_phases = true;
        else if (strcmp(name, "PyUnstable_Module_SetGIL") == 0)
            im->sets_gil = true;
    }
}

static bool has_data(const GElf_Shdr *sh)
{
    return sh->sh_type == SHT_PROGBITS && (sh->sh_flags & SHF_ALLOC) &&
           !(sh->sh_flags & (SHF_EXECINSTR | SHF_COMPRESSED));
}

static void add_part(struct image *im, const GElf_Shdr *sh, const Elf_Data *data)
{
    if (data && data->d_buf && data->d_size && im->n_parts < MOST_PARTS)
        im->parts[im->n_parts++] = (struct part){sh->sh_addr, data->d_size, data->d_buf};
}

/* One of each: what claims to have a thousand is no module. */
static void read_image(struct image *im, Elf *elf)
{
    Elf_Data *symbols = NULL, *relocations = NULL;
    for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
        GElf_Shdr sh;
        if (!gelf_getshdr(scn, &sh))
            continue;
        if (sh.sh_type == SHT_DYNSYM && !symbols) {
            symbols = elf_getdata(scn, NULL);
            look_at_symbols(im, elf, &sh, symbols);
        } else if (sh.sh_type == SHT_RELA && !relocations) {
            relocations = elf_getdata(scn, NULL); /* .rela.dyn comes before .rela.plt */
        } else if (has_data(&sh)) {
            add_part(im, &sh, elf_rawdata(scn, NULL));
        }
    }
    if (im->n_parts == 0 || !im->module)
        return;
    look_at_relocations(im, relocations, symbols);
    look_at_words(im);
}

/* ---- the answer ---- */

static void answer(struct gs_extension *e, enum gs_gil_answer what, const char *why)
{
    e->answer = what;
    e->why = why;
}

/* A module that each of Cython's makes when it is imported. */
static bool is_cythons(const struct image *im)
{
    static const char name[] = "cython_runtime";
    for (size_t i = 0; i < im->n_parts; i++)
        if (memmem(im->parts[i].bytes, im->parts[i].size, name, sizeof(name)))
            return true;
    return false;
}

static void answer_from(struct gs_extension *e, Elf *elf)
{
    struct image im = {0};
    GElf_Ehdr eh;
    if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh) ||
        eh.e_machine != EM_X86_64 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB) {
        answer(e, GS_GIL_UNKNOWN, "it is no 64-bit x86 library");
        return;
    }
    read_image(&im, elf);
    if (!im.module)
        answer(e, GS_GIL_UNKNOWN, "it has no PyInit function");
    else if (im.does_not && is_cythons(&im))
        answer(e, GS_GIL_UNKNOWN, "Cython lets modules say it in free-threaded builds alone");
    else if (im.does_not)
        answer(e, GS_GIL_NOT_SAID, NULL);
    else if (im.says || im.sets_gil)
        answer(e, GS_GIL_NOT_NEEDED, NULL);
    else if (im.in_phases)
        answer(e, GS_GIL_UNKNOWN, "its table of slots is made only when it is imported");
    else
        answer(e, GS_GIL_UNKNOWN,
               "it is set up in one phase; built for a Python with the GIL it cannot say");
}

void gs_extension_look_at(struct gs_extension *e, char *image, size_t size)
{
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory(image, size);
    answer_from(e, elf);
    elf_end(elf);
}

/* NULL, or why the file is not looked at. */
static const char *against_file(const struct stat *st, const struct gs_recording *r)
{
    int64_t end_ns = r->start_unix_ns + (int64_t)(r->end_ns - r->start_ns);
    int64_t changed_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if (!S_ISREG(st->st_mode))
        return "it is no file here";
    if (changed_ns > end_ns)
        return "the file here was written after the recording";
    return st->st_size > MOST_FILE_BYTES ? "the file is too large" : NULL;
}

static const char *against_look(const struct gs_extension *e, const struct gs_recording *r)
{
    char here[256] = "";
    size_t len = strlen(e->path);
    if (r->free_threaded)
        return "it was recorded in a free-threaded Python";
    if (r->python_hex && r->python_hex < HEX_3_13)
        return "modules for Python before 3.13 cannot say";
    gethostname(here, sizeof(here) - 1);
    if (r->hostname && r->hostname[0] && strcmp(r->hostname, here) != 0)
        return "it was recorded on another machine";
    return len > 3 && strcmp(e->path + len - 3, ".so") == 0 ? NULL : "it is no .so file";
}

/* abi3: built for many versions, but for no free-threaded one. */
static bool is_for_any_python(const char *path)
{
    return strstr(path, ".abi3.so") != NULL;
}

void gs_extension_look(struct gs_extension *e, const struct gs_recording *r)
{
    struct stat st;
    const char *why = against_look(e, r);
    int fd = -1;
    if (!why && (stat(e->path, &st) != 0 || !S_ISREG(st.st_mode) ||
                 (fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0))
        why = "the file is not here";
    if (!why)
        why = fstat(fd, &st) == 0 ? against_file(&st, r) : "the file is not here";
    answer(e, GS_GIL_UNKNOWN, why);
    if (!why) {
        elf_version(EV_CURRENT);
        Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
        answer_from(e, elf);
        elf_end(elf);
        if (e->answer == GS_GIL_NOT_SAID && is_for_any_python(e->path))
            answer(e, GS_GIL_UNKNOWN, "it is built for any Python with the GIL (abi3)");
    }
    if (fd >= 0)
        close(fd);
}
