/* SPDX-License-Identifier: MIT
 * What the places of a capture's native stacks are called on this machine, as chunks of SYMBOL
 * records: behind the capture they make it readable on any other.
 */
#ifndef GS_SYMBOL_RECORDS_H
#define GS_SYMBOL_RECORDS_H

#include <stdint.h>
#include <stdio.h>

#include "analyzer/trace_reader.h"

struct gs_symbol_tally { /* places, each counted once a process image */
    uint64_t places, were_there, named;
    uint64_t left_out; /* frames beyond what one image may have */
};
/* Writes the chunks to out; whether that failed is the caller's to ask (ferror). */
void gs_symbol_records_write(const struct gs_captures *captures, FILE *out,
                             struct gs_symbol_tally *tally);

#endif
