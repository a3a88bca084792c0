/* SPDX-License-Identifier: MIT
 * The calling thread's own Python frames, by direct reads. Runs at each GIL release somebody waits
 * for: no checks beyond the ones CPython itself makes before it believes a frame.
 */
#include "preload/pyabi/pyabi_internal.h"

/* Shims and incomplete frames are not counted by `max`; this bounds a walk gone astray. */
enum { HOPS_PER_FRAME = 4, HOPS_EXTRA = 64 };

static inline const void *at(uintptr_t address)
{
    return (const void *)address; /* NOLINT: that is what this module is for */
}

/* Where the frame's bytecode starts: free-threaded 3.14+ has a copy of it for each thread. */
static inline uintptr_t bytecode_start(const struct gs_pyabi *abi, uintptr_t code, uintptr_t frame)
{
    if (__builtin_expect(abi->off.frame_tlbc_index != GS_PYABI_ABSENT, 0)) {
        uintptr_t array = load_ptr(at(code), abi->off.code_tlbc);
        int32_t index = load_i32(at(frame), abi->off.frame_tlbc_index);
        if (array && index >= 0 && (uintptr_t)index < load_ptr(at(array), 0))
            return load_ptr(at(array), 8 + 8 * index);
    }
    return code + (uintptr_t)abi->off.code_adaptive;
}

static inline void fill(const struct gs_pyabi *abi, struct gs_py_frame *out, uintptr_t code,
                        intptr_t instr_off)
{
    out->code = code;
    out->key = code_key(abi, code, at(code));
    out->instr_off = instr_off > 0 ? (uint32_t)instr_off : 0;
    out->entry = false;
}

/* 3.9, 3.10: tstate->frame is a chain of PyFrameObject. */
static size_t walk_objects(const struct gs_pyabi *abi, uintptr_t frame, struct gs_py_frame *out,
                           size_t max, bool *truncated)
{
    size_t n = 0;
    for (; frame && n < max; frame = load_ptr(at(frame), abi->off.frame_previous)) {
        uintptr_t code = load_ptr(at(frame), abi->off.frame_code);
        intptr_t lasti = load_i32(at(frame), abi->off.frame_instr);
        fill(abi, &out[n], code, lasti * abi->lasti_scale);
        out[n++].entry = true;
    }
    *truncated = frame != 0;
    return n;
}

/* 3.11+. True when the frame is one sys._getframe() would show too. */
static inline bool visible(const struct gs_pyabi *abi, uintptr_t frame, uintptr_t *code,
                           intptr_t *instr_off)
{
    uint8_t owner = load_u8(at(frame), abi->off.frame_owner);
    *code = load_ptr(at(frame), abi->off.frame_code) & GS__REF_MASK;
    if (owner >= abi->first_shim_owner || !*code ||
        load_ptr(at(*code), abi->off.object_type) != abi->in.code_type)
        return false;
    uintptr_t instr = load_ptr(at(frame), abi->off.frame_instr);
    *instr_off = (intptr_t)(instr - bytecode_start(abi, *code, frame));
    return owner == OWNED_BY_GENERATOR ||
           *instr_off >= 2 * (intptr_t)load_i32(at(*code), abi->off.code_firsttraceable);
}

static size_t walk_frames(const struct gs_pyabi *abi, uintptr_t frame, struct gs_py_frame *out,
                          size_t max, bool *truncated)
{
    size_t n = 0, hops = HOPS_PER_FRAME * max + HOPS_EXTRA;
    for (; frame && hops; hops--, frame = load_ptr(at(frame), abi->off.frame_previous)) {
        uintptr_t code;
        intptr_t instr_off;
        bool ends_run = gs__ends_run(abi, at(frame));
        if (!visible(abi, frame, &code, &instr_off)) {
            if (n)
                out[n - 1].entry |= ends_run;
            continue;
        }
        if (n == max)
            break;
        fill(abi, &out[n], code, instr_off);
        out[n++].entry = ends_run;
    }
    *truncated = frame != 0;
    return n;
}

/* CTX: any thread that holds the GIL, on its own tstate; no malloc, lock, stdio */
size_t gs_pyabi_walk_self(const struct gs_pyabi *abi, uintptr_t tstate, struct gs_py_frame *out,
                          size_t max, bool *truncated)
{
    *truncated = false;
    uintptr_t frame = tstate ? load_ptr(at(tstate), abi->off.tstate_frame) : 0;
    if (abi->off.frame_owner == GS_PYABI_ABSENT)
        return walk_objects(abi, frame, out, max, truncated);
    if (frame && abi->off.cframe_frame != GS_PYABI_ABSENT)
        frame = load_ptr(at(frame), abi->off.cframe_frame);
    return walk_frames(abi, frame, out, max, truncated);
}
