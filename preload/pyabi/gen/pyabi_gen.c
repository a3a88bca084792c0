/* SPDX-License-Identifier: MIT
 * Build-time tool: prints one row of pyabi_rows.def from the DWARF of an ELF file that knows
 * CPython's types (libpython3.X.so with debug information, or an object compiled from the
 * headers). Run by regenerate.sh; never part of the agent.
 *
 *   pyabi_gen <minor> <free_threaded 0|1> <ELF file>
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/pyabi/pyabi.h"

enum { MAX_TYPES = 64, MAX_NAME = 64 };

struct known_type {
    char name[MAX_NAME];
    Dwarf_Die die; /* of a complete struct */
    bool found;
};

static struct known_type types[MAX_TYPES];
static size_t n_types;

static struct known_type *type_entry(const char *name, size_t len, bool create)
{
    for (size_t i = 0; i < n_types; i++)
        if (strlen(types[i].name) == len && !memcmp(types[i].name, name, len))
            return &types[i];
    if (!create || n_types == MAX_TYPES || len >= MAX_NAME)
        return NULL;
    memcpy(types[n_types].name, name, len);
    return &types[n_types++];
}

/* Strips typedefs and qualifiers; false when the type is not a complete struct or union. */
static bool to_struct(Dwarf_Die *die)
{
    while (dwarf_tag(die) == DW_TAG_typedef || dwarf_tag(die) == DW_TAG_const_type) {
        Dwarf_Attribute attr;
        if (!dwarf_attr_integrate(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, die))
            return false;
    }
    int tag = dwarf_tag(die);
    return (tag == DW_TAG_structure_type || tag == DW_TAG_union_type) &&
           !dwarf_hasattr(die, DW_AT_declaration);
}

static void note_types_of_unit(Dwarf_Die *unit)
{
    Dwarf_Die die;
    for (int rc = dwarf_child(unit, &die); rc == 0; rc = dwarf_siblingof(&die, &die)) {
        const char *name = dwarf_diename(&die);
        struct known_type *type = name ? type_entry(name, strlen(name), false) : NULL;
        Dwarf_Die target = die;
        if (type && !type->found && to_struct(&target)) {
            type->die = target;
            type->found = true;
        }
    }
}

/* Registers the type names that the paths of one "a.b|c.d" list start with. */
static void want_types(const char *paths)
{
    while (*paths) {
        paths += *paths == '#';
        type_entry(paths, strcspn(paths, ".|"), true);
        paths += strcspn(paths, "|");
        paths += *paths == '|';
    }
}

static bool member_type(Dwarf_Die *member, Dwarf_Die *out)
{
    Dwarf_Attribute attr;
    return dwarf_attr_integrate(member, DW_AT_type, &attr) && dwarf_formref_die(&attr, out);
}

static long attr_or(Dwarf_Die *die, unsigned name, long fallback)
{
    Dwarf_Attribute attr;
    Dwarf_Word value;
    if (!dwarf_attr_integrate(die, name, &attr) || dwarf_formudata(&attr, &value))
        return fallback;
    return (long)value;
}

/* Bit at which a member starts, in its struct: DWARF 5's attribute, or DWARF 4's, which counts
 * from the most significant bit of the storage unit. */
static long member_bit(Dwarf_Die *member)
{
    long bit = attr_or(member, DW_AT_data_bit_offset, -1);
    if (bit >= 0)
        return bit;
    long base = 8 * attr_or(member, DW_AT_data_member_location, 0);
    long old = attr_or(member, DW_AT_bit_offset, -1);
    if (old < 0)
        return base;
    Dwarf_Die type;
    long unit = attr_or(member, DW_AT_byte_size, 0);
    if (unit == 0 && member_type(member, &type))
        unit = dwarf_bytesize(&type);
    return base + 8 * unit - old - attr_or(member, DW_AT_bit_size, 0);
}

/* Finds the member `name` in a struct, through unnamed members; returns its bit or -1. */
static long find_member(Dwarf_Die *in, const char *name, size_t len, Dwarf_Die *type)
{
    Dwarf_Die m;
    for (int rc = dwarf_child(in, &m); rc == 0; rc = dwarf_siblingof(&m, &m)) {
        if (dwarf_tag(&m) != DW_TAG_member)
            continue;
        const char *have = dwarf_diename(&m);
        if (have && strlen(have) == len && !memcmp(have, name, len))
            return member_type(&m, type) ? member_bit(&m) : -1;
        Dwarf_Die inner;
        if (have || !member_type(&m, &inner) || !to_struct(&inner))
            continue;
        long bit = find_member(&inner, name, len, type);
        if (bit >= 0)
            return bit + member_bit(&m);
    }
    return -1;
}

/* One path: byte offset of the member, size of a lone type, or with '#' the bit in the last
 * struct of the path. -1 when this version lacks it. */
static long eval_path(const char *path, size_t len)
{
    bool want_bit = *path == '#';
    const char *at = path + want_bit, *end = path + len;
    size_t n = strcspn(at, ".|");
    struct known_type *known = type_entry(at, n, false);
    if (!known || !known->found)
        return -1;
    Dwarf_Die die = known->die;
    if (at + n == end)
        return dwarf_bytesize(&die);
    long total = 0, last = 0;
    while (at + n < end) {
        at += n + 1;
        n = strcspn(at, ".|");
        if (!to_struct(&die) || (last = find_member(&die, at, n, &die)) < 0)
            return -1;
        total += last;
    }
    return want_bit ? last : total / 8;
}

static long eval(const char *paths)
{
    while (*paths) {
        size_t len = strcspn(paths, "|");
        long value = eval_path(paths, len);
        if (value >= 0)
            return value;
        paths += len + (paths[len] == '|');
    }
    return GS_PYABI_ABSENT;
}

static long eval_debug(const char *member)
{
    char path[128];
    snprintf(path, sizeof(path), "_Py_DebugOffsets.%s", member);
    return *member ? eval_path(path, strlen(path)) : GS_PYABI_ABSENT;
}

static void print_row(const char *minor, const char *free_threaded)
{
    printf("GS_PYABI_ROW(%s, %s,\n", minor, free_threaded);
#define X(name, candidates, debug) printf("    GS_F(%s, %ld)\n", #name, eval(candidates));
    GS_PYABI_OFFSET_LIST(X)
#undef X
    printf("    ,\n");
#define X(name, candidates, debug) printf("    GS_F(%s, %ld)\n", #name, eval_debug(debug));
    GS_PYABI_OFFSET_LIST(X)
#undef X
    printf(")\n");
}

static bool load_types(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    Dwarf *dwarf = fd < 0 ? NULL : dwarf_begin(fd, DWARF_C_READ);
    if (!dwarf)
        return false;
#define X(name, candidates, debug) want_types(candidates);
    GS_PYABI_OFFSET_LIST(X)
#undef X
    want_types("_Py_DebugOffsets");
    Dwarf_CU *cu = NULL;
    Dwarf_Die unit;
    while (dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &unit, NULL) == 0)
        note_types_of_unit(&unit);
    return true; /* the Dwarf handle lives as long as the process */
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: pyabi_gen <minor> <free_threaded 0|1> <ELF file>\n");
        return 2;
    }
    if (!load_types(argv[3]) || eval("PyCodeObject") < 0) {
        fprintf(stderr, "pyabi_gen: %s: no DWARF of CPython's types\n", argv[3]);
        return 1;
    }
    print_row(argv[1], argv[2]);
    return 0;
}
