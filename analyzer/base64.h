/* SPDX-License-Identifier: MIT
 * Base64 (RFC 4648, with padding), three bytes at a time.
 */
#ifndef GS_BASE64_H
#define GS_BASE64_H

#include <stddef.h>

/* 1 to 3 bytes of `in` as four characters; what is missing of the three must be 0. */
void gs_base64_quad(char out[4], const unsigned char in[3], size_t n);
/* All of it as one string; the caller frees. */
char *gs_base64(const unsigned char *data, size_t n);

#endif
