/* SPDX-License-Identifier: MIT
 * Pinned status codes, used by every layer. The numbers never change once released; new codes
 * are added at the end of their group. 0 is success, everything else is negative.
 */
#ifndef GS_STATUS_H
#define GS_STATUS_H

/* X(name, number, message) */
#define GS_STATUS_LIST(X)                                                                          \
    X(GS_OK, 0, "ok")                                                                              \
    X(GS_ERR_TRUNCATED, -1, "data ends too early")                                                 \
    X(GS_ERR_MAGIC, -2, "not a gilscope capture")                                                  \
    X(GS_ERR_VERSION, -3, "capture format version not supported")                                  \
    X(GS_ERR_FEATURE, -4, "capture uses a feature this version does not know")                     \
    X(GS_ERR_CRC, -5, "checksum mismatch")                                                         \
    X(GS_ERR_CORRUPT, -6, "damaged data")                                                          \
    X(GS_ERR_LIMIT, -7, "a limit of the format is exceeded")                                       \
    X(GS_ERR_SPACE, -8, "output buffer too small")                                                 \
    X(GS_ERR_IO, -20, "input/output error")                                                        \
    X(GS_ERR_NOMEM, -21, "out of memory")                                                          \
    X(GS_ERR_USAGE, -22, "wrong usage")                                                            \
    X(GS_ERR_UNSUPPORTED_PYTHON, -40, "this Python is not supported")                              \
    X(GS_ERR_LAYOUT, -41, "memory layout does not verify")                                         \
    X(GS_ERR_FAULT, -42, "memory could not be read")

enum gs_status {
#define X(name, number, message) name = number,
    GS_STATUS_LIST(X)
#undef X
};

/* Static text for a status; "unknown status" for a number not in the list. */
const char *gs_status_message(enum gs_status status);

#endif
