/* SPDX-License-Identifier: MIT
 * Threads by when something ends for them; equal times in the order of the threads. Private.
 */
#ifndef GS_WHATIF_EVENT_HEAP_H
#define GS_WHATIF_EVENT_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/whatif/host_device.h"

struct gs__ending {
    uint64_t at;
    uint32_t thread;
};

struct gs__heap {
    struct gs__ending *at; /* room for every thread */
    size_t n;
};

GS__HD struct gs__ending gs__ending_at(uint64_t at, uint32_t thread)
{
    struct gs__ending e = {at, thread};
    return e;
}

GS__HD bool gs__ends_before(struct gs__ending a, struct gs__ending b)
{
    return a.at != b.at ? a.at < b.at : a.thread < b.thread;
}

GS__HD void gs__heap_put(struct gs__heap *h, struct gs__ending e)
{
    size_t i = h->n++;
    for (; i > 0 && gs__ends_before(e, h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = e;
}

GS__HD struct gs__ending gs__heap_take(struct gs__heap *h)
{
    struct gs__ending first = h->at[0], e = h->at[--h->n];
    size_t i = 0;
    for (size_t k = 1; k < h->n; k = 2 * i + 1) {
        k += k + 1 < h->n && gs__ends_before(h->at[k + 1], h->at[k]);
        if (!gs__ends_before(h->at[k], e))
            break;
        h->at[i] = h->at[k];
        i = k;
    }
    h->at[i] = e;
    return first;
}

#endif
