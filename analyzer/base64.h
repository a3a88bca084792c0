/* SPDX-License-Identifier: MIT
 * Base64 (RFC 4648, with padding).
 */
#ifndef GS_BASE64_H
#define GS_BASE64_H

#include <stddef.h>

/* n bytes as (n + 2) / 3 * 4 characters, which is what it returns; not terminated. */
size_t gs_base64_encode(char *out, const unsigned char *data, size_t n);
/* All of it as one string; the caller frees. */
char *gs_base64(const unsigned char *data, size_t n);

#endif
