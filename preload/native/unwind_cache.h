/* SPDX-License-Identifier: MIT
 * Rules by place, of all threads: fixed in size, without a lock; what does not fit is looked up
 * again. CTX: any.
 */
#ifndef GS_UNWIND_CACHE_H
#define GS_UNWIND_CACHE_H

#include "preload/native/unwind_rules.h"

/* False when memory is refused. CTX: constructor. */
bool gs_unwind_cache_init(void);
bool gs_unwind_remembered(uint32_t module, uint64_t pc, struct gs_unwind_rule *out);
void gs_unwind_remember(uint32_t module, uint64_t pc, struct gs_unwind_rule rule);

#endif
