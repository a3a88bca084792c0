/* SPDX-License-Identifier: MIT
 * Rows as columns: what loops that look at a few things of all rows read. Times and flags are those
 * of struct gs_slice.
 */
#ifndef GS_ROW_COLUMNS_H
#define GS_ROW_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

struct gs_slice;

struct gs_row_columns {
    uint64_t *seq, *acq_ns, *rel_ns, *begin_ns, *a_ns;
    uint32_t *hold_actor, *wait_actor, *ds, *flags, *thread;
    size_t cap;
};
/* Room for n rows; the first `kept` stay. */
void gs_row_columns_reserve(struct gs_row_columns *c, size_t n, size_t kept);
void gs_row_columns_free(struct gs_row_columns *c);
/* Rows [from, from + n) to `to`, which may overlap. */
void gs_row_columns_move(struct gs_row_columns *c, size_t to, size_t from, size_t n);
/* order, which columns do not have, is 0. */
struct gs_slice gs_row_columns_get(const struct gs_row_columns *c, size_t i);
void gs_row_columns_put(struct gs_row_columns *c, size_t i, const struct gs_slice *row);

#endif
