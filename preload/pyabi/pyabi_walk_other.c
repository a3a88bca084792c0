/* SPDX-License-Identifier: MIT
 * Frames of another thread, which runs and changes them as we read. Every byte is copied by
 * process_vm_readv first; nothing that was copied is believed. 3.11+: one call copies the top of
 * the data stack, where nearly all frames lie; one call more copies the heads of all code objects.
 */
#include "preload/pyabi/pyabi_internal.h"

enum {
    TSTATE_MAX = 512,       /* of a thread state, up to the last field we need */
    FRAME_MAX = 128,        /* of one frame, copied alone */
    HOPS_PER_FRAME = 2,
    HOPS_EXTRA = 64,
    CHUNK_BYTES_MAX = 64 << 20,
    INSTR_OFF_MAX = 1 << 28,
    HEADS_AT_ONCE_MAX = 128,
};

/* What is known of the thread's data stack, and the copy of a part of it. */
struct stack_copy {
    const struct gs_pyabi *abi;
    int pid;
    uint8_t *buf;
    size_t cap;
    uintptr_t lo, hi;             /* the addresses that buf holds */
    uintptr_t chunk_lo;           /* the chunk they lie in */
    uintptr_t older_lo, older_hi; /* the chunk before that one, once looked up */
    uint8_t single[FRAME_MAX];    /* the last frame copied alone: a generator's */
};

static bool read_at(int pid, void *dst, uintptr_t src, size_t len)
{
    struct iovec local = {dst, len};
    struct iovec remote = {(void *)src, len}; /* NOLINT */
    return gs__readv(pid, &local, 1, &remote, 1) == (long)len;
}

/* Copies the part of the chunk that ends at `end`: callers' frames lie below. */
static bool copy_stack(struct stack_copy *s, uintptr_t end)
{
    uintptr_t from = end - s->chunk_lo > s->cap ? end - s->cap : s->chunk_lo;
    s->lo = s->hi = 0;
    if (!read_at(s->pid, s->buf, from, end - from))
        return false;
    s->lo = from;
    s->hi = end;
    return true;
}

/* Makes the chunk before the current one known: two small reads, once for each chunk. */
static bool look_up_older(struct stack_copy *s)
{
    const struct gs_pyabi_offsets *off = &s->abi->off;
    uintptr_t size;
    if (s->older_lo)
        return true;
    if (!s->chunk_lo ||
        !read_at(s->pid, &s->older_lo, s->chunk_lo + (uintptr_t)off->chunk_previous, 8) ||
        !s->older_lo || !read_at(s->pid, &size, s->older_lo + (uintptr_t)off->chunk_size, 8) ||
        size > CHUNK_BYTES_MAX) {
        s->older_lo = 0;
        return false;
    }
    s->older_hi = s->older_lo + size;
    return true;
}

/* A copy of the frame at `frame`, or NULL. */
static const uint8_t *frame_copy(struct stack_copy *s, uintptr_t frame)
{
    size_t size = (size_t)s->abi->off.frame_size;
    if (frame >= s->lo && frame < s->hi && s->hi - frame >= size)
        return s->buf + (frame - s->lo);
    bool older = !(frame >= s->chunk_lo && frame < s->lo) && look_up_older(s) &&
                 frame >= s->older_lo && frame < s->older_hi;
    if (older) {
        s->chunk_lo = s->older_lo;
        s->older_lo = s->older_hi = 0;
    }
    if ((older || (frame >= s->chunk_lo && frame < s->lo)) && copy_stack(s, frame + size))
        return s->buf + (frame - s->lo);
    return read_at(s->pid, s->single, frame, size) ? s->single : NULL;
}

/* Reads the thread state and, with one call more, what it points to: the C frame of 3.11/3.12 and
 * the top of the data stack. Returns the innermost frame. */
static uintptr_t begin(struct stack_copy *s, uintptr_t tstate)
{
    const struct gs_pyabi_offsets *off = &s->abi->off;
    uint8_t ts[TSTATE_MAX];
    size_t len = (size_t)(off->tstate_chunk_top > off->tstate_frame ? off->tstate_chunk_top
                                                                    : off->tstate_frame) + 8;
    if (len > sizeof(ts) || !read_at(s->pid, ts, tstate, len))
        return 0;
    uintptr_t frame = load_ptr(ts, off->tstate_frame);
    s->chunk_lo = load_ptr(ts, off->tstate_chunk);
    uintptr_t top = load_ptr(ts, off->tstate_chunk_top);
    if (!s->chunk_lo || top <= s->chunk_lo || top - s->chunk_lo > CHUNK_BYTES_MAX)
        s->chunk_lo = top = 0;
    if (top)
        copy_stack(s, top);
    if (!frame || off->cframe_frame == GS_PYABI_ABSENT)
        return frame;
    return read_at(s->pid, &frame, frame + (uintptr_t)off->cframe_frame, 8) ? frame : 0;
}

/* Until the code objects are read, a candidate keeps the instruction's address in `key` and the
 * owner, with the thread's bytecode index of free-threaded builds, in `instr_off`. */
static void note_candidate(const struct gs_pyabi *abi, struct gs_py_frame *out,
                           const uint8_t *frame)
{
    uint32_t tlbc = 0;
    if (abi->off.frame_tlbc_index != GS_PYABI_ABSENT)
        tlbc = (uint32_t)load_i32(frame, abi->off.frame_tlbc_index);
    out->code = load_ptr(frame, abi->off.frame_code) & GS__REF_MASK;
    out->key = load_ptr(frame, abi->off.frame_instr);
    out->instr_off = load_u8(frame, abi->off.frame_owner) | tlbc << 8;
}

static size_t collect_frames(struct stack_copy *s, uintptr_t frame, struct gs_py_frame *out,
                             size_t max, bool *truncated)
{
    const struct gs_pyabi_offsets *off = &s->abi->off;
    size_t n = 0, hops = HOPS_PER_FRAME * max + HOPS_EXTRA;
    for (; frame && hops; hops--) {
        const uint8_t *copy = frame_copy(s, frame);
        if (!copy)
            return n;
        if (load_u8(copy, off->frame_owner) < s->abi->first_shim_owner) {
            if (n == max)
                break;
            note_candidate(s->abi, &out[n++], copy);
        }
        frame = load_ptr(copy, off->frame_previous);
    }
    *truncated = frame != 0;
    return n;
}

/* 3.9, 3.10: frames are objects anywhere in the heap, so one call for each. */
static size_t collect_objects(const struct gs_pyabi *abi, int pid, uintptr_t tstate,
                              struct gs_py_frame *out, size_t max, bool *truncated)
{
    uint8_t copy[FRAME_MAX];
    size_t len = (size_t)abi->off.frame_instr + sizeof(int32_t), n = 0;
    uintptr_t frame;
    if (len > sizeof(copy) || !read_at(pid, &frame, tstate + (uintptr_t)abi->off.tstate_frame, 8))
        return 0;
    while (frame && n < max) {
        if (!read_at(pid, copy, frame, len))
            return n;
        out[n].code = load_ptr(copy, abi->off.frame_code);
        out[n].key = 0;
        out[n++].instr_off = (uint32_t)load_i32(copy, abi->off.frame_instr);
        frame = load_ptr(copy, abi->off.frame_previous);
    }
    *truncated = frame != 0;
    return n;
}

/* Free-threaded 3.14+: the thread's own copy of the bytecode; 0 when it cannot be told. */
static uintptr_t own_bytecode(int pid, uintptr_t array, uint32_t index)
{
    uintptr_t size, start;
    if (!array || !read_at(pid, &size, array, 8) || index >= size ||
        !read_at(pid, &start, array + 8 + 8 * (uintptr_t)index, 8))
        return 0;
    return start;
}

enum verdict { KEEP, SKIP, CUT };

static enum verdict finish_object(const struct gs_pyabi *abi, struct gs_py_frame *f,
                                  const uint8_t *head)
{
    int32_t lasti = (int32_t)f->instr_off;
    if (lasti > INSTR_OFF_MAX)
        return CUT;
    f->instr_off = lasti > 0 ? (uint32_t)lasti * abi->lasti_scale : 0;
    f->key = code_key(abi, f->code, head);
    return KEEP;
}

static enum verdict finish_frame(const struct gs_pyabi *abi, int pid, struct gs_py_frame *f,
                                 const uint8_t *head)
{
    uint8_t owner = f->instr_off & 0xff;
    uintptr_t start = f->code + (uintptr_t)abi->off.code_adaptive;
    if (abi->off.code_tlbc != GS_PYABI_ABSENT)
        start = own_bytecode(pid, load_ptr(head, abi->off.code_tlbc), f->instr_off >> 8);
    intptr_t instr_off = (intptr_t)(f->key - start);
    uintptr_t n_units = load_ptr(head, abi->off.var_size);
    /* Before its first instruction 3.11/3.12 point one unit in front of the code. */
    if (!start || n_units > INSTR_OFF_MAX || instr_off < -2 || instr_off >= 2 * (intptr_t)n_units)
        return CUT;
    if (owner != OWNED_BY_GENERATOR &&
        instr_off < 2 * (intptr_t)load_i32(head, abi->off.code_firsttraceable))
        return SKIP;
    f->instr_off = instr_off > 0 ? (uint32_t)instr_off : 0;
    f->key = code_key(abi, f->code, head);
    return KEEP;
}

/* Code objects are verified in batches; scratch holds the iovecs, then the heads. */
struct batch {
    const struct gs_pyabi *abi;
    int pid;
    struct iovec *remote;
    uint8_t *heads;
    size_t head_len, n_max;
};

static bool batch_init(struct batch *b, const struct gs_pyabi *abi, int pid, void *scratch,
                       size_t scratch_len)
{
    uintptr_t from = ((uintptr_t)scratch + 15) & ~(uintptr_t)15;
    size_t lost = from - (uintptr_t)scratch;
    b->abi = abi;
    b->pid = pid;
    b->head_len = gs__code_head_len(abi);
    b->n_max = scratch_len > lost ? (scratch_len - lost) / (b->head_len + sizeof(struct iovec)) : 0;
    if (b->n_max > HEADS_AT_ONCE_MAX)
        b->n_max = HEADS_AT_ONCE_MAX;
    b->remote = (struct iovec *)from; /* NOLINT */
    b->heads = (uint8_t *)(b->remote + b->n_max);
    return b->n_max > 0;
}

/* Reads the heads of n code objects with one call; how many came, from the first on. */
static size_t read_heads(const struct batch *b, const struct gs_py_frame *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        b->remote[i].iov_base = (void *)frames[i].code; /* NOLINT */
        b->remote[i].iov_len = b->head_len;
    }
    struct iovec local = {b->heads, n * b->head_len};
    long got = gs__readv(b->pid, &local, 1, b->remote, n);
    return got < 0 ? 0 : (size_t)got / b->head_len;
}

static enum verdict finish(const struct batch *b, struct gs_py_frame *frame, const uint8_t *head)
{
    if (load_ptr(head, b->abi->off.object_type) != b->abi->in.code_type)
        return CUT;
    if (b->abi->off.frame_owner == GS_PYABI_ABSENT)
        return finish_object(b->abi, frame, head);
    return finish_frame(b->abi, b->pid, frame, head);
}

/* Turns candidates into frames, in place; cut at the first that does not verify. */
static size_t verify_frames(const struct batch *b, struct gs_py_frame *frames, size_t n,
                            bool *truncated)
{
    size_t kept = 0;
    for (size_t done = 0; done < n;) {
        size_t want = n - done < b->n_max ? n - done : b->n_max;
        size_t got = read_heads(b, frames + done, want);
        for (size_t i = 0; i < got; i++) {
            enum verdict verdict = finish(b, &frames[done + i], b->heads + i * b->head_len);
            if (verdict == CUT)
                got = want = i; /* ends both loops */
            else if (verdict == KEEP)
                frames[kept++] = frames[done + i];
        }
        done += got;
        if (got < want || want == 0) {
            *truncated = kept > 0;
            break;
        }
    }
    return kept;
}

/* CTX: any thread, may hold the GIL; no malloc, lock, stdio */
size_t gs_pyabi_walk_other(const struct gs_pyabi *abi, uintptr_t tstate, struct gs_py_frame *out,
                           size_t max, bool *truncated, void *scratch, size_t scratch_len)
{
    struct batch batch;
    int pid = gs__own_pid();
    size_t n;
    *truncated = false;
    if (!tstate || !batch_init(&batch, abi, pid, scratch, scratch_len))
        return 0;
    if (abi->off.frame_owner == GS_PYABI_ABSENT) {
        n = collect_objects(abi, pid, tstate, out, max, truncated);
    } else {
        struct stack_copy s = {.abi = abi, .pid = pid, .buf = scratch, .cap = scratch_len};
        if (abi->off.frame_size > FRAME_MAX)
            return 0;
        n = collect_frames(&s, begin(&s, tstate), out, max, truncated);
    }
    return verify_frames(&batch, out, n, truncated);
}
