/* SPDX-License-Identifier: MIT */
#include "preload/native/unwind.h"

#include <string.h>

#include <sys/uio.h>

#include "preload/raw_sys.h"

#define CHUNK_BYTES (8u << 10) /* of the own stack, at once */
#define PAGE_BYTES  4096u

/* rsp, rbp and rip in what the kernel leaves for a signal's handler: ucontext.uc_mcontext.gregs */
enum { SIGNAL_BP = 120, SIGNAL_SP = 160, SIGNAL_PC = 168 };

static long read_own(void *to, uint64_t from, size_t bytes)
{
    struct iovec local = {to, bytes}, remote = {(void *)from, bytes}; /* NOLINT */
    return gs_syscall6(SYS_process_vm_readv, gs_getpid(), (long)&local, 1, (long)&remote, 1, 0);
}

/* Up to the end of a page: behind the last one of a stack nothing may be mapped. */
static bool read_more(struct gs_stack_copy *s)
{
    uint64_t from = s->base + s->len;
    size_t want = CHUNK_BYTES + PAGE_BYTES - from % PAGE_BYTES;
    if (!s->own || s->len == s->cap)
        return false;
    want = want < s->cap - s->len ? want : s->cap - s->len;
    long got = read_own(s->bytes + s->len, from, want);
    s->len += got > 0 ? (size_t)got : 0;
    s->own = got == (long)want;
    return got > 0;
}

static bool word_at(struct gs_stack_copy *s, uint64_t at, uint64_t *out)
{
    if (at < s->base || at % 8 != 0)
        return false;
    while (at - s->base + 8 > s->len)
        if (at - s->base > s->cap || !read_more(s))
            return false;
    memcpy(out, s->bytes + (at - s->base), 8);
    return true;
}

struct walk {
    struct gs_native_regs regs;
    struct gs_stack_copy *stack;
    struct gs_native_table table;
    bool is_exact; /* pc is where it runs, not where a call comes back to */
    bool is_outermost;
};

/* Where a call came from lies in front of where it comes back to. */
static uint64_t place_of(const struct walk *w)
{
    return w->is_exact ? w->regs.pc : w->regs.pc - 1;
}

static bool find_cfa(struct walk *w, const struct gs_unwind_rule *r, uint64_t *cfa)
{
    switch (r->cfa_rule) {
    case GS_CFA_SP:
        *cfa = w->regs.sp + (uint64_t)(int64_t)r->cfa;
        return true;
    case GS_CFA_BP:
        *cfa = w->regs.bp + (uint64_t)(int64_t)r->cfa;
        return true;
    case GS_CFA_AT_BP:
        return word_at(w->stack, w->regs.bp + (uint64_t)(int64_t)r->cfa, cfa);
    case GS_CFA_PLT:
        *cfa = w->regs.sp + 8 + (w->regs.pc % 16 >= (uint64_t)r->cfa ? 8 : 0);
        return true;
    default:
        return false;
    }
}

static bool leave_signal(struct walk *w)
{
    uint64_t at = w->regs.sp;
    struct gs_native_regs next;
    if (!word_at(w->stack, at + SIGNAL_BP, &next.bp) ||
        !word_at(w->stack, at + SIGNAL_SP, &next.sp) ||
        !word_at(w->stack, at + SIGNAL_PC, &next.pc) || next.sp <= at)
        return false;
    w->regs = next;
    w->is_exact = true;
    return true;
}

static bool leave_by_rule(struct walk *w, const struct gs_unwind_rule *r)
{
    uint64_t cfa, pc, bp = w->regs.bp;
    w->is_outermost = r->cfa_rule == GS_CFA_OUTERMOST;
    if (r->cfa_rule == GS_CFA_SIGNAL)
        return leave_signal(w);
    if (!find_cfa(w, r, &cfa) || cfa <= w->regs.sp || !word_at(w->stack, cfa - 8, &pc))
        return false;
    if (r->bp_rule == GS_BP_AT_CFA && !word_at(w->stack, cfa + (uint64_t)(int64_t)r->bp, &bp))
        return false;
    if (r->bp_rule == GS_BP_AT_BP && !word_at(w->stack, w->regs.bp + (uint64_t)(int64_t)r->bp, &bp))
        return false;
    w->regs = (struct gs_native_regs){pc, cfa, bp};
    w->is_exact = false;
    return true;
}

/* The trampolines of Python's -X perf, 3.12 and 3.13: a call, then `add $N, %rsp; ret`. */
static bool leave_by_epilogue(struct walk *w)
{
    uint8_t code[5];
    uint64_t pc;
    if (w->is_exact || read_own(code, w->regs.pc, sizeof(code)) != sizeof(code) ||
        memcmp(code, "\x48\x83\xc4", 3) != 0 || code[3] > 0x7f || code[4] != 0xc3)
        return false;
    uint64_t at = w->regs.sp + code[3];
    if (!word_at(w->stack, at, &pc))
        return false;
    w->regs = (struct gs_native_regs){pc, at + 8, w->regs.bp};
    return true;
}

/* Code that was made at run time has no table: if it keeps a frame pointer, by that. */
static bool leave_by_bp(struct walk *w)
{
    uint64_t bp = w->regs.bp, caller_bp, pc;
    if (bp < w->regs.sp || !word_at(w->stack, bp, &caller_bp) || !word_at(w->stack, bp + 8, &pc))
        return false;
    w->regs = (struct gs_native_regs){pc, bp + 16, caller_bp};
    w->is_exact = false;
    return true;
}

size_t gs_native_unwind(const struct gs_native_regs *regs, struct gs_stack_copy *stack,
                        struct gs_native_frame *out, size_t max, bool *truncated, void *room)
{
    struct walk w = {.regs = *regs, .stack = stack, .table = gs_native_table(), .is_exact = true};
    size_t n = 0;
    while (n < max && w.table.n) {
        uint64_t pc = place_of(&w);
        const struct gs_native_module *o = gs_native_module_at(&w.table, pc);
        if (w.regs.pc == 0) {
            w.is_outermost = true;
            break;
        }
        out[n++] = (struct gs_native_frame){o ? o->id : 0, o ? pc - o->bias : pc};
        struct gs_unwind_rule rule;
        if (o)
            rule = gs_unwind_rule(o, pc, room);
        if (!(o ? leave_by_rule(&w, &rule) : leave_by_epilogue(&w) || leave_by_bp(&w)))
            break;
    }
    *truncated = !w.is_outermost;
    return gs_native_table_holds(&w.table) ? n : 0;
}
