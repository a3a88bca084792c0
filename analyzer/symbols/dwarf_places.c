/* SPDX-License-Identifier: MIT */
#include "analyzer/symbols/dwarf_places.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

struct gs_dwarf {
    Dwfl *dwfl;
    Dwfl_Module *module;
};

struct gs_dwarf *gs_dwarf_open(const char *path)
{
    static const Dwfl_Callbacks callbacks = {
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = dwfl_offline_section_address,
    };
    struct gs_dwarf *d = gs_xcalloc(1, sizeof(*d));
    d->dwfl = dwfl_begin(&callbacks);
    if (d->dwfl)
        d->module = dwfl_report_elf(d->dwfl, path, path, -1, 0, true);
    if (d->module && dwfl_report_end(d->dwfl, NULL, NULL) == 0)
        return d;
    gs_dwarf_close(d);
    return NULL;
}

void gs_dwarf_close(struct gs_dwarf *d)
{
    if (d->dwfl)
        dwfl_end(d->dwfl);
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

static size_t chain_of(Dwarf_Die *cu, Dwarf_Die *scopes, int n_scopes, struct place at,
                       struct gs_dwarf_frame *out, size_t max)
{
    size_t n = 0;
    for (int i = 0; i < n_scopes && n < max; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
            continue;
        const char *name = name_of(&scopes[i]);
        out[n++] = (struct gs_dwarf_frame){name ? name : "(no name)", at.file, at.line};
        if (tag == DW_TAG_subprogram)
            break;
        at = place_of_call(cu, &scopes[i]);
    }
    return n;
}

/* Scopes by address are those where a function was written; around the innermost one they are as
 * the code lies. */
static int scopes_at(Dwarf_Die *cu, Dwarf_Addr address, Dwarf_Die **out)
{
    Dwarf_Die *scopes = NULL, *around = NULL;
    int n = dwarf_getscopes(cu, address, &scopes);
    *out = NULL;
    if (n > 0) {
        Dwarf_Die innermost = scopes[0];
        n = dwarf_getscopes_die(&innermost, &around);
        *out = n > 0 ? around : NULL;
    }
    free(scopes);
    return n;
}

size_t gs_dwarf_at(struct gs_dwarf *d, uint64_t offset, struct gs_dwarf_frame *out, size_t max)
{
    Dwarf_Addr bias;
    Dwarf_Die *scopes = NULL, *cu = dwfl_module_addrdie(d->module, offset, &bias);
    int n_scopes = cu ? scopes_at(cu, offset - bias, &scopes) : 0;
    struct place at = place_of(d->module, offset);
    size_t n = n_scopes > 0 ? chain_of(cu, scopes, n_scopes, at, out, max) : 0;
    free(scopes);
    return n;
}

const char *gs_dwarf_name(struct gs_dwarf *d, uint64_t offset)
{
    return dwfl_module_addrname(d->module, offset);
}
