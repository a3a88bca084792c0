/* SPDX-License-Identifier: MIT
 * What a capture says of CUDA beside the rows: driver, devices, contexts, sums by function and by
 * kind, and what the machine says the process uses. Same thread rules as trace_writer.h.
 */
#ifndef GS_CUDA_RECORDS_H
#define GS_CUDA_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

/* What is new since the last call; once the sums by function too if `all`. Nothing at all in a
 * process that never met the driver. CTX: drain, at each flush. */
void gs_cuda_records(bool all);
/* Is every row that has a number written, or counted as lost? */
bool gs_cuda_records_settled(void);
/* The recording ends here, or may end (exec): a row that has a number, as that of a free whose call
 * is on its way, and is not written is lost. CTX: drain, after rings were emptied. */
void gs_cuda_records_end(void);
/* Asks NVML, when it is time. CTX: drain, with a table of descriptors of its own. */
void gs_cuda_tick(uint64_t now);
/* A new segment begins: all that lives is told again. */
void gs_cuda_records_again(void);
void gs_cuda_records_forget(void); /* forked child */

#endif
