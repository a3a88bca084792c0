/* SPDX-License-Identifier: MIT
 * One compilation unit, read once: which function, and which inlined ones, each of its places is
 * in. libdw's own search goes over the whole unit for each place.
 */
#ifndef GS_DWARF_UNIT_H
#define GS_DWARF_UNIT_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#define GS_DWARF_NONE UINT32_MAX

struct gs_dwarf_unit {
    Dwarf_Die die; /* of the unit; of split DWARF, that in the file apart */
    struct gs_dwarf_function {
        Dwarf_Die die;   /* a function, or an inlined copy of one */
        uint32_t parent; /* functions[] it is in; GS_DWARF_NONE */
    } * functions;
    size_t n_functions, cap_functions;
    struct gs_dwarf_segment {
        uint64_t start;    /* up to the next one's */
        uint32_t function; /* the innermost; GS_DWARF_NONE */
    } * segments;          /* by start */
    size_t n_segments, cap_segments;
};

/* Damaged units have fewer functions; each entry is looked at once at most. */
void gs_dwarf_unit_read(struct gs_dwarf_unit *u, const Dwarf_Die *unit);
/* functions[] of the innermost one; GS_DWARF_NONE. */
uint32_t gs_dwarf_unit_at(const struct gs_dwarf_unit *u, uint64_t address);
void gs_dwarf_unit_free(struct gs_dwarf_unit *u);

#endif
