/* SPDX-License-Identifier: MIT
 * How large an image of device code is, from its first bytes.
 */
#ifndef GS_CUDA_IMAGE_H
#define GS_CUDA_IMAGE_H

#include <stdint.h>

/* A cubin (ELF), a fat binary or what wraps one, or PTX (a string); 0: none of them. Read
 * fault-safely. CTX: wrappers. */
uint64_t gs_cuda_image_bytes(const void *image);
/* Of a file; 0 where it cannot be asked for. */
uint64_t gs_cuda_file_bytes(const char *path);

#endif
