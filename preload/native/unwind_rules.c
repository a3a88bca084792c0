/* SPDX-License-Identifier: MIT
 * DWARF call frame information, as .eh_frame has it. Nothing that is read is believed: every read
 * is a copy that may fail, every length has a bound, and a walk by wrong rules only reads its own
 * copy of a stack.
 */
#include "preload/native/unwind_rules.h"

#include <string.h>

#include "preload/native/unwind_cache.h"
#include "preload/pyabi/pyabi.h"

/* ---- reading ---- */

struct cursor {
    const uint8_t *at, *end; /* a copy */
    uint64_t address;        /* of `at` */
    bool bad;
};

static uint64_t get(struct cursor *c, unsigned bytes)
{
    uint64_t v = 0;
    if ((size_t)(c->end - c->at) < bytes) {
        c->bad = true;
        return 0;
    }
    memcpy(&v, c->at, bytes);
    c->at += bytes;
    c->address += bytes;
    return v;
}

static uint64_t get_uleb(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = get(c, 1);
        if (shift < 64)
            v |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
}

static int64_t get_sleb(struct cursor *c)
{
    uint64_t v = 0, byte;
    unsigned shift = 0;
    do {
        byte = get(c, 1);
        if (shift < 64)
            v |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (int64_t)(shift < 64 && byte & 0x40 ? v | ~UINT64_C(0) << shift : v);
}

static void skip(struct cursor *c, uint64_t bytes)
{
    if (bytes > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        bytes = (uint64_t)(c->end - c->at);
    }
    c->at += bytes;
    c->address += bytes;
}

enum { PE_UDATA2 = 2, PE_UDATA4, PE_UDATA8, PE_SDATA2 = 10, PE_SDATA4, PE_SDATA8, PE_OMIT = 0xff };
#define PE_FORMAT 0x0f
#define PE_PCREL  0x10
#define PE_BASE   0x70

/* Relative to where it stands, or not at all: what linkers write into these tables. */
static uint64_t get_encoded(struct cursor *c, uint8_t encoding)
{
    uint64_t base = (encoding & PE_BASE) == PE_PCREL ? c->address : 0;
    c->bad |= (encoding & PE_BASE) != 0 && (encoding & PE_BASE) != PE_PCREL;
    switch (encoding & PE_FORMAT) {
    case 0:
    case PE_UDATA8:
    case PE_SDATA8:
        return base + get(c, 8);
    case PE_UDATA4:
        return base + get(c, 4);
    case PE_SDATA4:
        return base + (uint64_t)(int64_t)(int32_t)get(c, 4);
    case PE_UDATA2:
        return base + get(c, 2);
    case PE_SDATA2:
        return base + (uint64_t)(int64_t)(int16_t)get(c, 2);
    default:
        c->bad = true;
        return 0;
    }
}

/* ---- the table of .eh_frame_hdr ---- */

#define ROW_BYTES    8u
#define ROWS_AT_ONCE 64u
#define MAX_ROWS     (1u << 24)

struct row {
    int32_t pc, fde; /* from the header on */
};

/* The row before or at `pc`, of `n` in memory. */
static bool find_row(uint64_t rows_at, uint32_t n, int64_t pc, struct row *room, struct row *out)
{
    uint32_t lo = 0;
    while (n > ROWS_AT_ONCE) {
        struct row mid;
        if (!gs_safe_read(&mid, rows_at + (uint64_t)ROW_BYTES * (lo + n / 2), sizeof(mid)))
            return false;
        if (mid.pc <= pc)
            lo += n / 2;
        n = mid.pc <= pc ? n - n / 2 : n / 2;
    }
    if (!gs_safe_read(room, rows_at + (uint64_t)ROW_BYTES * lo, (size_t)ROW_BYTES * n))
        return false;
    while (n && room[n - 1].pc > pc)
        n--;
    if (!n)
        return false;
    *out = room[n - 1];
    return true;
}

/* Address of the entry whose function may hold `pc`; 0: there is none. */
static uint64_t find_fde(const struct gs_native_module *o, uint64_t pc, void *room)
{
    static const uint8_t HEAD[4] = {1, PE_PCREL | PE_SDATA4, PE_UDATA4, 0x30 | PE_SDATA4};
    struct {
        uint8_t head[4];
        int32_t eh_frame;
        uint32_t n;
    } hdr;
    struct row row;
    if (!o->eh_frame_hdr || !gs_safe_read(&hdr, o->eh_frame_hdr, sizeof(hdr)) ||
        memcmp(hdr.head, HEAD, sizeof(HEAD)) != 0 || hdr.n == 0 || hdr.n > MAX_ROWS ||
        (uint64_t)hdr.n * ROW_BYTES + sizeof(hdr) > o->eh_frame_hdr_bytes ||
        !find_row(o->eh_frame_hdr + sizeof(hdr), hdr.n, (int64_t)(pc - o->eh_frame_hdr), room,
                  &row))
        return 0;
    return o->eh_frame_hdr + (uint64_t)(int64_t)row.fde;
}

/* ---- CIE and FDE ---- */

#define MAX_FDE 12288u /* of an interpreter loop 3 KiB; a place behind that is unknown */
#define MAX_CIE 256u

struct entry {
    struct cursor c; /* behind its id: what follows is up to the kind */
    uint64_t id_at;  /* where the id stands: CIEs are told by their distance from it */
    uint32_t id;
};

static bool read_entry(uint64_t at, uint8_t *buf, size_t cap, struct entry *e)
{
    uint32_t head[2];
    if (!gs_safe_read(head, at, sizeof(head)) || head[0] < 4 || head[0] == UINT32_MAX)
        return false;
    size_t len = head[0] - 4 < cap ? head[0] - 4 : cap;
    if (!gs_safe_read(buf, at + 8, len))
        return false;
    *e = (struct entry){{buf, buf + len, at + 8, false}, at + 4, head[1]};
    return true;
}

struct cie {
    struct cursor program;
    uint64_t code_align;
    int64_t data_align;
    uint64_t ra_column;
    uint8_t pc_encoding;
    bool has_augmentation, is_signal;
};

static bool read_augmentation(struct cie *cie, struct cursor *c, const char *letters)
{
    uint64_t bytes = get_uleb(c);
    struct cursor data = *c;
    skip(c, bytes);
    for (; *letters; letters++) {
        if (*letters == 'R')
            cie->pc_encoding = (uint8_t)get(&data, 1);
        else if (*letters == 'P')
            get_encoded(&data, (uint8_t)get(&data, 1) & ~0x80);
        else if (*letters == 'L')
            get(&data, 1);
        else if (*letters == 'S')
            cie->is_signal = true;
        else
            return false;
    }
    return !data.bad && !c->bad;
}

static const uint8_t *end_of_text(const struct cursor *c)
{
    const uint8_t *p = c->at;
    while (p < c->end && *p)
        p++;
    return p < c->end ? p : NULL;
}

static bool read_cie(uint64_t at, uint8_t *buf, struct cie *cie)
{
    struct entry e;
    if (!read_entry(at, buf, MAX_CIE, &e) || e.id != 0)
        return false;
    struct cursor *c = &e.c;
    uint64_t version = get(c, 1);
    const char *letters = (const char *)c->at;
    const uint8_t *nul = end_of_text(c);
    if (!nul || (version != 1 && version != 3))
        return false;
    skip(c, (uint64_t)(nul + 1 - c->at));
    *cie = (struct cie){.code_align = get_uleb(c), .data_align = get_sleb(c)};
    cie->ra_column = version == 1 ? get(c, 1) : get_uleb(c);
    cie->has_augmentation = *letters == 'z';
    if (*letters && !cie->has_augmentation)
        return false;
    if (cie->has_augmentation && !read_augmentation(cie, c, letters + 1))
        return false;
    cie->program = *c;
    return !c->bad;
}

/* ---- the program: rules as they change from place to place ---- */

enum { RBP = 6, RSP = 7, RA = 16 };
enum { OFFSET_DEFAULT = -8 };
#define MOST_REMEMBERED 8u
#define MOST_STEPS      16384u

struct expression {
    const uint8_t *at;
    size_t len;
};
struct state {
    uint64_t cfa_register;
    int64_t cfa_offset, bp_offset;
    bool cfa_is_expression, bp_is_saved, bp_is_expression, ra_is_undefined, is_odd;
    struct expression cfa, bp;
};
struct run {
    const struct cie *cie;
    struct state now, initial, remembered[MOST_REMEMBERED];
    unsigned n_remembered;
    uint64_t loc, pc; /* runs until loc would pass pc */
};

_Static_assert(sizeof(struct run) + MAX_FDE + MAX_CIE <= GS_UNWIND_ROOM, "one behind the other");

static struct expression get_block(struct cursor *c)
{
    uint64_t len = get_uleb(c);
    struct expression e = {c->at, (size_t)len};
    skip(c, len);
    return e;
}

/* A register's rule; of others than rbp and the return address nobody asks. */
static void saved(struct state *s, uint64_t reg, int64_t offset)
{
    if (reg == RBP) {
        s->bp_is_saved = true;
        s->bp_is_expression = false;
        s->bp_offset = offset;
    }
    s->is_odd |= reg == RA && offset != OFFSET_DEFAULT;
}

static void restored(struct run *r, uint64_t reg)
{
    if (reg != RBP)
        return;
    r->now.bp_is_saved = r->initial.bp_is_saved;
    r->now.bp_is_expression = r->initial.bp_is_expression;
    r->now.bp_offset = r->initial.bp_offset;
}

static void set_expression(struct state *s, uint64_t reg, struct expression e)
{
    if (reg == RBP) {
        s->bp_is_saved = false;
        s->bp_is_expression = true;
        s->bp = e;
    }
    s->is_odd |= reg == RA;
}

static void define_cfa(struct state *s, uint64_t reg, int64_t offset)
{
    s->cfa_register = reg;
    s->cfa_offset = offset;
    s->cfa_is_expression = false;
}

/* Numbers of DWARF 5, 7.24. The upper two bits of three of them are the operation. */
enum {
    SET_LOC = 1,
    ADVANCE_1,
    ADVANCE_2,
    ADVANCE_4,
    OFFSET_EXTENDED,
    RESTORE_EXTENDED,
    UNDEFINED,
    SAME_VALUE,
    REGISTER,
    REMEMBER,
    RESTORE_STATE,
    DEF_CFA,
    DEF_CFA_REGISTER,
    DEF_CFA_OFFSET,
    DEF_CFA_EXPRESSION,
    EXPRESSION,
    OFFSET_EXTENDED_SF,
    DEF_CFA_SF,
    DEF_CFA_OFFSET_SF,
    VAL_OFFSET,
    VAL_OFFSET_SF,
    VAL_EXPRESSION,
    GNU_ARGS_SIZE = 0x2e,
    GNU_NEGATIVE_OFFSET = 0x2f,
    ADVANCE = 0x40,
    OFFSET = 0x80,
    RESTORE = 0xc0
};

static void advance(struct run *r, uint64_t units)
{
    r->loc += units * r->cie->code_align;
}

/* What sets rules of registers. False: it is none of these. */
static bool step_register(struct run *r, struct cursor *c, uint8_t op)
{
    struct state *s = &r->now;
    int64_t align = r->cie->data_align;
    uint64_t reg;
    switch (op) {
    case OFFSET_EXTENDED:
        reg = get_uleb(c);
        saved(s, reg, (int64_t)get_uleb(c) * align);
        return true;
    case OFFSET_EXTENDED_SF:
        reg = get_uleb(c);
        saved(s, reg, get_sleb(c) * align);
        return true;
    case GNU_NEGATIVE_OFFSET:
        reg = get_uleb(c);
        saved(s, reg, -(int64_t)get_uleb(c) * align);
        return true;
    case RESTORE_EXTENDED:
        restored(r, get_uleb(c));
        return true;
    case UNDEFINED:
        s->ra_is_undefined |= get_uleb(c) == RA;
        return true;
    case SAME_VALUE:
        reg = get_uleb(c);
        if (reg == RBP)
            s->bp_is_saved = s->bp_is_expression = false;
        s->is_odd |= reg == RA;
        return true;
    case REGISTER:
    case VAL_OFFSET:
        reg = get_uleb(c);
        get_uleb(c);
        s->is_odd |= reg == RBP || reg == RA;
        return true;
    case VAL_OFFSET_SF:
        reg = get_uleb(c);
        get_sleb(c);
        s->is_odd |= reg == RBP || reg == RA;
        return true;
    case EXPRESSION:
        reg = get_uleb(c);
        set_expression(s, reg, get_block(c));
        return true;
    case VAL_EXPRESSION:
        reg = get_uleb(c);
        get_block(c);
        s->is_odd |= reg == RBP || reg == RA;
        return true;
    default:
        return false;
    }
}

/* What sets the frame's end. */
static bool step_cfa(struct run *r, struct cursor *c, uint8_t op)
{
    struct state *s = &r->now;
    int64_t align = r->cie->data_align;
    uint64_t reg;
    switch (op) {
    case DEF_CFA:
        reg = get_uleb(c);
        define_cfa(s, reg, (int64_t)get_uleb(c));
        return true;
    case DEF_CFA_SF:
        reg = get_uleb(c);
        define_cfa(s, reg, get_sleb(c) * align);
        return true;
    case DEF_CFA_REGISTER:
        define_cfa(s, get_uleb(c), s->cfa_offset);
        return true;
    case DEF_CFA_OFFSET:
        define_cfa(s, s->cfa_register, (int64_t)get_uleb(c));
        return true;
    case DEF_CFA_OFFSET_SF:
        define_cfa(s, s->cfa_register, get_sleb(c) * align);
        return true;
    case DEF_CFA_EXPRESSION:
        s->cfa = get_block(c);
        s->cfa_is_expression = true;
        return true;
    default:
        return false;
    }
}

/* What moves on, and the rest. */
static bool step_place(struct run *r, struct cursor *c, uint8_t op)
{
    switch (op) {
    case 0:
        return true;
    case SET_LOC:
        r->loc = get_encoded(c, r->cie->pc_encoding);
        return true;
    case ADVANCE_1:
        advance(r, get(c, 1));
        return true;
    case ADVANCE_2:
        advance(r, get(c, 2));
        return true;
    case ADVANCE_4:
        advance(r, get(c, 4));
        return true;
    case REMEMBER:
        if (r->n_remembered == MOST_REMEMBERED)
            return false;
        r->remembered[r->n_remembered++] = r->now;
        return true;
    case RESTORE_STATE:
        if (r->n_remembered == 0)
            return false;
        r->now = r->remembered[--r->n_remembered];
        return true;
    case GNU_ARGS_SIZE:
        get_uleb(c);
        return true;
    default:
        return false;
    }
}

static bool step(struct run *r, struct cursor *c)
{
    uint8_t op = (uint8_t)get(c, 1), low = op & 0x3f;
    switch (op & 0xc0) {
    case ADVANCE:
        advance(r, low);
        return true;
    case OFFSET:
        saved(&r->now, low, (int64_t)get_uleb(c) * r->cie->data_align);
        return true;
    case RESTORE:
        restored(r, low);
        return true;
    default:
        return step_cfa(r, c, op) || step_register(r, c, op) || step_place(r, c, op);
    }
}

/* Up to what is true at r->pc. */
static bool run_to(struct run *r, struct cursor c)
{
    for (unsigned n = 0; c.at < c.end && n < MOST_STEPS; n++) {
        struct state before = r->now;
        if (!step(r, &c) || c.bad)
            return false;
        if (r->loc > r->pc) {
            r->now = before;
            return true;
        }
    }
    return c.at == c.end;
}

/* ---- what it comes to ---- */

enum { OP_DEREF = 0x06, OP_BREG_RBP = 0x76 };

/* rbp + offset, and with `deref` what lies there. */
static bool is_at_bp(struct expression e, bool deref, int64_t *offset)
{
    struct cursor c = {e.at, e.at + e.len, 0, false};
    if (get(&c, 1) != OP_BREG_RBP)
        return false;
    *offset = get_sleb(&c);
    return !c.bad && (!deref || get(&c, 1) == OP_DEREF) && c.at == c.end && !c.bad;
}

/* rsp + 8 + ((rip & 15) >= 11) * 8: what linkers write for procedure linkage tables. */
static bool is_plt(struct expression e)
{
    static const uint8_t PLT[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
    static const uint8_t SECOND[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x22};
    return e.len == sizeof(PLT) &&
           (memcmp(e.at, PLT, sizeof(PLT)) == 0 || memcmp(e.at, SECOND, sizeof(SECOND)) == 0);
}

static bool fits(int64_t offset)
{
    return offset > -(1 << 23) && offset < 1 << 23;
}

static struct gs_unwind_rule rule_of(const struct state *s)
{
    static const struct gs_unwind_rule unknown = {GS_CFA_UNKNOWN, GS_BP_SAME, 0, 0};
    struct gs_unwind_rule r = {GS_CFA_SP, GS_BP_SAME, 0, 0};
    int64_t cfa = s->cfa_offset, bp = s->bp_offset;
    if (s->ra_is_undefined)
        return (struct gs_unwind_rule){GS_CFA_OUTERMOST, GS_BP_SAME, 0, 0};
    if (s->is_odd)
        return unknown;
    if (s->cfa_is_expression && is_plt(s->cfa))
        return (struct gs_unwind_rule){GS_CFA_PLT, GS_BP_SAME, s->cfa.at[6] == 0x3b ? 11 : 10, 0};
    if (s->cfa_is_expression && is_at_bp(s->cfa, true, &cfa))
        r.cfa_rule = GS_CFA_AT_BP;
    else if (s->cfa_is_expression || (s->cfa_register != RSP && s->cfa_register != RBP))
        return unknown;
    else if (s->cfa_register == RBP)
        r.cfa_rule = GS_CFA_BP;
    if (s->bp_is_expression && !is_at_bp(s->bp, false, &bp))
        return unknown;
    r.bp_rule = s->bp_is_expression ? GS_BP_AT_BP : s->bp_is_saved ? GS_BP_AT_CFA : GS_BP_SAME;
    if (!fits(cfa) || !fits(bp))
        return unknown;
    r.cfa = (int32_t)cfa;
    r.bp = r.bp_rule == GS_BP_SAME ? 0 : (int32_t)bp;
    return r;
}

static struct gs_unwind_rule read_rule(const struct gs_native_module *o, uint64_t pc, void *room)
{
    static const struct gs_unwind_rule unknown = {GS_CFA_UNKNOWN, GS_BP_SAME, 0, 0};
    struct run *r = room; /* the tables that are read lie behind it */
    uint8_t *fde_buf = (uint8_t *)room + GS_UNWIND_ROOM - MAX_FDE - MAX_CIE;
    struct entry fde;
    struct cie cie;
    uint64_t at = find_fde(o, pc, room);
    if (!at || !read_entry(at, fde_buf, MAX_FDE, &fde) || fde.id == 0 ||
        !read_cie(fde.id_at - fde.id, fde_buf + MAX_FDE, &cie) || cie.ra_column != RA)
        return unknown;
    if (cie.is_signal)
        return (struct gs_unwind_rule){GS_CFA_SIGNAL, GS_BP_SAME, 0, 0};
    uint64_t begin = get_encoded(&fde.c, cie.pc_encoding);
    uint64_t bytes = get_encoded(&fde.c, cie.pc_encoding & PE_FORMAT);
    if (cie.has_augmentation)
        skip(&fde.c, get_uleb(&fde.c));
    if (fde.c.bad || pc - begin >= bytes)
        return unknown;
    *r = (struct run){.cie = &cie, .loc = begin, .pc = UINT64_MAX};
    if (!run_to(r, cie.program))
        return unknown;
    r->initial = r->now;
    r->loc = begin;
    r->pc = pc;
    return run_to(r, fde.c) ? rule_of(&r->now) : unknown;
}

struct gs_unwind_rule gs_unwind_rule(const struct gs_native_module *o, uint64_t pc, void *room)
{
    struct gs_unwind_rule rule;
    if (gs_unwind_remembered(o->id, pc, &rule))
        return rule;
    rule = read_rule(o, pc, room);
    gs_unwind_remember(o->id, pc, rule);
    return rule;
}
