/* SPDX-License-Identifier: MIT
 * What places of an ELF file are by its debugging information, or by that of a file apart
 * (.gnu_debuglink, build id; debuginfod where the user's environment names servers): elfutils finds
 * and reads it.
 */
#ifndef GS_DWARF_PLACES_H
#define GS_DWARF_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "analyzer/symbols/elf_names.h"

struct gs_dwarf;
/* NULL: it cannot be read. The caller has seen that it is the file it looks for. */
struct gs_dwarf *gs_dwarf_open(const char *path);

struct gs_dwarf_frame {          /* until the next call */
    const char *function, *file; /* file NULL, line 0: not known */
    int line;
};
/* Functions that were inlined there first, the innermost first; the last is the one they are in.
 * How many, `max` at most; 0: nothing is known. */
size_t gs_dwarf_at(struct gs_dwarf *d, uint64_t offset, struct gs_dwarf_frame *out, size_t max);
/* The functions of the symbol table apart. */
void gs_dwarf_add_names(struct gs_dwarf *d, struct gs_elf_names *out);
void gs_dwarf_close(struct gs_dwarf *d);

#endif
