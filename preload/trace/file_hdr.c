/* SPDX-License-Identifier: MIT
 * The 64 bytes at the start of every capture file.
 */
#include "preload/trace/trace_internal.h"

#define CRC_OFF offsetof(struct gs_file_hdr, crc)

void gs_file_hdr_encode(struct gs_file_hdr *out, uint16_t minor, uint64_t process_key,
                        int64_t created_unix_ns, uint32_t feat_incompat)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->magic, GS_FILE_MAGIC, sizeof(out->magic));
    out->major = GS_FORMAT_MAJOR;
    out->minor = minor;
    out->feat_incompat = feat_incompat;
    out->header_len = GS_FILE_HDR_LEN;
    out->process_key = process_key;
    out->created_unix_ns = created_unix_ns;
    out->crc = gs_crc32c(0, out, CRC_OFF);
}

enum gs_status gs_file_hdr_decode(const void *data, size_t len, struct gs_file_hdr *out)
{
    size_t n_magic = len < sizeof(out->magic) ? len : sizeof(out->magic);

    if (n_magic && memcmp(data, GS_FILE_MAGIC, n_magic))
        return GS_ERR_MAGIC;
    if (len < GS_FILE_HDR_LEN)
        return GS_ERR_TRUNCATED;
    memcpy(out, data, sizeof(*out));
    if (out->crc != gs_crc32c(0, data, CRC_OFF))
        return GS_ERR_CRC;
    if (out->major != GS_FORMAT_MAJOR)
        return GS_ERR_VERSION;
    if (out->feat_incompat & ~GS_FEAT_INCOMPAT)
        return GS_ERR_FEATURE;
    if (out->header_len < GS_FILE_HDR_LEN)
        return GS_ERR_CORRUPT;
    return out->header_len > len ? GS_ERR_TRUNCATED : GS_OK;
}
