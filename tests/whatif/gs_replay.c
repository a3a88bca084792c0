/* SPDX-License-Identifier: MIT
 * Replays programs: a line of JSON for each.
 *
 * usage: gs_replay [--cores N] [--cap X,...] [--s X] [--lock fifo|barge|none] [--wake NS]
 *                  [--slice NS] [--gc-every NS --gc-pause NS] [--gil SWITCH_NS] [--bounds]
 *                  [--engine cpu|cuda] FILE...
 * --cap: what 1, 2 ... busy cores do together; the default is as much as there are.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/bounds.h"
#include "analyzer/whatif/sweep.h"
#include "analyzer/xalloc.h"
#include "tests/whatif/program_text.h"

#define MOST_CORES 1024u

static uint32_t cap_q16[MOST_CORES];
static struct gs_replay_params params = {
    .machine = {1, cap_q16}, .s_q16 = 1 << 16, .latency_q16 = 1 << 16, .lock_policy = GS_LOCK_FIFO};
static uint64_t switch_ns; /* 0: without a GIL */
static bool with_bounds;
static const char *engine = "cpu";
static struct gs_sweeper *sweeper;

static void read_cap(char *text)
{
    uint32_t k = 0;
    for (char *word = strtok(text, ","); word && k < MOST_CORES; word = strtok(NULL, ","))
        cap_q16[k++] = GS_Q16(atof(word));
}

static enum gs_lock_policy policy_named(const char *name)
{
    return strcmp(name, "none") == 0 ? GS_LOCK_NONE : name[0] == 'b' ? GS_LOCK_BARGE : GS_LOCK_FIFO;
}

static bool read_options(int argc, char **argv)
{
    enum { CORES = 256, CAP, S, LOCK, WAKE, GC_EVERY, GC_PAUSE, SLICE, GIL, BOUNDS, ENGINE };
    static const struct option names[] = {
        {"cores", 1, NULL, CORES},       {"cap", 1, NULL, CAP},     {"s", 1, NULL, S},
        {"lock", 1, NULL, LOCK},         {"wake", 1, NULL, WAKE},   {"gc-every", 1, NULL, GC_EVERY},
        {"gc-pause", 1, NULL, GC_PAUSE}, {"gil", 1, NULL, GIL},     {"bounds", 0, NULL, BOUNDS},
        {"engine", 1, NULL, ENGINE},     {"slice", 1, NULL, SLICE}, {NULL, 0, NULL, 0},
    };
    for (uint32_t k = 0; k < MOST_CORES; k++)
        cap_q16[k] = (k + 1) << 16;
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case CORES:
            params.machine.cores = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case CAP:
            read_cap(optarg);
            break;
        case S:
            params.s_q16 = GS_Q16(atof(optarg));
            break;
        case LOCK:
            params.lock_policy = policy_named(optarg);
            break;
        case WAKE:
            params.wake_ns = strtoull(optarg, NULL, 10);
            break;
        case GC_EVERY:
            params.gc_every_ns = strtoull(optarg, NULL, 10);
            break;
        case GC_PAUSE:
            params.gc_pause_ns = strtoull(optarg, NULL, 10);
            break;
        case SLICE:
            params.slice_ns = strtoull(optarg, NULL, 10);
            break;
        case GIL:
            switch_ns = strtoull(optarg, NULL, 10);
            break;
        case BOUNDS:
            with_bounds = true;
            break;
        case ENGINE:
            engine = optarg;
            break;
        default:
            return false;
        }
    }
    return optind < argc && params.machine.cores - 1 < MOST_CORES && cap_q16[0] > 0;
}

static void print_objects(const struct gs_program *p, const struct gs_replay_result *r, bool holds)
{
    const char *comma = "";
    printf(", \"%s\": {", holds ? "hold_ns" : "parked_ns");
    for (size_t i = 0; i < p->n_objects; i++) {
        uint64_t ns = holds ? r->objects[i].hold_ns : r->objects[i].parked_ns;
        if (ns == 0)
            continue;
        printf("%s\"%s\": %" PRIu64, comma, p->objects[i].name, ns);
        comma = ", ";
    }
    printf("}");
}

static void print_mark(const char *name, uint64_t ns)
{
    if (ns == GS_MARK_NEVER)
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %" PRIu64, name, ns);
}

static void print_marks(const struct gs_program *p, const struct gs_replay_result *r)
{
    const char *comma = "";
    print_mark("mark_from_ns", r->mark_from_ns);
    print_mark("mark_to_ns", r->mark_to_ns);
    if (!r->mark_ns)
        return; /* a sweep has none */
    printf(", \"mark_ns\": {");
    for (size_t i = 0; i < p->n_marks; i++) {
        if (r->mark_ns[i] == GS_MARK_NEVER)
            continue;
        printf("%s\"%zu\": %" PRIu64, comma, i, r->mark_ns[i]);
        comma = ", ";
    }
    printf("}");
}

static void print_bounds(const struct gs_program *p)
{
    struct gs_bounds b;
    gs_bounds_find(p, &params, &b);
    printf(", \"work_ns\": %" PRIu64 ", \"critical_path_ns\": %" PRIu64 ", \"lo_ns\": %" PRIu64,
           b.work_ns, b.critical_path_ns, b.lo_ns);
    if (b.hi_ns == GS_BOUND_NONE)
        printf(", \"hi_ns\": null");
    else
        printf(", \"hi_ns\": %" PRIu64, b.hi_ns);
    free(b.serial_ns);
}

static void print_run(const struct gs_program *p)
{
    struct gs_replay_result r;
    struct gs_replay *replay = gs_replay_open(p);
    struct gs_replay_object *objects = gs_xcalloc(p->n_objects + 1, sizeof(*objects));
    struct gs_sweep sweep = {
        .program = p, .params = &params, .n = 1, .results = &r, .objects = objects};
    if (switch_ns)
        gs_replay_run_gil(replay, &params, switch_ns, &r);
    else if (strcmp(engine, "cpu") == 0)
        gs_replay_run(replay, &params, &r);
    else
        gs_sweeper_run(sweeper, &sweep);
    printf("{\"makespan_ns\": %" PRIu64 ", \"py_ns\": %" PRIu64 ", \"native_ns\": %" PRIu64
           ", \"latency_ns\": %" PRIu64 ", \"gc_ns\": %" PRIu64 ", \"gil_ns\": %" PRIu64
           ", \"idle_ns\": %" PRIu64 ", \"flips\": %" PRIu64
           ", \"deadlock\": %s, \"steps\": %" PRIu64,
           r.makespan_ns, r.py_ns, r.native_ns, r.latency_ns, r.gc_ns, r.gil_ns, r.idle_ns, r.flips,
           r.deadlock ? "true" : "false", r.steps);
    print_marks(p, &r);
    print_objects(p, &r, false);
    print_objects(p, &r, true);
    if (with_bounds)
        print_bounds(p);
    puts("}");
    free(objects);
    gs_replay_close(replay);
}

static bool replay_file(const char *path)
{
    struct gs_program p = {0};
    unsigned line = 0;
    FILE *in = fopen(path, "r");
    const char *why = in ? gs_program_read(in, &p, &line) : "cannot be opened";
    if (in)
        fclose(in);
    if (why)
        fprintf(stderr, "gs_replay: %s:%u: %s\n", path, line, why);
    else
        print_run(&p);
    gs_program_free(&p);
    return !why;
}

static bool was_engine_used(void)
{
    const char *why_not;
    gs_sweeper_used(sweeper, &why_not);
    if (why_not)
        fprintf(stderr, "gs_replay: %s did not replay: %s\n", engine, why_not);
    return !why_not;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        fprintf(
            stderr,
            "usage: gs_replay [--cores N] [--cap X,...] [--s X] [--lock POLICY] "
            "[--wake NS] [--slice NS] [--gc-every NS --gc-pause NS] [--gil SWITCH_NS] [--bounds] "
            "[--engine cpu|cuda] FILE...\n");
        return 2;
    }
    bool replayed = true;
    sweeper = gs_sweeper_open(engine, 1);
    for (int i = optind; i < argc && replayed; i++)
        replayed = replay_file(argv[i]);
    replayed = was_engine_used() && replayed;
    gs_sweeper_close(sweeper);
    return replayed ? 0 : 1;
}
