/* SPDX-License-Identifier: MIT
 * Shared arrays and the record of who touched them.
 */
#include "tests/simt/simt_machine.h"

namespace gs
{
namespace simt
{
namespace
{
const uint8_t FRESH = 0xa5;

/* Touches of one kind since the last block barrier. Of the warp that came last it is known which
 * lanes, and since which of its own barriers: when no other warp came, that is all there is. */
struct touches {
    uint32_t warps, lanes, warp_epoch;
};
struct cell { /* of one byte */
    uint32_t epoch;
    touches by[3]; /* enum access */
};

void note(touches &t, const place &me)
{
    if (t.warps != 1u << me.warp || t.warp_epoch != me.warp_epoch)
        t.lanes = 0;
    t.warps |= 1u << me.warp;
    t.warp_epoch = me.warp_epoch;
    t.lanes |= 1u << me.lane;
}

bool others(const touches &t, const place &me)
{
    if (t.warps & ~(1u << me.warp))
        return true;
    return t.warps && t.warp_epoch == me.warp_epoch && (t.lanes & ~(1u << me.lane));
}

bool is_race(const cell &c, access how, const place &me)
{
    bool race = false;
    for (access other : {access::read, access::write, access::atomic})
        if (other != how || how == access::write)
            race |= others(c.by[(int)other], me);
    return race;
}
} // namespace

struct area {
    std::vector<uint8_t> bytes;
    std::vector<cell> cells;

    explicit area(size_t n) : bytes(n, FRESH), cells(n)
    {
    }
};

area *new_area(size_t bytes)
{
    return new area(bytes);
}

void free_area(area *a)
{
    delete a;
}

void *touch(area *a, ptrdiff_t off, size_t bytes, access how)
{
    place me = here();
    size_t n = a->bytes.size();
    if (off < 0 || (size_t)off > n || bytes > n - (size_t)off)
        fault("shared memory: byte " + std::to_string(off) + " of an array of " +
              std::to_string(n));
    if ((size_t)off % bytes)
        fault("shared memory: byte " + std::to_string(off) + " is not aligned");
    for (size_t i = (size_t)off; i < (size_t)off + bytes; i++) {
        cell &c = a->cells[i];
        if (c.epoch != me.epoch)
            c = cell{me.epoch, {}};
        if (is_race(c, how, me))
            fault("race: byte " + std::to_string(i) + " of a shared array of " + std::to_string(n));
        note(c.by[(int)how], me);
    }
    return a->bytes.data() + off;
}
} // namespace simt
} // namespace gs
