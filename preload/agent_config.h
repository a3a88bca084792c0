/* SPDX-License-Identifier: MIT
 * The agent's settings, from the environment, parsed once into plain data.
 */
#ifndef GS_AGENT_CONFIG_H
#define GS_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/counter_spec.h"

enum gs_children { GS_CHILDREN_python, GS_CHILDREN_all, GS_CHILDREN_none };
enum gs_on_full { GS_ON_FULL_stop, GS_ON_FULL_ring };
enum gs_what { GS_WHAT_gil = 1, GS_WHAT_mem = 2, GS_WHAT_cuda = 4, GS_WHAT_all = 7 }; /* bits */

#define GS_RING_MIN_BYTES (1u << 20) /* of max_size: below it segments hold next to nothing */

#define GS_TYPE_string    const char *
#define GS_TYPE_u32       uint32_t
#define GS_TYPE_u64       uint64_t
#define GS_TYPE_bool      bool
#define GS_TYPE_children  enum gs_children
#define GS_TYPE_on_full   enum gs_on_full
#define GS_TYPE_what      uint32_t
#define GS_TYPE_counters  struct gs_counters

struct gs_config {
#define GS_CONFIG(env, field, type, default_value, help) GS_TYPE_##type field;
#include "preload/agent_config.def"
#undef GS_CONFIG
    uint32_t root_pid;    /* GILSCOPE_ROOT_PID; 0: not started by `gilscope run` */
    const char *bad_name; /* a variable whose value could not be understood, or NULL */
    const char *bad_why;
};

/* envp: "NAME=value" strings, NULL at the end; an unknown value keeps the default. Copies what it
 * keeps: programs that set their title overwrite this memory. `out` becomes an absolute path in
 * which only %p and %% are left to expand, "" when that does not fit. */
void gs_config_parse(struct gs_config *out, char *const *envp);
/* The path of this process: config.out with %p expanded; false if it does not fit. */
bool gs_config_out_path(const struct gs_config *c, char *buf, size_t len);

/* --force goes for the first process only: its children take the next free name. */
static inline bool gs_config_may_replace(const struct gs_config *c, uint32_t pid)
{
    return c->force && (!c->root_pid || c->root_pid == pid);
}

#endif
