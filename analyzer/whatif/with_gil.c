/* SPDX-License-Identifier: MIT
 * Replays with a GIL: of the recording itself, and of what it could have been.
 */
#include <math.h>
#include <stdlib.h>

#include "analyzer/whatif/model.h"
#include "analyzer/xalloc.h"

#define SWITCH_NS 5000000u /* sys.getswitchinterval(), unless the program set it */

void gs__replay_recorded(const struct gs_capture_program *c, const struct gs__model *m,
                         struct gs_whatif *out)
{
    struct gs__draw d = {.cap_q16 = gs_xmalloc(out->at.cores, sizeof(uint32_t))};
    struct gs_replay_result r;
    struct gs_replay *replay = gs_replay_open(&c->program);
    gs__draw_median(&d, m, out->at.cores);
    gs_replay_run_gil(replay, &d.params, SWITCH_NS, &r);
    bool known = !r.deadlock && c->wall_ns;
    out->replayed = known ? (double)r.makespan_ns / (double)c->wall_ns : NAN;
    gs_replay_close(replay);
    free(d.cap_q16);
}
