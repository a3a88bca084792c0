/* SPDX-License-Identifier: MIT
 * Blame without windows, scans or searches: for each wait, walk the turns it lay over. Written from
 * the text of analyzer/engine.h and turns.h.
 */
#ifndef GS_BLAME_MODEL_H
#define GS_BLAME_MODEL_H

#include <map>
#include <utility>

#include "cuda/blame.cuh"
#include "tests/simt/rows_model.h"

struct model_sample {
    uint64_t seq, t_ns;
    uint32_t thread, actor, kind;
};
struct model_segment {
    uint32_t actor;
    uint64_t end_ns;
};
struct model_window { /* rows and samples of one GIL; shares by actor, or empty */
    std::vector<model_row> rows;
    std::vector<model_sample> samples;
    std::vector<gs_shares> shares;
    uint32_t n_actors;
};

class blame_model
{
    const model_window &in;

  public:
    model_sums sums;
    gs_u64 unknown_ns = 0;
    std::map<std::pair<uint32_t, uint32_t>, std::pair<uint64_t, uint64_t>> pairs; /* ns, count */

    explicit blame_model(const model_window &w) : in(w), sums((size_t)GS_SUM_KINDS * w.n_actors)
    {
        for (size_t i = 0; i < in.rows.size(); i++) {
            count_hold(i);
            if (in.rows[i].flags & GS_SLICE_WAIT)
                lay(i);
        }
    }
    uint64_t blamed_ns() const
    {
        uint64_t sum = unknown_ns;
        for (uint32_t a = 0; a < in.n_actors; a++)
            sum += sums[(size_t)GS_SUM_BLAMED_NS * in.n_actors + a];
        return sum;
    }

  private:
    void add(unsigned kind, uint32_t actor, uint64_t v)
    {
        sums[(size_t)kind * in.n_actors + actor] += v;
    }

    /* The points of a turn, then the time between two of them split. */
    std::vector<model_segment> segments_of(const model_row &t) const
    {
        std::vector<model_sample> points;
        bool is_turn = t.flags & GS_SLICE_TURN, is_forced = t.flags & GS_SLICE_FORCED;
        for (model_sample s : in.samples) {
            if (s.seq != t.seq || s.thread != t.thread)
                continue;
            s.t_ns = std::max(s.t_ns, t.acq_ns);
            s.t_ns = is_turn ? std::min(s.t_ns, t.rel_ns) : s.t_ns;
            points.push_back(s);
        }
        if (points.empty() && is_turn && !is_forced && !in.shares.empty() &&
            in.shares[t.hold_actor].n)
            return by_shares(t, in.shares[t.hold_actor]);
        bool release_counts = is_turn && is_forced && (t.flags & GS_ROW_KNOWN_STACK);
        if (points.empty() || (release_counts && points.back().kind != GS_HOLDER_AT_EXPIRY))
            points.push_back({t.seq, t.rel_ns, t.thread, t.hold_actor, GS_HOLDER_BY_DRAIN});
        return between(points);
    }

    static std::vector<model_segment> between(const std::vector<model_sample> &points)
    {
        std::vector<model_segment> out;
        for (size_t k = 0; k < points.size(); k++) {
            uint64_t end = UINT64_MAX;
            if (k + 1 < points.size()) {
                uint64_t next = points[k + 1].t_ns, t = points[k].t_ns;
                end = points[k].kind == GS_HOLDER_AT_EXPIRY ? next : t + (next - t) / 2;
            }
            out.push_back({points[k].actor, end});
        }
        return joined(out);
    }

    static std::vector<model_segment> by_shares(const model_row &t, const gs_shares &y)
    {
        std::vector<model_segment> out;
        for (uint32_t k = 0; k < y.n; k++) {
            unsigned __int128 part = (unsigned __int128)(t.rel_ns - t.acq_ns) * y.until[k];
            out.push_back(
                {y.actor[k], k + 1 < y.n ? t.acq_ns + (uint64_t)(part >> 64) : UINT64_MAX});
        }
        return joined(out);
    }

    static std::vector<model_segment> joined(const std::vector<model_segment> &all)
    {
        std::vector<model_segment> out;
        for (const model_segment &s : all) {
            if (!out.empty() && out.back().actor == s.actor)
                out.back() = s;
            else
                out.push_back(s);
        }
        return out;
    }

    void count_hold(size_t i)
    {
        const model_row &t = in.rows[i];
        uint64_t at = t.acq_ns;
        bool expired = false, counted = false;
        if (!(t.flags & GS_SLICE_TURN))
            return;
        for (const model_sample &s : in.samples)
            expired |= s.seq == t.seq && s.kind == GS_HOLDER_AT_EXPIRY;
        for (const model_segment &s : segments_of(t)) {
            uint64_t end = std::min(s.end_ns, t.rel_ns), part = end > at ? end - at : 0;
            counted = part > 0 || (t.rel_ns == t.acq_ns && s.end_ns == UINT64_MAX);
            add(GS_SUM_HOLD_NS, s.actor, part);
            add(GS_SUM_HOLD_COUNT, s.actor, counted);
            if (expired && part >= GS_LONG_STRETCH_NS) {
                add(GS_SUM_LONG_NS, s.actor, part);
                add(GS_SUM_LONG_COUNT, s.actor, 1);
            }
            at += part;
        }
    }

    void blame(const model_row &wait, uint32_t holder, uint64_t ns)
    {
        if (ns == 0)
            return;
        add(GS_SUM_BLAMED_NS, holder, ns);
        if (wait.flags & GS_ROW_BY_HOLDER) {
            auto &pair = pairs[{wait.wait_actor, holder}];
            pair.first += ns;
            pair.second++;
        }
    }

    uint64_t period_end(size_t i) const
    {
        const model_row &t = in.rows[i];
        uint64_t end = std::max(t.rel_ns, t.a_ns);
        if (i + 1 == in.rows.size())
            return end;
        const model_row &next = in.rows[i + 1];
        return next.seq == t.seq + 1 ? next.a_ns : std::min(end, next.a_ns);
    }

    uint64_t lay_turn(const model_row &wait, size_t j, uint64_t at)
    {
        uint64_t end = period_end(j);
        for (const model_segment &s : segments_of(in.rows[j])) {
            uint64_t part_end = std::max(std::min(s.end_ns, end), in.rows[j].a_ns);
            if (part_end > at) {
                blame(wait, s.actor, part_end - at);
                at = part_end;
            }
        }
        return at;
    }

    uint64_t unknown_until(uint64_t at, uint64_t end)
    {
        unknown_ns += end > at ? end - at : 0;
        return std::max(at, end);
    }

    void lay(size_t i)
    {
        const model_row &wait = in.rows[i];
        uint64_t expected = wait.seq - wait.ds, at = wait.begin_ns;
        size_t j = i;
        while (j > 0 && in.rows[j - 1].seq >= expected)
            j--;
        for (; j < i; j++) {
            if (in.rows[j].seq != expected)
                at = unknown_until(at, in.rows[j].a_ns);
            at = lay_turn(wait, j, at);
            expected = in.rows[j].seq + 1;
        }
        unknown_until(at, wait.a_ns);
    }
};

#endif
