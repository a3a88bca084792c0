/* SPDX-License-Identifier: MIT
 * Commands that the table names and that are not written yet; each leaves this file as it lands.
 */
#include "analyzer/cmd.h"

#define PENDING(name)                                                                              \
    int gs_cmd_##name(int argc, char **argv)                                                       \
    {                                                                                              \
        (void)argc;                                                                                \
        return gs_cmd_fail(GS_EXIT_FAILED, "%s: not written yet", argv[0]);                        \
    }

PENDING(stats)
PENDING(report)
PENDING(export)
PENDING(dump)
PENDING(recover)
PENDING(doctor)
