/* SPDX-License-Identifier: MIT
 * What a thread is called in Python, and the interpreter it belongs to. Read once for a thread, so
 * every step is a fault-safe read and any surprise ends it with "no name".
 *
 * threading.Thread.name has no place in the C structures: it is the attribute _name of the Thread,
 * and the Thread is `self`, local 0, of the thread's outermost frame, Thread._bootstrap.
 */
#include "preload/pyabi/pyabi_internal.h"

enum {
    HOPS_MAX = 100000, /* a thread is asked at its start, but an attach comes at any depth */
    ATTRIBUTES_MAX = 64,
    TYPE_INLINE_VALUES = 1 << 2,
    TYPE_MANAGED_DICT = 1 << 4,
    TYPE_HEAP = 1 << 9,
    DICTOFFSET_MAX = 1 << 16,
    KEYS_GENERAL = 0, /* dk_kind: entries have a hash each */
};

static bool read_u8(uintptr_t src, uint8_t *out)
{
    return gs_safe_read(out, src, 1);
}

static bool is_thread_bootstrap(const struct gs_pyabi *abi, uintptr_t code)
{
    uintptr_t type, name, filename;
    return gs__read_ptr(code + (uintptr_t)abi->off.object_type, &type) &&
           type == abi->in.code_type && gs__read_ptr(code + (uintptr_t)abi->off.code_name, &name) &&
           gs__read_ptr(code + (uintptr_t)abi->off.code_filename, &filename) &&
           gs__str_is(abi, name, "_bootstrap", false) &&
           gs__str_is(abi, filename, "threading.py", true);
}

/* The outermost frame that is no shim: 0 when there is none. The chain is walked by safe reads. */
static uintptr_t outermost_frame(const struct gs_pyabi *abi, uintptr_t tstate)
{
    uintptr_t frame, last = 0;
    if (!gs__read_ptr(tstate + (uintptr_t)abi->off.tstate_frame, &frame))
        return 0;
    if (frame && abi->off.cframe_frame != GS_PYABI_ABSENT &&
        !gs__read_ptr(frame + (uintptr_t)abi->off.cframe_frame, &frame))
        return 0;
    for (int hops = 0; frame && hops < HOPS_MAX; hops++) {
        uint8_t owner = 0;
        if (abi->off.frame_owner != GS_PYABI_ABSENT &&
            !read_u8(frame + (uintptr_t)abi->off.frame_owner, &owner))
            return 0;
        if (owner < abi->first_shim_owner)
            last = frame;
        if (!gs__read_ptr(frame + (uintptr_t)abi->off.frame_previous, &frame))
            return 0;
    }
    return frame ? 0 : last;
}

static uintptr_t thread_object(const struct gs_pyabi *abi, uintptr_t tstate)
{
    uintptr_t frame = outermost_frame(abi, tstate), code, self;
    if (!frame || !gs__read_ptr(frame + (uintptr_t)abi->off.frame_code, &code) ||
        !is_thread_bootstrap(abi, code & GS__REF_MASK) ||
        !gs__read_ptr(frame + (uintptr_t)abi->off.frame_locals, &self))
        return 0;
    return self & GS__REF_MASK;
}

/* A dict's keys: where the entries are, how many, and how far apart. */
struct keys {
    uintptr_t entries;
    size_t n, stride, key_at;
};

/* Before 3.11: dk_size slots, of a width that their number decides. */
static bool old_index_bytes(const struct gs_pyabi *abi, uintptr_t keys, size_t *out)
{
    uintptr_t slots;
    if (!gs__read_ptr(keys + (uintptr_t)abi->off.keys_slots, &slots) || slots > UINT32_MAX)
        return false;
    *out = slots * (slots <= 0xff ? 1 : slots <= 0xffff ? 2 : 4);
    return true;
}

static bool read_keys(const struct gs_pyabi *abi, uintptr_t keys, struct keys *out)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    uint8_t log2_bytes = 0, kind = KEYS_GENERAL;
    size_t index_bytes;
    uintptr_t n;
    if (off->keys_log2_bytes == GS_PYABI_ABSENT) {
        if (!old_index_bytes(abi, keys, &index_bytes))
            return false;
    } else if (!read_u8(keys + (uintptr_t)off->keys_log2_bytes, &log2_bytes) || log2_bytes > 32 ||
               !read_u8(keys + (uintptr_t)off->keys_kind, &kind)) {
        return false;
    } else {
        index_bytes = (size_t)1 << log2_bytes;
    }
    if (!gs__read_ptr(keys + (uintptr_t)off->keys_entries, &n))
        return false;
    out->entries = keys + (uintptr_t)off->keys_indices + index_bytes;
    out->n = n < ATTRIBUTES_MAX ? n : ATTRIBUTES_MAX;
    out->key_at = kind == KEYS_GENERAL ? 8 : 0; /* me_hash comes first */
    out->stride = out->key_at + 16;
    return true;
}

/* The value of attribute `name`: in the entry itself or, when `values` is given, in that array. */
static uintptr_t find_value(const struct gs_pyabi *abi, uintptr_t keys_at, uintptr_t values,
                            const char *name)
{
    struct keys keys;
    if (!keys_at || !read_keys(abi, keys_at, &keys))
        return 0;
    for (size_t i = 0; i < keys.n; i++) {
        uintptr_t entry = keys.entries + i * keys.stride + keys.key_at, key, value;
        if (!gs__read_ptr(entry, &key))
            return 0;
        if (!key || !gs__str_is(abi, key, name, false))
            continue;
        return gs__read_ptr(values ? values + 8 * i : entry + 8, &value) ? value : 0;
    }
    return 0;
}

static uintptr_t find_in_dict(const struct gs_pyabi *abi, uintptr_t dict, const char *name)
{
    uintptr_t type, keys, values;
    if (!dict || !gs__read_ptr(dict + (uintptr_t)abi->off.object_type, &type) ||
        type != abi->in.dict_type || !gs__read_ptr(dict + (uintptr_t)abi->off.dict_keys, &keys) ||
        !gs__read_ptr(dict + (uintptr_t)abi->off.dict_values, &values))
        return 0;
    if (values && abi->off.values_first != GS_PYABI_ABSENT)
        values += (uintptr_t)abi->off.values_first;
    return find_value(abi, keys, values, name);
}

/* 3.9, 3.10: a dict at tp_dictoffset; later the same for types with an explicit one. */
static uintptr_t find_at_dictoffset(const struct gs_pyabi *abi, uintptr_t self, uintptr_t type,
                                    const char *name)
{
    uintptr_t offset, dict;
    if (!gs__read_ptr(type + (uintptr_t)abi->off.type_dictoffset, &offset) || !offset ||
        offset > DICTOFFSET_MAX || !gs__read_ptr(self + offset, &dict))
        return 0;
    return find_in_dict(abi, dict, name);
}

/* Attribute values without a dict: 0 when the instance has none. 3.11 keeps a pointer to them in
 * front of the dict's, 3.12 the one or the other, told apart by bit 0 (and off by one), 3.13+ has
 * them behind the instance while it has no dict. */
static uintptr_t values_of(const struct gs_pyabi *abi, uintptr_t self, uintptr_t type,
                           uintptr_t flags, uintptr_t *dict)
{
    uintptr_t slot = self + (uintptr_t)(intptr_t)abi->managed_dict, values = 0, basicsize;
    if (!gs__read_ptr(slot, dict))
        return 0;
    if (abi->minor == 11)
        return gs__read_ptr(slot - 8, &values) ? values : 0;
    if (abi->minor == 12) {
        if (!(*dict & 1))
            return 0;
        values = *dict + 1;
        *dict = 0;
        return values;
    }
    if (*dict || !(flags & TYPE_INLINE_VALUES) ||
        !gs__read_ptr(type + (uintptr_t)abi->off.type_basicsize, &basicsize))
        return 0;
    return self + basicsize + (uintptr_t)abi->off.values_first;
}

static uintptr_t find_managed(const struct gs_pyabi *abi, uintptr_t self, uintptr_t type,
                              uintptr_t flags, const char *name)
{
    uintptr_t dict = 0, keys;
    uintptr_t values = values_of(abi, self, type, flags, &dict);
    if (!values)
        return find_in_dict(abi, dict, name);
    if (!(flags & TYPE_HEAP) || !gs__read_ptr(type + (uintptr_t)abi->off.type_cached_keys, &keys))
        return 0;
    return find_value(abi, keys, values, name);
}

static uintptr_t find_attribute(const struct gs_pyabi *abi, uintptr_t self, const char *name)
{
    uintptr_t type, flags;
    if (!self || !gs__read_ptr(self + (uintptr_t)abi->off.object_type, &type) ||
        !gs__read_ptr(type + (uintptr_t)abi->off.type_flags, &flags))
        return 0;
    if (abi->minor >= 11 && (flags & TYPE_MANAGED_DICT))
        return find_managed(abi, self, type, flags, name);
    return find_at_dictoffset(abi, self, type, name);
}

size_t gs_pyabi_thread_name(const struct gs_pyabi *abi, uintptr_t tstate, char *buf, size_t len)
{
    uintptr_t name = find_attribute(abi, thread_object(abi, tstate), "_name"), type;
    /* A subclass of str would do as well, but None (a Thread half built) must not. */
    if (!name || !gs__read_ptr(name + (uintptr_t)abi->off.object_type, &type) ||
        type != abi->in.unicode_type)
        return 0;
    long n = gs__read_str(abi, name, buf, len);
    return n > 0 ? (size_t)n : 0;
}

int64_t gs_pyabi_interpreter_id(const struct gs_pyabi *abi, uintptr_t tstate, uintptr_t *interp)
{
    int64_t id;
    if (!tstate || !gs__read_ptr(tstate + (uintptr_t)abi->off.tstate_interp, interp) || !*interp ||
        !gs_safe_read(&id, *interp + (uintptr_t)abi->off.interp_id, sizeof(id)))
        return -1;
    return id >= 0 ? id : -1;
}

bool gs_pyabi_is_over(const struct gs_pyabi *abi)
{
    uintptr_t finalizing;
    return abi->off.runtime_finalizing != GS_PYABI_ABSENT &&
           gs__read_ptr(abi->in.py_runtime + (uintptr_t)abi->off.runtime_finalizing, &finalizing) &&
           finalizing;
}
