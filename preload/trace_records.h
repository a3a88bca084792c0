/* SPDX-License-Identifier: MIT
 * The tagged records of a capture: who and what is recorded, definitions, totals, losses, cost.
 * Same thread rules as trace_writer.h.
 */
#ifndef GS_TRACE_RECORDS_H
#define GS_TRACE_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

struct gs_clock_triple;

void gs_records_process(void);
void gs_records_clock(const struct gs_clock_triple *now);
void gs_records_definitions(void);
/* Has every row and count been written? True for good once no hook runs any more. */
bool gs_records_settled(void);
/* THREAD, GIL, TOTALS of whatever is new or changed; FOLD_HIST too if `histograms`. */
void gs_records_threads(int histograms);
void gs_records_event(uint32_t kind, uint64_t value, const char *text);
void gs_records_event_at(uint64_t t, uint32_t kind, uint64_t value, const char *text);
void gs_records_end(uint32_t reason);
/* All that has been told of what still is (threads, GILs, the level) is told once more. */
void gs_records_again(void);
/* n, then n pairs of bucket and count. */
struct gs_record_writer;
void gs_records_put_hist(struct gs_record_writer *w, const uint64_t *buckets);
void gs_records_level(uint32_t old_level, uint32_t new_level, const char *reason);
/* OVERHEAD and LOST. */
void gs_records_accounts(void);

/* Rows no ring had room for, so far. */
uint64_t gs_records_lost_rows(void);

/* The agent's own cost so far. */
struct gs_cost {
    uint64_t hook_ns, stack_ns, drain_cpu_ns, process_cpu_ns;
};
struct gs_cost gs_cost_now(void);
void gs_cost_start(uint64_t cpu_ns); /* what the constructor took */
void gs_cost_drain_begins(void);
void gs_cost_drain_ends(void);
void gs_cost_forget(void);       /* forked child */
extern uint32_t gs_hook_cost_ps; /* of one hook call without stack: hook_cost.h */

#endif
