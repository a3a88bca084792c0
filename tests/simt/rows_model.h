/* SPDX-License-Identifier: MIT
 * Rows for the kernels that sum them, and the sums by plain loops: what analyzer/engine.h defines,
 * without windows, slots or scans.
 */
#ifndef GS_ROWS_MODEL_H
#define GS_ROWS_MODEL_H

#include <algorithm>
#include <vector>

#include "cuda/rows.cuh"
#include "tests/simt/simt_test.h"

struct model_row {
    uint64_t seq, acq_ns, rel_ns, begin_ns, a_ns;
    uint32_t hold_actor, wait_actor, ds, flags, thread;
};

/* The columns of rows, for a kernel. */
class device_rows
{
    std::vector<gs_u64> wide[5];
    std::vector<uint32_t> narrow[5];

  public:
    explicit device_rows(const std::vector<model_row> &rows)
    {
        for (const model_row &r : rows) {
            const uint64_t w[5] = {r.seq, r.acq_ns, r.rel_ns, r.begin_ns, r.a_ns};
            const uint32_t v[5] = {r.hold_actor, r.wait_actor, r.ds, r.flags, r.thread};
            for (unsigned k = 0; k < 5; k++) {
                wide[k].push_back(w[k]);
                narrow[k].push_back(v[k]);
            }
        }
    }
    explicit device_rows(size_t n)
    {
        for (unsigned k = 0; k < 5; k++) {
            wide[k].assign(n, 0xcccccccc);
            narrow[k].assign(n, 0xcccccccc);
        }
    }
    gs_rows columns()
    {
        return {wide[0].data(),   wide[1].data(),   wide[2].data(),   wide[3].data(),
                wide[4].data(),   narrow[0].data(), narrow[1].data(), narrow[2].data(),
                narrow[3].data(), narrow[4].data()};
    }
    model_row row(size_t i) const
    {
        return {wide[0][i],   wide[1][i],   wide[2][i],   wide[3][i],   wide[4][i],
                narrow[0][i], narrow[1][i], narrow[2][i], narrow[3][i], narrow[4][i]};
    }
};

/* How a story of turns looks. */
struct story {
    size_t n;
    uint32_t n_actors;
    unsigned max_ns_bits;  /* of holds */
    unsigned percent_gone; /* turns without a row */
    unsigned percent_waits;
    unsigned max_ds;
    bool hot; /* nearly all turns are of one actor */
};

/* Some acquires as if read on a clock that is late, some releases on one that is early. */
inline void bend_clocks(std::vector<model_row> *rows, test_random *r)
{
    uint64_t high = 0;
    for (model_row &row : *rows) {
        uint64_t late = r->below(12) ? 0 : r->below(300);
        row.acq_ns -= late;
        row.rel_ns -= late;
        if ((row.flags & GS_SLICE_TURN) && r->below(12) == 0)
            row.rel_ns += r->below(500);
        high = std::max(high, row.acq_ns);
        row.a_ns = high;
        row.begin_ns = std::min(row.begin_ns, high);
    }
}

/* Ordered, monotone rows: threads take turns, some of them waited for the last few. */
inline std::vector<model_row> tell(const story &s, test_random *r)
{
    std::vector<model_row> rows;
    std::vector<uint64_t> acquired; /* by seq - 1 */
    uint64_t now = 1000, seq = 0;
    while (rows.size() < s.n) {
        uint32_t actor = s.hot && r->below(50) ? 3 % s.n_actors : (uint32_t)r->below(s.n_actors);
        uint64_t hold = r->of_width((unsigned)r->below(s.max_ns_bits + 1));
        model_row row = {++seq, now, now, now, now, actor, 0, 0, 0, actor};
        acquired.push_back(now);
        if (r->below(100) < s.percent_waits) {
            uint64_t ds = std::min<uint64_t>(r->below(s.max_ds + 1), seq - 1);
            uint64_t from = ds ? acquired[seq - 1 - ds] : now;
            row.flags |= GS_SLICE_WAIT | (r->below(8) ? GS_ROW_BY_HOLDER : 0);
            row.ds = (uint32_t)ds;
            row.wait_actor = (uint32_t)r->below(s.n_actors);
            row.begin_ns = from + (now > from ? r->below(now - from + 1) : 0);
            if (r->below(16) == 0) /* clocks that disagree: before its turn, or long before */
                row.begin_ns -= std::min<uint64_t>(row.begin_ns, r->below(4 * hold + 2));
        }
        if (!(row.flags & GS_SLICE_WAIT) || r->below(16)) {
            row.flags |= GS_SLICE_TURN | (r->below(2) ? GS_ROW_KNOWN_STACK : 0);
            row.flags |= r->below(3) ? 0 : GS_SLICE_FORCED;
            row.rel_ns += hold;
        }
        now += hold + (r->below(3) ? r->below(100) : 0);
        if (r->below(100) >= s.percent_gone)
            rows.push_back(row);
    }
    bend_clocks(&rows, r);
    return rows;
}

/* ---- sums ---- */

typedef std::vector<gs_u64> model_sums; /* kind * n_actors + actor */

inline void model_group(const std::vector<model_row> &rows, uint32_t n_actors, model_sums *sums)
{
    auto at = [&](unsigned kind, uint32_t actor) -> gs_u64 & {
        return (*sums)[(size_t)kind * n_actors + actor];
    };
    for (const model_row &t : rows) {
        uint64_t wait_ns = t.a_ns - t.begin_ns;
        at(GS_SUM_ACQUIRES, t.hold_actor)++;
        at(GS_SUM_RELEASES, t.hold_actor) += (t.flags & GS_SLICE_TURN) != 0;
        at(GS_SUM_FORCED, t.hold_actor) += (t.flags & GS_SLICE_FORCED) != 0;
        if (!(t.flags & GS_SLICE_WAIT))
            continue;
        at(GS_SUM_WAIT_NS, t.wait_actor) += wait_ns;
        at(GS_SUM_WAIT_COUNT, t.wait_actor)++;
        at(GS_SUM_WAIT_MAX_NS, t.wait_actor) =
            std::max<gs_u64>(at(GS_SUM_WAIT_MAX_NS, t.wait_actor), wait_ns);
    }
}

#endif
