/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tracegen/tracegen.h"

static const char usage[] =
    "usage: gilscope-tracegen --slices N [options] -o FILE|DIR|-\n"
    "\n"
    "Writes captures of a simulated job: realistic, as large as you like, the same for a seed.\n"
    "\n"
    "  -o, --output FILE|DIR|-  one file in which the chunks of all processes are mixed; a file "
    "for\n"
    "                           each process in DIR (a folder, or a name that ends in /); or "
    "stdout\n"
    "  -n, --slices N           GIL turns in all; 10k, 5M, 2G are understood\n"
    "  -t, --threads T          of each process (default 8)\n"
    "  -p, --processes P        (default 1)\n"
    "  -s, --seed S             (default 1)\n"
    "      --level 1|2          1: turns without contention are only summed up; 2: each is a row\n"
    "                           (default 2)\n"
    "      --stacks K           distinct stacks of a process (default 2000)\n"
    "      --what LIST          gil, mem, cuda: what else but the GIL was recorded (default all)\n"
    "      --clock tsc|ns       ticks of 0.4 ns, or of 1 ns (default tsc)\n"
    "      --losses PERMILLE    rows that a full ring dropped; TOTALS and LOST have them\n"
    "      --damage PERMILLE    chunks torn, flipped or missing; never a process's first one\n"
    "      --native             native frames around some stacks\n"
    "      --no-samples         of holders: their turns are all one stack's\n"
    "      --shuffle            chunks out of order, within 64 of a file\n"
    "      --truth FILE         what a reader must find, as JSON: sums by process, thread and "
    "pair\n"
    "  -h, --help               this text\n";

enum {
    OPT_LEVEL = 256,
    OPT_STACKS,
    OPT_WHAT,
    OPT_CLOCK,
    OPT_LOSSES,
    OPT_DAMAGE,
    OPT_NATIVE,
    OPT_NO_SAMPLES,
    OPT_SHUFFLE,
    OPT_TRUTH
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"slices", required_argument, NULL, 'n'},
    {"threads", required_argument, NULL, 't'},
    {"processes", required_argument, NULL, 'p'},
    {"seed", required_argument, NULL, 's'},
    {"level", required_argument, NULL, OPT_LEVEL},
    {"stacks", required_argument, NULL, OPT_STACKS},
    {"what", required_argument, NULL, OPT_WHAT},
    {"clock", required_argument, NULL, OPT_CLOCK},
    {"losses", required_argument, NULL, OPT_LOSSES},
    {"damage", required_argument, NULL, OPT_DAMAGE},
    {"native", no_argument, NULL, OPT_NATIVE},
    {"no-samples", no_argument, NULL, OPT_NO_SAMPLES},
    {"shuffle", no_argument, NULL, OPT_SHUFFLE},
    {"truth", required_argument, NULL, OPT_TRUTH},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int bad(const char *option, const char *value, const char *wants)
{
    fprintf(stderr, "gilscope-tracegen: --%s %s: %s; see gilscope-tracegen --help\n", option, value,
            wants);
    return 1 + 2;
}

static unsigned scale_of(const char *suffix)
{
    static const char letters[] = "kMG";
    const char *at = *suffix && !suffix[1] ? strchr(letters, *suffix) : NULL;
    return at ? 3 * (unsigned)(at - letters + 1) : *suffix ? 99 : 0;
}

/* Digits, then at most one of k, M, G. */
static bool parse_number(const char *s, uint64_t lo, uint64_t hi, uint64_t *out)
{
    char *end;
    errno = 0;
    if (*s < '0' || *s > '9')
        return false;
    uint64_t v = strtoull(s, &end, 10);
    unsigned zeros = scale_of(end);
    if (errno || zeros == 99)
        return false;
    for (; zeros > 0; zeros--) {
        if (v > UINT64_MAX / 10)
            return false;
        v *= 10;
    }
    *out = v;
    return v >= lo && v <= hi;
}

static int take_u32(const char *option, const char *value, uint32_t lo, uint32_t hi, uint32_t *out)
{
    uint64_t v;
    char wants[80];
    if (parse_number(value, lo, hi, &v)) {
        *out = (uint32_t)v;
        return 0;
    }
    snprintf(wants, sizeof(wants), "wants a number from %u to %u", lo, hi);
    return bad(option, value, wants);
}

static int take_what(struct gen_options *o, const char *list)
{
    o->with_mem = o->with_cuda = false;
    for (const char *s = list; *s;) {
        size_t len = strcspn(s, ",");
        if (len == 3 && strncmp(s, "mem", len) == 0)
            o->with_mem = true;
        else if (len == 4 && strncmp(s, "cuda", len) == 0)
            o->with_cuda = true;
        else if (len != 3 || strncmp(s, "gil", len) != 0)
            return bad("what", list, "wants some of gil,mem,cuda");
        s += len + (s[len] == ',');
    }
    return 0;
}

static int take_clock(struct gen_options *o, const char *name)
{
    o->ns_clock = strcmp(name, "ns") == 0;
    return o->ns_clock || strcmp(name, "tsc") == 0 ? 0 : bad("clock", name, "wants tsc or ns");
}

static int take(struct gen_options *o, int c)
{
    switch (c) {
    case 'o':
        o->out = optarg;
        return 0;
    case 'n':
        return parse_number(optarg, 1, UINT64_C(1) << 50, &o->slices)
                   ? 0
                   : bad("slices", optarg, "wants a number from 1 on, as 10k or 5M");
    case 't':
        return take_u32("threads", optarg, 1, 1u << 20, &o->threads);
    case 'p':
        return take_u32("processes", optarg, 1, 100000, &o->processes);
    case 's':
        return parse_number(optarg, 0, UINT64_MAX, &o->seed)
                   ? 0
                   : bad("seed", optarg, "wants a number");
    case OPT_LEVEL:
        return take_u32("level", optarg, 1, 2, &o->level);
    case OPT_STACKS:
        return take_u32("stacks", optarg, 1, 1u << 20, &o->stacks);
    case OPT_WHAT:
        return take_what(o, optarg);
    case OPT_CLOCK:
        return take_clock(o, optarg);
    case OPT_LOSSES:
        return take_u32("losses", optarg, 0, 1000, &o->losses);
    case OPT_DAMAGE:
        return take_u32("damage", optarg, 0, 1000, &o->damage);
    case OPT_NATIVE:
        o->native = true;
        return 0;
    case OPT_NO_SAMPLES:
        o->no_samples = true;
        return 0;
    case OPT_SHUFFLE:
        o->shuffle = true;
        return 0;
    case OPT_TRUTH:
        o->truth = optarg;
        return 0;
    default:
        return -1;
    }
}

static int check(const struct gen_options *o, int argc, char **argv)
{
    const char *wrong = optind < argc ? argv[optind] : NULL;
    if (wrong)
        return bad("output", wrong, "one output, with -o, and no other names");
    if (o->slices && o->out)
        return 0;
    fprintf(stderr,
            "gilscope-tracegen: %s is missing; type gilscope-tracegen --slices 1M -o x.gsc\n",
            o->slices ? "-o FILE|DIR|-" : "--slices N");
    return 1 + 2;
}

int gen_options_parse(struct gen_options *o, int argc, char **argv)
{
    int c, rc = 0;
    *o = (struct gen_options){.threads = 8,
                              .processes = 1,
                              .seed = 1,
                              .stacks = 2000,
                              .level = 2,
                              .with_mem = true,
                              .with_cuda = true};
    opterr = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, "o:n:t:p:s:h", long_options, NULL)) != -1) {
        if (c == 'h') {
            fputs(usage, stdout);
            return 1;
        }
        rc = take(o, c);
    }
    if (rc < 0) {
        fprintf(stderr,
                "gilscope-tracegen: %s is no option, or lacks its value; see "
                "gilscope-tracegen --help\n",
                argv[optind - 1]);
        return 1 + 2;
    }
    return rc ? rc : check(o, argc, argv);
}
