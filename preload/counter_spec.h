/* SPDX-License-Identifier: MIT
 * What GILSCOPE_COUNTERS asks for. A counter is a name of counter_names.def, or, as `gilscope run`
 * writes what libpfm4 knows, TYPE/FLAGS/CONFIG/CONFIG1/CONFIG2/NAME in hexadecimal digits.
 */
#ifndef GS_COUNTER_SPEC_H
#define GS_COUNTER_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define GS_MAX_COUNTERS       8u
#define GS_COUNTER_NAME_BYTES 64u

/* Of a thread, kept by the kernel whether or not anybody asks. */
enum gs_account {
    GS_ACCOUNT_NONE, /* an event of perf's */
    GS_ACCOUNT_TASK_CLOCK,
    GS_ACCOUNT_FAULTS,
    GS_ACCOUNT_MINOR_FAULTS,
    GS_ACCOUNT_MAJOR_FAULTS,
    GS_ACCOUNT_SWITCHES,
};

#define GS_COUNTER_NO_USER   1u /* FLAGS: user mode is left out */
#define GS_COUNTER_NO_KERNEL 2u

struct gs_counter_spec {
    char name[GS_COUNTER_NAME_BYTES];
    uint32_t type, flags;
    uint64_t config, config1, config2;
    enum gs_account account;
};
struct gs_counters {
    uint32_t n;
    struct gs_counter_spec at[GS_MAX_COUNTERS];
};

/* Names with commas between. False, and *out empty, where one is not known, or there are too many.
 */
bool gs_counters_parse(const char *text, struct gs_counters *out);

#endif
