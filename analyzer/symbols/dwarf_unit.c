/* SPDX-License-Identifier: MIT */
#include "analyzer/symbols/dwarf_unit.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

#define MAX_DEPTH  256u
#define MAX_RANGES (4u << 20) /* many entries may name one long list of them */

struct range {
    uint64_t low, high;
    uint32_t function; /* inner ones have greater numbers */
};
struct reading {
    struct gs_dwarf_unit *unit;
    struct range *ranges;
    size_t n, cap;
    Dwarf_Off last; /* of the entry looked at last: they are in order, or there are cycles */
};

static bool is_function(int tag)
{
    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

static bool may_contain_functions(int tag)
{
    switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        return true;
    default:
        return false;
    }
}

/* Declarations and abstract functions have no code: no number is given to them. */
static uint32_t add_function(struct reading *r, Dwarf_Die *die, uint32_t parent)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;
    uint32_t function = (uint32_t)r->unit->n_functions;
    size_t before = r->n;
    while (r->n < MAX_RANGES && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
        if (low >= high)
            continue;
        struct range range = {low, high, function};
        GS_PUSH(r->ranges, r->n, r->cap, range);
    }
    if (r->n == before)
        return parent;
    struct gs_dwarf_function f = {*die, parent};
    GS_PUSH(r->unit->functions, r->unit->n_functions, r->unit->cap_functions, f);
    return function;
}

static void read_children(struct reading *r, Dwarf_Die *of, uint32_t parent, unsigned depth)
{
    Dwarf_Die die, next;
    int rc = depth < MAX_DEPTH ? dwarf_child(of, &die) : 1;
    for (; rc == 0 && dwarf_dieoffset(&die) > r->last; die = next) {
        int tag = dwarf_tag(&die);
        r->last = dwarf_dieoffset(&die);
        uint32_t inside = is_function(tag) ? add_function(r, &die, parent) : parent;
        if (may_contain_functions(tag))
            read_children(r, &die, inside, depth + 1);
        rc = dwarf_siblingof(&die, &next);
    }
}

static int outer_first(const void *pa, const void *pb)
{
    const struct range *a = pa, *b = pb;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return a->function < b->function ? -1 : a->function > b->function;
}

static void begin_segment(struct gs_dwarf_unit *u, uint64_t start, uint32_t function)
{
    struct gs_dwarf_segment segment = {start, function};
    if (u->n_segments && u->segments[u->n_segments - 1].start >= start)
        u->segments[u->n_segments - 1].function = function;
    else
        GS_PUSH(u->segments, u->n_segments, u->cap_segments, segment);
}

/* Ranges lie one within another: what begins last and has not ended is innermost. */
static void flatten(struct reading *r)
{
    struct range *open = gs_xmalloc(r->n, sizeof(*open));
    size_t n = 0;
    qsort(r->ranges, r->n, sizeof(*r->ranges), outer_first);
    for (size_t i = 0; i <= r->n; i++) {
        uint64_t low = i < r->n ? r->ranges[i].low : UINT64_MAX;
        for (; n && open[n - 1].high <= low; n--)
            begin_segment(r->unit, open[n - 1].high, n > 1 ? open[n - 2].function : GS_DWARF_NONE);
        if (i == r->n)
            break;
        open[n] = r->ranges[i];
        if (n && open[n].high > open[n - 1].high)
            open[n].high = open[n - 1].high;
        begin_segment(r->unit, low, open[n++].function);
    }
    free(open);
}

static Dwarf_Die entry_of(const Dwarf_Die *unit)
{
    Dwarf_Die die = *unit, entry, apart;
    Dwarf_Half version;
    uint8_t type;
    if (dwarf_cu_info(die.cu, &version, &type, &entry, &apart, NULL, NULL, NULL) == 0 &&
        type == DW_UT_skeleton && apart.addr)
        return apart;
    return die;
}

void gs_dwarf_unit_read(struct gs_dwarf_unit *u, const Dwarf_Die *unit)
{
    struct reading r = {.unit = u};
    *u = (struct gs_dwarf_unit){.die = entry_of(unit)};
    read_children(&r, &u->die, GS_DWARF_NONE, 0);
    if (r.n)
        flatten(&r);
    free(r.ranges);
}

uint32_t gs_dwarf_unit_at(const struct gs_dwarf_unit *u, uint64_t address)
{
    size_t lo = 0, hi = u->n_segments; /* the first that starts after it */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (u->segments[mid].start <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? u->segments[lo - 1].function : GS_DWARF_NONE;
}

void gs_dwarf_unit_free(struct gs_dwarf_unit *u)
{
    free(u->functions);
    free(u->segments);
    memset(u, 0, sizeof(*u));
}
