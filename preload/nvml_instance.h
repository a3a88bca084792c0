/* SPDX-License-Identifier: MIT
 * An instance of libnvidia-ml.so.1 that is not the program's: the file copied to memory and loaded
 * from there, so that neither side's dlopen() finds the other's.
 */
#ifndef GS_NVML_INSTANCE_H
#define GS_NVML_INSTANCE_H

#include <stdint.h>

struct gs_elf_object;

/* NULL, or why there is none. `generation` is never given twice, forked children included: the
 * dynamic linker would hand out the instance of the same name. It is never unloaded. CTX: drain. */
const char *gs_nvml_instance(uint32_t generation, struct gs_elf_object *out);

#endif
