/* SPDX-License-Identifier: MIT
 * Copies a code object's names and line table, fault-safe, and str objects as UTF-8.
 */
#include "preload/pyabi/pyabi_internal.h"

enum {
    PIECE_BYTES = 256, /* of a str's data, converted at a time */
    STR_HEAD_MAX = 128,
    UNREADABLE_LEN = 1,      /* "?" */
    LINETABLE_MAX = 1 << 24, /* more is not a line table */
};

struct str_view {
    uintptr_t data;
    size_t n_chars;
    unsigned kind; /* bytes per character: 1, 2, 4 */
    bool ascii;
};

size_t gs__code_head_len(const struct gs_pyabi *abi)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    const int32_t used[] = {off->object_type,         off->var_size,       off->code_filename,
                            abi->code_name_key,       off->code_linetable, off->code_firstlineno,
                            off->code_firsttraceable, off->code_tlbc};
    int32_t last = 0;
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        if (used[i] > last)
            last = used[i];
    return (size_t)last + sizeof(uintptr_t);
}

/* Understands compact strings and, for subclasses, those with separate data. */
static bool view_str(const struct gs_pyabi *abi, uintptr_t str, struct str_view *out)
{
    const struct gs_pyabi_offsets *off = &abi->off;
    uint8_t head[STR_HEAD_MAX];
    if (off->unicode_size > (int32_t)sizeof(head))
        return false;
    /* A short ASCII string is smaller than PyUnicodeObject but lies in a larger pool: read it in
     * two steps all the same, it may end where the mapping ends. */
    if (!str || !gs_safe_read(head, str, (size_t)off->unicode_ascii_data))
        return false;
    uint32_t state = (uint32_t)load_i32(head, off->unicode_state) >> off->unicode_kind_bit;
    bool compact = state >> 3 & 1;
    out->kind = state & 7;
    out->ascii = state >> 4 & 1;
    out->n_chars = load_ptr(head, off->unicode_length);
    out->data = str + (uintptr_t)(out->ascii ? off->unicode_ascii_data : off->unicode_compact_data);
    if (!compact && !gs__read_ptr(str + (uintptr_t)off->unicode_compact_data, &out->data))
        return false;
    return out->kind == 1 || out->kind == 2 || out->kind == 4;
}

/* U+FFFD for what UTF-8 cannot say: a lone surrogate (file names have them), or no character. */
static size_t put_utf8(uint32_t c, char *buf, size_t room)
{
    if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        c = 0xfffd;
    size_t need = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (need > room)
        return 0;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = need - 1; i > 0; i--, c >>= 6)
        buf[i] = (char)(0x80 | (c & 0x3f));
    buf[0] = (char)(lead[need] | c);
    return need;
}

static uint32_t get_char(const uint8_t *data, unsigned kind)
{
    uint32_t c = 0;
    memcpy(&c, data, kind); /* little-endian, as all platforms of gilscope are */
    return c;
}

static long copy_chars(const struct str_view *view, char *buf, size_t len)
{
    uint8_t piece[PIECE_BYTES];
    size_t written = 0, left = view->n_chars;
    uintptr_t from = view->data;
    while (left && written < len) {
        size_t n = sizeof(piece) / view->kind;
        n = left < n ? left : n;
        if (!gs_safe_read(piece, from, n * view->kind))
            return -1;
        for (size_t i = 0; i < n; i++) {
            size_t put = put_utf8(get_char(piece + i * view->kind, view->kind), buf + written,
                                  len - written);
            if (!put)
                return (long)written;
            written += put;
        }
        from += n * view->kind;
        left -= n;
    }
    return (long)written;
}

long gs__read_str(const struct gs_pyabi *abi, uintptr_t str, char *buf, size_t len)
{
    struct str_view view;
    if (!view_str(abi, str, &view))
        return -1;
    if (!view.ascii)
        return copy_chars(&view, buf, len);
    size_t n = view.n_chars < len ? view.n_chars : len;
    return gs_safe_read(buf, view.data, n) ? (long)n : -1;
}

bool gs__str_is(const struct gs_pyabi *abi, uintptr_t str, const char *want, bool only_end)
{
    struct str_view view;
    char have[64];
    size_t len = 0;
    while (want[len])
        len++;
    if (!view_str(abi, str, &view) || view.n_chars < len || len > sizeof(have) ||
        (!only_end && view.n_chars != len))
        return false;
    view.data += (view.n_chars - len) * view.kind;
    view.n_chars = len;
    return copy_chars(&view, have, sizeof(have)) == (long)len && gs__equal(have, want, len);
}

/* GS_ERR_LAYOUT when it is not the code object that the frame had. */
static enum gs_status read_head(const struct gs_pyabi *abi, const struct gs_py_frame *frame,
                                uint8_t head[GS__CODE_HEAD_MAX])
{
    if (!gs_safe_read(head, frame->code, gs__code_head_len(abi)))
        return GS_ERR_FAULT;
    if (load_ptr(head, abi->off.object_type) != abi->in.code_type ||
        code_key(abi, frame->code, head) != frame->key)
        return GS_ERR_LAYOUT;
    return GS_OK;
}

/* A name that is no str we understand becomes "?": the frame is real all the same. */
static size_t copy_name(const struct gs_pyabi *abi, uintptr_t str, char *buf, size_t len)
{
    long n = gs__read_str(abi, str, buf, len);
    if (n >= 0 || len < UNREADABLE_LEN)
        return n < 0 ? 0 : (size_t)n;
    buf[0] = '?';
    return UNREADABLE_LEN;
}

static enum gs_linetable_kind table_kind(const struct gs_pyabi *abi)
{
    if (abi->minor >= 11)
        return GS_LINETABLE_LOCATIONS;
    return abi->minor == 10 ? GS_LINETABLE_LINETABLE : GS_LINETABLE_LNOTAB;
}

static void copy_table(const struct gs_pyabi *abi, uintptr_t bytes, struct gs_py_code_info *out,
                       uint8_t *buf, size_t len)
{
    uintptr_t size;
    out->linetable = buf;
    if (gs__read_ptr(bytes + (uintptr_t)abi->off.var_size, &size) && size <= len &&
        size <= LINETABLE_MAX && gs_safe_read(buf, bytes + (uintptr_t)abi->off.bytes_data, size))
        out->linetable_len = size;
}

enum gs_status gs_pyabi_read_code(const struct gs_pyabi *abi, const struct gs_py_frame *frame,
                                  struct gs_py_code_info *out, void *buf, size_t buf_len)
{
    uint8_t head[GS__CODE_HEAD_MAX];
    char *at = buf;
    memset(out, 0, sizeof(*out));
    enum gs_status status = read_head(abi, frame, head);
    if (status != GS_OK)
        return status;
    /* Half of the room at most for the file name, so that something is left for the function's. */
    out->filename = at;
    out->filename_len = copy_name(abi, load_ptr(head, abi->off.code_filename), at, buf_len / 2);
    at += out->filename_len;
    out->qualname = at;
    out->qualname_len =
        copy_name(abi, load_ptr(head, abi->code_name_key), at, buf_len - out->filename_len);
    at += out->qualname_len;
    out->first_line = load_i32(head, abi->off.code_firstlineno);
    out->linetable_kind = table_kind(abi);
    copy_table(abi, load_ptr(head, abi->off.code_linetable), out, (uint8_t *)at,
               buf_len - out->filename_len - out->qualname_len);
    /* It may have died, and its parts with it, while we read. */
    return read_head(abi, frame, head);
}
