/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/memory_model.h"

#include <math.h>

#define KIB 1024.0

/* What blocks cost of what they cost with the GIL. */
static const struct gs_bytes_range same = {1.00, 1.00, 1.00};
static const struct gs_bytes_range heap_factor = {1.00, 1.10, 1.25};  /* bins an eighth apart */
static const struct gs_bytes_range large_factor = {1.00, 1.50, 2.00}; /* outgrown ones are kept */
static const struct gs_bytes_range rest_factor = {0.00, 0.50, 1.00};
static const struct gs_bytes_range kept_factor = {1.00, 1.03,
                                                  1.15}; /* pages begun, of each class */
static const struct gs_bytes_range code_factor = {1.37, 1.45,
                                                  1.60}; /* of interpreter and modules */

#define CODE_BY_HEAP                                                                               \
    2.2 /* what interpreter and modules take is this many times what of it is heap */
#define HEADER_BYTES 16u /* that objects without garbage collection are longer by */
#define NEVER_GC     2u  /* classes up to it are too small for objects with */

/* ---- size classes ---- */

/* mimalloc's: multiples of 16 bytes up to 64, then four to the octave. */
static unsigned bin_bytes(unsigned bytes)
{
    unsigned step = 16;
    while (bytes > 8 * step)
        step *= 2;
    return (bytes + step - 1) / step * step;
}

/* Share of a class's blocks that are objects without garbage collection, whose header grows. */
static struct gs_bytes_range growing_share(unsigned class)
{
    return class <= NEVER_GC ? (struct gs_bytes_range){0.6, 1.0, 1.0}
                             : (struct gs_bytes_range){0.15, 0.5, 0.9};
}

static double grown(double share, double plain, double longer)
{
    return (1 - share) * plain + share * longer;
}

static struct gs_bytes_range class_factor(unsigned class)
{
    unsigned bytes = 16 * class;
    double plain = (double)bin_bytes(bytes) / bytes;
    double longer = (double)bin_bytes(bytes + HEADER_BYTES) / bytes;
    struct gs_bytes_range share = growing_share(class);
    return (struct gs_bytes_range){kept_factor.low * grown(share.low, plain, longer),
                                   kept_factor.mid * grown(share.mid, plain, longer),
                                   kept_factor.high * grown(share.high, plain, longer)};
}

/* ---- footprints ---- */

static struct gs_bytes_range factor_of(unsigned part)
{
    switch (part) {
    case GS_FOOT_HEAP_USED:
        return heap_factor;
    case GS_FOOT_OTHER:
        return large_factor;
    case GS_FOOT_REST:
        return rest_factor;
    case GS_FOOT_FIXED:
        return same;
    default:
        return class_factor(part - GS_FOOT_CLASSES + 1);
    }
}

static void add_scaled(struct gs_bytes_range *to, double bytes, struct gs_bytes_range factor)
{
    to->low += bytes * factor.low;
    to->mid += bytes * factor.mid;
    to->high += bytes * factor.high;
}

struct gs_bytes_range gs_memory_of_data(const struct gs_footprint *f, bool free_threaded)
{
    struct gs_bytes_range sum = {0};
    for (unsigned i = GS_FOOT_FILE + 1; i < GS_N_FOOT; i++)
        add_scaled(&sum, (double)f->bytes[i], free_threaded ? same : factor_of(i));
    return sum;
}

/* Importing leaves pages behind that are free here and there: later data of the main thread goes
 * into them, so it is the greater of the two that counts. */
struct gs_bytes_range gs_memory_of_process(const struct gs_footprint *f, bool free_threaded)
{
    struct gs_bytes_range data = gs_memory_of_data(f, free_threaded), code = {0};
    double all = (double)gs_footprint_anonymous(f);
    double heap = (double)f->bytes[GS_FOOT_HEAP_USED] + (double)f->bytes[GS_FOOT_REST];
    if (free_threaded)
        return data;
    add_scaled(&code, fmin(all, CODE_BY_HEAP * heap), code_factor);
    return (struct gs_bytes_range){fmax(data.low, code.low), fmax(data.mid, code.mid),
                                   fmax(data.high, code.high)};
}

/* An idle thread, and a page begun for each class in two heaps of its own. */
struct gs_bytes_range gs_memory_of_threads(size_t n, unsigned classes, bool free_threaded)
{
    double own = free_threaded ? 0 : 2 * classes * KIB;
    return (struct gs_bytes_range){(double)n * 60 * KIB, (double)n * (85 * KIB + 2 * own),
                                   (double)n * (250 * KIB + 8 * own)};
}

struct gs_bytes_range gs_memory_sum(const struct gs_bytes_range *parts, size_t n)
{
    struct gs_bytes_range sum = {0};
    double below = 0, above = 0;
    for (size_t i = 0; i < n; i++) {
        sum.mid += parts[i].mid;
        below += (parts[i].mid - parts[i].low) * (parts[i].mid - parts[i].low);
        above += (parts[i].high - parts[i].mid) * (parts[i].high - parts[i].mid);
    }
    sum.low = fmax(0, sum.mid - sqrt(below));
    sum.high = sum.mid + sqrt(above);
    return sum;
}
