/* SPDX-License-Identifier: MIT
 * Which layout is this? 3.9-3.12: a generated row, checked against PyCode_Type. 3.13+: the row,
 * overlaid by what _Py_DebugOffsets publishes at the start of _PyRuntime, then the same check.
 * Runs once, in the agent's constructor, perhaps before Py_Initialize(): reads static data only.
 */
#include "preload/pyabi/pyabi_internal.h"

enum {
    OLDEST_MINOR = 9,
    NEWEST_MINOR = 15,
    FIRST_DEBUG_OFFSETS = 13,
    LEVEL_CANDIDATE = 0xc,
    LEVEL_FINAL = 0xf,
    /* First fields of _Py_DebugOffsets, the same in every version. */
    DEBUG_COOKIE = 0,
    DEBUG_VERSION = 8,
    DEBUG_FREE_THREADED = 16,
    DEBUG_MAX_LEN = 1024,
    OFFSET_MAX = 1 << 20,
};

struct row {
    uint8_t minor, free_threaded;
    struct gs_pyabi_offsets off, debug;
};

#define GS_F(name, value) .name = (value),
#define GS_PYABI_ROW(minor, free_threaded, off, debug) {minor, free_threaded, {off}, {debug}},
static const struct row rows[] = {
#include "preload/pyabi/pyabi_rows.def"
};
#undef GS_F
#undef GS_PYABI_ROW

static const struct row *find_row(unsigned minor, bool free_threaded)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].minor == minor && rows[i].free_threaded == free_threaded)
            return &rows[i];
    return NULL;
}

/* Layouts still move in alphas and betas, and before 3.13 nothing would tell. */
static bool supported_version(uint32_t version_hex)
{
    unsigned minor = (version_hex >> 16) & 0xff, level = (version_hex >> 4) & 0xf;
    if (version_hex >> 24 != 3 || minor < OLDEST_MINOR || minor > NEWEST_MINOR)
        return false;
    return level == LEVEL_FINAL || (minor >= FIRST_DEBUG_OFFSETS && level == LEVEL_CANDIDATE);
}

static size_t debug_len(const struct row *row)
{
    size_t len = DEBUG_FREE_THREADED + 8;
#define X(name, candidates, published)                                                             \
    if (row->debug.name >= 0 && (size_t)row->debug.name + 8 > len)                                 \
        len = (size_t)row->debug.name + 8;
    GS_PYABI_OFFSET_LIST(X)
#undef X
    return len;
}

/* One published offset over the row's; false when it cannot be one. */
static bool overlay_one(int32_t *value, int32_t position, const uint8_t *published)
{
    uint64_t number;
    if (position == GS_PYABI_ABSENT || *value == GS_PYABI_ABSENT)
        return true;
    memcpy(&number, published + position, sizeof(number));
    if (number >= OFFSET_MAX)
        return false;
    *value = (int32_t)number;
    return true;
}

/* Fields nobody publishes move together with a neighbour that is published. */
static void move_unpublished(struct gs_pyabi_offsets *off, const struct gs_pyabi_offsets *row)
{
    off->code_firsttraceable += off->code_adaptive - row->code_adaptive;
    off->tstate_chunk_top += off->tstate_chunk - row->tstate_chunk;
    if (off->unicode_ascii_data != row->unicode_ascii_data &&
        off->unicode_compact_data == row->unicode_compact_data)
        off->unicode_compact_data += off->unicode_ascii_data - row->unicode_ascii_data;
}

static enum gs_status overlay(struct gs_pyabi *out, const struct row *row, const uint8_t *published)
{
    bool ok = true;
#define X(name, candidates, debug_member)                                                          \
    ok = ok && overlay_one(&out->off.name, row->debug.name, published);
    GS_PYABI_OFFSET_LIST(X)
#undef X
    if (!ok)
        return GS_ERR_LAYOUT;
    move_unpublished(&out->off, &row->off);
    /* Most of the collector's state nobody publishes, but its size, and that tells the incremental
     * collector of 3.14.0 to 3.14.4 apart. */
    out->has_gc = !out->free_threaded && out->off.gc_size == row->off.gc_size;
    return GS_OK;
}

static enum gs_status resolve_debug_offsets(struct gs_pyabi *out, const struct gs_pyabi_inputs *in)
{
    uint8_t published[DEBUG_MAX_LEN];
    uint64_t version, free_threaded;
    if (!gs_safe_read(published, in->py_runtime, DEBUG_FREE_THREADED + 8))
        return GS_ERR_FAULT;
    memcpy(&version, published + DEBUG_VERSION, sizeof(version));
    memcpy(&free_threaded, published + DEBUG_FREE_THREADED, sizeof(free_threaded));
    if (!gs__equal(published + DEBUG_COOKIE, "xdebugpy", 8) || version != in->version_hex ||
        free_threaded > 1)
        return GS_ERR_LAYOUT;
    const struct row *row = find_row(out->minor, free_threaded);
    if (!row || debug_len(row) > sizeof(published))
        return GS_ERR_UNSUPPORTED_PYTHON;
    if (!gs_safe_read(published, in->py_runtime, debug_len(row)))
        return GS_ERR_FAULT;
    out->free_threaded = free_threaded;
    out->off = row->off;
    return overlay(out, row, published);
}

static enum gs_status resolve_row(struct gs_pyabi *out)
{
    const struct row *row = find_row(out->minor, false);
    if (!row)
        return GS_ERR_UNSUPPORTED_PYTHON;
    out->off = row->off;
    out->has_gc = true;
    return GS_OK;
}

/* What follows from the version alone. */
static void derive(struct gs_pyabi *out)
{
    out->code_name_key = out->off.code_qualname;
    if (out->code_name_key == GS_PYABI_ABSENT)
        out->code_name_key = out->off.code_name;
    out->lasti_scale = out->minor == 10 ? 2 : 1; /* 3.10 counts code units */
    out->first_shim_owner = OWNED_BY_FRAME_OBJECT + 1;
    /* MANAGED_DICT_OFFSET, pycore_object.h: before the GC header, or before the object itself. */
    out->managed_dict = out->free_threaded ? -8 : -24;
}

/* A type object says how large its instances are and what it is called: a build with other
 * layouts (Py_TRACE_REFS, a patched one) is told apart here, by its own data. */
static bool check_type(const struct gs_pyabi *abi, uintptr_t type, const char *name,
                       size_t name_len, int32_t basicsize)
{
    char have_name[16];
    uintptr_t name_at, have_size;
    if (!type || name_len > sizeof(have_name))
        return false;
    return gs__read_ptr(type + (uintptr_t)abi->off.type_name, &name_at) &&
           gs__read_ptr(type + (uintptr_t)abi->off.type_basicsize, &have_size) &&
           gs_safe_read(have_name, name_at, name_len) && gs__equal(have_name, name, name_len) &&
           have_size == (uintptr_t)basicsize;
}

static bool verify(const struct gs_pyabi *abi)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    int32_t code_size = off->code_adaptive;
    if (code_size == GS_PYABI_ABSENT)
        code_size = off->code_size;
    if (gs__code_head_len(abi) > GS__CODE_HEAD_MAX ||
        (off->frame_owner != GS_PYABI_ABSENT && off->frame_size > GS__FRAME_MAX))
        return false;
    return check_type(abi, abi->in.code_type, "code", sizeof("code"), code_size) &&
           check_type(abi, abi->in.dict_type, "dict", sizeof("dict"), off->dict_size) &&
           check_type(abi, abi->in.unicode_type, "str", sizeof("str"), off->unicode_size);
}

enum gs_status gs_pyabi_resolve(struct gs_pyabi *out, const struct gs_pyabi_inputs *in)
{
    memset(out, 0, sizeof(*out));
    out->in = *in;
    out->version_hex = in->version_hex;
    out->minor = (in->version_hex >> 16) & 0xff;
    if (!supported_version(in->version_hex) || !in->py_runtime)
        return GS_ERR_UNSUPPORTED_PYTHON;
    enum gs_status status = out->minor >= FIRST_DEBUG_OFFSETS ? resolve_debug_offsets(out, in)
                                                              : resolve_row(out);
    if (status != GS_OK)
        return status;
    derive(out);
    return verify(out) ? GS_OK : GS_ERR_LAYOUT;
}
