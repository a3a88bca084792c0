/* SPDX-License-Identifier: MIT
 * Frames of another thread, which runs and changes them as we read. Every byte is copied by
 * process_vm_readv first; nothing that was copied is believed. 3.11+: one call copies the top of
 * the data stack, where nearly all frames lie; one call more copies the heads of all code objects.
 */
#include "preload/pyabi/pyabi_internal.h"

enum {
    TSTATE_MAX = 512, /* of a thread state, up to the last field we need */
    FRAME_MAX = GS__FRAME_MAX,
    HOPS_PER_FRAME = 2,
    HOPS_EXTRA = 64,
    CHUNK_BYTES_MAX = 64 << 20,
    INSTR_OFF_MAX = 1 << 28,
    HEADS_AT_ONCE_MAX = 128,
    PUSHED_MEANWHILE_BYTES = 1024,
    SCRATCH_MIN = 4096,
    STACK_BYTES_MAX = 16 << 10, /* a chunk's usual size: to copy more costs more than it saves */
    ATTEMPTS = 4, /* at a thread that changes its frames faster than we can copy them */
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
    size_t size = (size_t)s->abi->off.frame_size; /* <= FRAME_MAX: gs_pyabi_resolve() */
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

/* Reads the thread state, then with one call, so that they fit together, the pointer to the
 * innermost frame and the top of the data stack. Returns that frame, 0 on failure. */
static uintptr_t begin(struct stack_copy *s, uintptr_t tstate)
{
    const struct gs_pyabi_offsets *off = &s->abi->off;
    uint8_t ts[TSTATE_MAX];
    uintptr_t frame = 0, frame_at = tstate + (uintptr_t)off->tstate_frame;
    size_t len = (size_t)(off->tstate_chunk_top > off->tstate_frame ? off->tstate_chunk_top
                                                                    : off->tstate_frame) +
                 8;
    if (len > sizeof(ts) || !read_at(s->pid, ts, tstate, len))
        return 0;
    if (off->cframe_frame != GS_PYABI_ABSENT) /* 3.11, 3.12: it is kept in the C frame */
        frame_at = load_ptr(ts, off->tstate_frame) + (uintptr_t)off->cframe_frame;
    s->chunk_lo = load_ptr(ts, off->tstate_chunk);
    uintptr_t top = load_ptr(ts, off->tstate_chunk_top);
    if (!s->chunk_lo || top <= s->chunk_lo || top - s->chunk_lo > CHUNK_BYTES_MAX)
        s->chunk_lo = top = 0;
    /* Calls go on: what is pushed meanwhile lies above the top we know. */
    uintptr_t end = top ? top + PUSHED_MEANWHILE_BYTES : 0;
    uintptr_t from = end - s->chunk_lo > s->cap ? end - s->cap : s->chunk_lo;
    struct iovec local[] = {{&frame, sizeof(frame)}, {s->buf, end - from}};
    struct iovec remote[] = {{(void *)frame_at, sizeof(frame)}, {(void *)from, end - from}};
    long got = gs__readv(s->pid, local, 2, remote, 2) - (long)sizeof(frame);
    s->lo = got > 0 ? from : 0;
    s->hi = got > 0 ? from + (uintptr_t)got : 0;
    return got >= 0 ? frame : 0;
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
    out->entry = gs__ends_run(abi, frame);
}

/* How a walk ended; a generator that was left meanwhile has lost its caller, and looks like the
 * outermost frame. */
enum ending { AT_BOTTOM, AT_MAX, ASTRAY };

static size_t collect_frames(struct stack_copy *s, uintptr_t frame, struct gs_py_frame *out,
                             size_t max, enum ending *ending)
{
    const struct gs_pyabi_offsets *off = &s->abi->off;
    size_t n = 0, hops = HOPS_PER_FRAME * max + HOPS_EXTRA;
    uint8_t owner = OWNED_BY_THREAD;
    *ending = ASTRAY;
    for (; frame && hops; hops--) {
        const uint8_t *copy = frame_copy(s, frame);
        if (!copy)
            return n;
        owner = load_u8(copy, off->frame_owner);
        if (owner < s->abi->first_shim_owner) {
            if (n == max) {
                *ending = AT_MAX;
                return n;
            }
            note_candidate(s->abi, &out[n++], copy);
        } else if (n) {
            out[n - 1].entry = true;
        }
        frame = load_ptr(copy, off->frame_previous);
    }
    /* From 3.12 on a shim lies below every thread's first frame. */
    if (!frame &&
        (s->abi->minor >= 12 ? owner >= s->abi->first_shim_owner : owner != OWNED_BY_GENERATOR))
        *ending = AT_BOTTOM;
    return n;
}

/* 3.9, 3.10: frames are objects anywhere in the heap, so one call for each. */
static size_t collect_objects(const struct gs_pyabi *abi, int pid, uintptr_t tstate,
                              struct gs_py_frame *out, size_t max, enum ending *ending)
{
    uint8_t copy[FRAME_MAX];
    size_t len = (size_t)abi->off.frame_instr + sizeof(int32_t), n = 0;
    uintptr_t frame, generator = 0;
    *ending = ASTRAY;
    if (len > sizeof(copy) || !read_at(pid, &frame, tstate + (uintptr_t)abi->off.tstate_frame, 8))
        return 0;
    while (frame && n < max) {
        if (!read_at(pid, copy, frame, len))
            return n;
        out[n].code = load_ptr(copy, abi->off.frame_code);
        out[n].key = 0;
        out[n].entry = true;
        out[n++].instr_off = (uint32_t)load_i32(copy, abi->off.frame_instr);
        generator = load_ptr(copy, abi->off.frame_gen);
        frame = load_ptr(copy, abi->off.frame_previous);
    }
    if (frame || !generator)
        *ending = frame ? AT_MAX : AT_BOTTOM;
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
                            enum ending *ending)
{
    size_t kept = 0, n_heads = 0, first = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == first + n_heads) {
            first = i;
            n_heads = read_heads(b, frames + i, n - i < b->n_max ? n - i : b->n_max);
        }
        enum verdict verdict = CUT;
        if (n_heads)
            verdict = finish(b, &frames[i], b->heads + (i - first) * b->head_len);
        if (verdict == CUT) {
            *ending = ASTRAY;
            break;
        }
        if (verdict == KEEP)
            frames[kept++] = frames[i];
        else if (kept)
            frames[kept - 1].entry |= frames[i].entry;
    }
    return kept;
}

static size_t walk_once(const struct batch *b, uintptr_t tstate, struct gs_py_frame *out,
                        size_t max, enum ending *ending, void *scratch, size_t scratch_len)
{
    size_t n;
    if (b->abi->off.frame_owner == GS_PYABI_ABSENT) {
        n = collect_objects(b->abi, b->pid, tstate, out, max, ending);
    } else {
        struct stack_copy s = {.abi = b->abi, .pid = b->pid, .buf = scratch};
        s.cap = scratch_len < STACK_BYTES_MAX ? scratch_len : STACK_BYTES_MAX;
        n = collect_frames(&s, begin(&s, tstate), out, max, ending);
    }
    return verify_frames(b, out, n, ending);
}

/* CTX: any thread, may hold the GIL; no malloc, lock, stdio */
size_t gs_pyabi_walk_other(const struct gs_pyabi *abi, uintptr_t tstate, struct gs_py_frame *out,
                           size_t max, bool *truncated, void *scratch, size_t scratch_len)
{
    struct batch batch;
    enum ending ending = ASTRAY;
    size_t n = 0;
    *truncated = false;
    if (!tstate || scratch_len < SCRATCH_MIN ||
        !batch_init(&batch, abi, gs__own_pid(), scratch, scratch_len))
        return 0;
    for (int i = 0; i < ATTEMPTS && ending == ASTRAY; i++)
        n = walk_once(&batch, tstate, out, max, &ending, scratch, scratch_len);
    *truncated = n > 0 && ending != AT_BOTTOM;
    return n;
}
