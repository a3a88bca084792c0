/* SPDX-License-Identifier: MIT */
#include "analyzer/symbols/dwarf_places.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/idmap.h"
#include "analyzer/symbols/dwarf_unit.h"
#include "analyzer/xalloc.h"

#define N_UNITS   64u
#define MAX_NAMES (1u << 24)
#define MAX_LINES (2u << 20) /* libdw keeps all it has read until the file is closed */

struct gs_dwarf {
    char *path;
    Dwfl *dwfl;
    Dwfl_Module *module; /* NULL: it could be opened once, and no more */
    struct kept_unit {
        bool is_read;
        Dwarf_Off offset;
        struct gs_dwarf_unit unit;
    } units[N_UNITS];
    uint64_t n_lines;
};

static bool open_file(struct gs_dwarf *d)
{
    static const Dwfl_Callbacks callbacks = {
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = dwfl_offline_section_address,
    };
    d->dwfl = dwfl_begin(&callbacks);
    if (d->dwfl)
        d->module = dwfl_report_elf(d->dwfl, d->path, d->path, -1, 0, true);
    return d->module && dwfl_report_end(d->dwfl, NULL, NULL) == 0;
}

static void close_file(struct gs_dwarf *d)
{
    for (size_t i = 0; i < N_UNITS; i++)
        gs_dwarf_unit_free(&d->units[i].unit);
    memset(d->units, 0, sizeof(d->units));
    if (d->dwfl)
        dwfl_end(d->dwfl);
    d->dwfl = NULL;
    d->module = NULL;
    d->n_lines = 0;
}

static bool reopen(struct gs_dwarf *d)
{
    close_file(d);
    if (open_file(d))
        return true;
    close_file(d);
    return false;
}

struct gs_dwarf *gs_dwarf_open(const char *path)
{
    struct gs_dwarf *d = gs_xcalloc(1, sizeof(*d));
    d->path = gs_xstrndup(path, strlen(path));
    if (open_file(d))
        return d;
    gs_dwarf_close(d);
    return NULL;
}

void gs_dwarf_close(struct gs_dwarf *d)
{
    close_file(d);
    free(d->path);
    free(d);
}

/* ---- one place ---- */

struct place { /* of source text */
    const char *file;
    int line;
};

static struct place place_of(Dwfl_Module *module, uint64_t offset)
{
    struct place p = {NULL, 0};
    Dwfl_Line *line = dwfl_module_getsrc(module, offset);
    if (line)
        p.file = dwfl_lineinfo(line, NULL, &p.line, NULL, NULL, NULL);
    return p;
}

static bool number_of(Dwarf_Die *die, unsigned name, Dwarf_Word *out)
{
    Dwarf_Attribute attr;
    return dwarf_attr(die, name, &attr) && dwarf_formudata(&attr, out) == 0;
}

/* Where the function that was inlined was called. */
static struct place place_of_call(Dwarf_Die *cu, Dwarf_Die *inlined)
{
    struct place p = {NULL, 0};
    Dwarf_Files *files;
    Dwarf_Word file, line;
    size_t n;
    if (number_of(inlined, DW_AT_call_line, &line))
        p.line = line <= INT32_MAX ? (int)line : 0;
    if (number_of(inlined, DW_AT_call_file, &file) && dwarf_getsrcfiles(cu, &files, &n) == 0 &&
        file < n)
        p.file = dwarf_filesrc(files, (size_t)file, NULL, NULL);
    return p;
}

/* The name that linkers know tells overloads and namespaces; demangled by who asks. */
static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    Dwarf_Attribute *linkage = dwarf_attr_integrate(die, DW_AT_linkage_name, &attr);
    const char *name = linkage ? dwarf_formstring(linkage) : NULL;
    return name ? name : dwarf_diename(die);
}

static size_t chain_of(const struct gs_dwarf_unit *unit, uint32_t function, struct place at,
                       struct gs_dwarf_frame *out, size_t max)
{
    Dwarf_Die cu = unit->die;
    size_t n = 0;
    while (function != GS_DWARF_NONE && n < max) {
        Dwarf_Die die = unit->functions[function].die;
        const char *name = name_of(&die);
        out[n++] = (struct gs_dwarf_frame){name ? name : "(no name)", at.file, at.line};
        if (dwarf_tag(&die) == DW_TAG_subprogram)
            break;
        at = place_of_call(&cu, &die);
        function = unit->functions[function].parent;
    }
    return n;
}

/* Read and kept; a unit that comes to stand in another's place is read again when asked for. */
static const struct gs_dwarf_unit *unit_of(struct gs_dwarf *d, Dwarf_Die *cu)
{
    Dwarf_Off offset = dwarf_dieoffset(cu);
    struct kept_unit *kept = &d->units[gs_hash64(offset) % N_UNITS];
    Dwarf_Lines *lines;
    size_t n_lines;
    if (kept->is_read && kept->offset == offset)
        return &kept->unit;
    if (kept->is_read)
        gs_dwarf_unit_free(&kept->unit);
    if (dwarf_getsrclines(cu, &lines, &n_lines) == 0)
        d->n_lines += n_lines;
    gs_dwarf_unit_read(&kept->unit, cu);
    kept->is_read = true;
    kept->offset = offset;
    return &kept->unit;
}

size_t gs_dwarf_at(struct gs_dwarf *d, uint64_t offset, struct gs_dwarf_frame *out, size_t max)
{
    Dwarf_Addr bias;
    if (d->n_lines > MAX_LINES && !reopen(d))
        return 0;
    Dwarf_Die *cu = d->module ? dwfl_module_addrdie(d->module, offset, &bias) : NULL;
    if (!cu)
        return 0;
    const struct gs_dwarf_unit *unit = unit_of(d, cu);
    return chain_of(unit, gs_dwarf_unit_at(unit, offset - bias), place_of(d->module, offset), out,
                    max);
}

void gs_dwarf_add_names(struct gs_dwarf *d, struct gs_elf_names *out)
{
    int n = d->module ? dwfl_module_getsymtab(d->module) : 0;
    for (int i = 1; i < n && out->n < MAX_NAMES; i++) {
        GElf_Sym sym;
        GElf_Addr at;
        const char *name = dwfl_module_getsym_info(d->module, i, &sym, &at, NULL, NULL, NULL);
        if (name && *name && GELF_ST_TYPE(sym.st_info) == STT_FUNC && sym.st_shndx != SHN_UNDEF &&
            sym.st_size)
            gs_elf_names_add(out, at, sym.st_size, name);
    }
    gs_elf_names_sort(out);
}
