/* SPDX-License-Identifier: MIT
 * Line of a bytecode offset, in the three table formats of CPython 3.9-3.15. Pure: also linked
 * into the analyzer, where the bytes come from a file, so every table may be garbage. Sums are
 * unsigned, to wrap where a broken table overflows.
 */
#include "preload/pyabi/pyabi.h"

enum {
    NO_LINE_310 = -128,   /* ldelta of a 3.10 range without a line */
    ENTRY_START = 0x80,   /* set in the first byte of a location entry, and in no other */
    FORM_ONE_LINE_0 = 10, /* 10, 11, 12: line delta 0, 1, 2 */
    FORM_NO_COLUMNS = 13,
    FORM_LONG = 14,
    FORM_NONE = 15,
    VARINT_MORE = 0x40,
    CODE_UNIT_BYTES = 2,
};

static int32_t as_line(uint32_t line)
{
    return line <= INT32_MAX ? (int32_t)line : -1;
}

/* 3.9: pairs (address step, line step); a step applies from its address on. */
static int32_t lnotab_line(const uint8_t *table, size_t len, uint32_t line, uint32_t instr_off)
{
    uint64_t addr = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        addr += table[i];
        if (addr > instr_off)
            break;
        line += (uint32_t)(int8_t)table[i + 1];
    }
    return as_line(line);
}

/* 3.10, PEP 626: pairs (length of the range, line step before it). */
static int32_t pep626_line(const uint8_t *table, size_t len, uint32_t line, uint32_t instr_off)
{
    uint64_t end = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        int8_t step = (int8_t)table[i + 1];
        end += table[i];
        if (step != NO_LINE_310)
            line += (uint32_t)step;
        if (end > instr_off)
            return step == NO_LINE_310 ? -1 : as_line(line);
    }
    return -1;
}

/* Six bits a byte, low ones first, sign in bit 0. Leaves *pos behind what it read. */
static uint32_t signed_varint(const uint8_t *table, size_t len, size_t *pos)
{
    uint32_t value = 0;
    for (unsigned shift = 0; *pos < len; shift += 6) {
        uint8_t byte = table[(*pos)++];
        if (shift < 32)
            value |= (uint32_t)(byte & 0x3f) << shift;
        if (!(byte & VARINT_MORE))
            break;
    }
    return value & 1 ? 0u - (value >> 1) : value >> 1;
}

static uint32_t location_step(unsigned form, const uint8_t *table, size_t len, size_t *pos)
{
    if (form == FORM_NO_COLUMNS || form == FORM_LONG)
        return signed_varint(table, len, pos);
    if (form >= FORM_ONE_LINE_0 && form < FORM_NO_COLUMNS)
        return form - FORM_ONE_LINE_0;
    return 0;
}

/* 3.11+: see Objects/locations.md of CPython. Columns are skipped: up to the next entry's start. */
static int32_t location_line(const uint8_t *table, size_t len, uint32_t line, uint32_t instr_off)
{
    uint64_t end = 0;
    size_t pos = 0;
    while (pos < len) {
        uint8_t head = table[pos++];
        unsigned form = (head >> 3) & 15;
        if (!(head & ENTRY_START))
            return -1;
        end += CODE_UNIT_BYTES * ((head & 7u) + 1);
        line += location_step(form, table, len, &pos);
        if (end > instr_off)
            return form == FORM_NONE ? -1 : as_line(line);
        while (pos < len && !(table[pos] & ENTRY_START))
            pos++;
    }
    return -1;
}

int32_t gs_pyabi_line(enum gs_linetable_kind kind, const uint8_t *table, size_t len,
                      int32_t first_line, uint32_t instr_off)
{
    if (!table)
        len = 0;
    switch (kind) {
    case GS_LINETABLE_LNOTAB:
        return lnotab_line(table, len, (uint32_t)first_line, instr_off);
    case GS_LINETABLE_LINETABLE:
        return pep626_line(table, len, (uint32_t)first_line, instr_off);
    case GS_LINETABLE_LOCATIONS:
        return location_line(table, len, (uint32_t)first_line, instr_off);
    case GS_LINETABLE_NONE:
        break;
    }
    return -1;
}
