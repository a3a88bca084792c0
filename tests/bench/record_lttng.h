/* SPDX-License-Identifier: MIT
 * The tracepoint of record_ns.c: four numbers, as a slice has. Read several times over by
 * LTTng-UST's headers, hence the odd guard.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER gs_record

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./record_lttng.h"

#if !defined(GS_RECORD_LTTNG_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define GS_RECORD_LTTNG_H

#include <stdint.h>

#include <lttng/tracepoint.h>

/* clang-format off */
LTTNG_UST_TRACEPOINT_EVENT(gs_record, slice,
    LTTNG_UST_TP_ARGS(uint32_t, wait, uint32_t, hold, uint32_t, stack, uint32_t, seq),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint32_t, wait, wait)
        lttng_ust_field_integer(uint32_t, hold, hold)
        lttng_ust_field_integer(uint32_t, stack, stack)
        lttng_ust_field_integer(uint32_t, seq, seq)))
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>
