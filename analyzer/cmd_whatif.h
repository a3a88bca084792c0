/* SPDX-License-Identifier: MIT
 * What the commands that predict share: their options.
 */
#ifndef GS_CMD_WHATIF_H
#define GS_CMD_WHATIF_H

#include "analyzer/options.h"
#include "analyzer/whatif/job.h"

struct gs_prediction_args { /* as they were typed, NULL where not */
    const char *target, *cores, *calibration;
};
#define GS_PREDICTION_ARGS(args, cmd)                                                              \
    ((struct gs_prediction_args){(args)->value[GS_OPT_##cmd##_target],                             \
                                 (args)->value[GS_OPT_##cmd##_cores],                              \
                                 (args)->value[GS_OPT_##cmd##_calibration]})

/* GS_EXIT_OK, or the exit code after a message. The options point to *calibration. */
int gs_cmd_prediction_options(const char *cmd, const struct gs_prediction_args *typed,
                              struct gs_calibration *calibration,
                              struct gs_whatif_options *options);

#endif
