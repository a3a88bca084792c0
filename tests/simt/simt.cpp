/* SPDX-License-Identifier: MIT
 * The machine: which thread goes on, who waits for whom, and what is wrong when nobody can go on.
 */
#include "tests/simt/simt.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "tests/simt/simt_fiber.h"
#include "tests/simt/simt_machine.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace gs
{
namespace simt
{
namespace
{
enum class state { ready, at_barrier, in_warp, gone };

struct thread {
    state is;
    site at; /* where it waits */
    warp_call call;
    uint64_t result;
    uint32_t warp_epoch;
};

struct machine {
    std::vector<std::unique_ptr<fiber>> fibers;
    std::vector<thread> threads;
    std::vector<unsigned> ready;
    const std::function<void()> *body = nullptr;
    std::map<const void *, area *> areas;
    area *dynamic = nullptr;
    unsigned now = 0; /* the thread that runs */
    uint32_t epoch = 0;
    uint64_t seed = 1, random = 1;
    std::string fault, kernel;
} m;
thread_local cudaError_t last_error = cudaSuccess;

uint64_t next_random()
{
    m.random ^= m.random << 13;
    m.random ^= m.random >> 7;
    m.random ^= m.random << 17;
    return m.random * 0x2545f4914f6cdd1du >> 24;
}

unsigned n_threads()
{
    return (unsigned)m.threads.size();
}

std::string where(const site &at)
{
    return std::string(at.file) + ":" + std::to_string(at.line);
}

void note_fault(const std::string &text)
{
    if (m.fault.empty())
        m.fault = m.kernel + ": " + text;
}

/* ---- fibers ---- */

void set_indexes(unsigned i)
{
    m.now = i;
    threadIdx.x = i % blockDim.x;
    threadIdx.y = i / blockDim.x % blockDim.y;
    threadIdx.z = i / blockDim.x / blockDim.y;
}

void leave(state is)
{
    m.threads[m.now].is = is;
    m.fibers[m.now]->leave(is == state::gone);
}

struct stop { /* thrown by a thread that is at fault */
};

void run_thread()
{
    fiber::entered(m.fibers[m.now].get());
    for (;;) { /* the fiber serves the next block, too */
        try {
            (*m.body)();
        } catch (const stop &) {
        }
        leave(state::gone);
    }
}

void make_ready(unsigned i)
{
    m.threads[i].is = state::ready;
    m.ready.push_back(i);
}

/* ---- warp operations ---- */

thread &lane_of(unsigned first, unsigned lane)
{
    return m.threads[first + lane];
}

bool is_same(const warp_call &a, const warp_call &b)
{
    return a.op == b.op && a.mask == b.mask && a.width == b.width;
}

/* The lane that a shuffle reads; its own where that would lie outside of its part of the warp. */
unsigned source_of(const warp_call &c, unsigned lane)
{
    unsigned low = lane & ~(c.width - 1), at = lane - low;
    switch (c.op) {
    case warp_op::shfl:
        return low + (c.arg & (c.width - 1));
    case warp_op::shfl_up:
        return at >= c.arg ? lane - c.arg : lane;
    case warp_op::shfl_down:
        return at + c.arg < c.width ? lane + c.arg : lane;
    default:
        return (at ^ c.arg) < c.width ? low + (at ^ c.arg) : lane;
    }
}

/* Lanes of the mask whose value is `value`. */
unsigned alike(unsigned first, const warp_call &c, uint64_t value)
{
    unsigned lanes = 0;
    for (unsigned l = 0; l < 32; l++)
        if (c.mask >> l & 1 && lane_of(first, l).call.value == value)
            lanes |= 1u << l;
    return lanes;
}

uint64_t shuffled(unsigned first, unsigned lane)
{
    const warp_call &c = lane_of(first, lane).call;
    unsigned from = source_of(c, lane);
    if (c.mask >> from & 1)
        return lane_of(first, from).call.value;
    note_fault("shuffle at " + where(c.at) + ": lane " + std::to_string(lane) + " reads lane " +
               std::to_string(from) + ", which takes no part");
    return 0;
}

uint64_t result_of(unsigned first, unsigned lane)
{
    const warp_call &c = lane_of(first, lane).call;
    switch (c.op) {
    case warp_op::sync:
        return 0;
    case warp_op::ballot:
        return alike(first, c, 1);
    case warp_op::any:
        return alike(first, c, 1) != 0;
    case warp_op::all:
        return alike(first, c, 1) == c.mask;
    case warp_op::match_any:
        return alike(first, c, c.value);
    default:
        return shuffled(first, lane);
    }
}

bool all_there(unsigned first, const warp_call &c)
{
    for (unsigned l = 0; l < 32; l++)
        if (c.mask >> l & 1 &&
            (lane_of(first, l).is != state::in_warp || !is_same(lane_of(first, l).call, c)))
            return false;
    return true;
}

bool is_whole_warp(unsigned first, unsigned mask)
{
    for (unsigned l = 0; l < 32 && first + l < n_threads(); l++)
        if (!(mask >> l & 1) && lane_of(first, l).is != state::gone)
            return false;
    return true;
}

void complete(unsigned first, const warp_call &c)
{
    bool orders = c.op == warp_op::sync && is_whole_warp(first, c.mask);
    for (unsigned l = 0; l < 32; l++)
        if (c.mask >> l & 1)
            lane_of(first, l).result = result_of(first, l);
    for (unsigned l = 0; l < 32; l++)
        if (c.mask >> l & 1) {
            lane_of(first, l).warp_epoch += orders;
            make_ready(first + l);
        }
}

void check_mask(unsigned first, const warp_call &c)
{
    unsigned n = n_threads() - first, there = n >= 32 ? 0xffffffffu : (1u << n) - 1;
    if (!(c.mask >> (m.now - first) & 1))
        fault("warp operation at " + where(c.at) + ": the mask lacks the caller's lane");
    if (c.mask & ~there)
        fault("warp operation at " + where(c.at) + ": the mask names lanes the block has not");
    if (c.width == 0 || c.width > 32 || (c.width & (c.width - 1)))
        fault("shuffle at " + where(c.at) + ": the width is no power of two up to 32");
}

/* ---- when nobody can go on ---- */

std::string deadlock_of(const thread &t, unsigned i)
{
    unsigned gone = 0;
    for (const thread &other : m.threads)
        gone += other.is == state::gone;
    if (t.is == state::at_barrier)
        return "divergent barrier: a thread waits at " + where(t.at) + ", " + std::to_string(gone) +
               " of " + std::to_string(n_threads()) + " have returned, others are elsewhere";
    return "warp operation at " + where(t.at) + ": the mask of lane " + std::to_string(i % 32) +
           " names lanes that do not take part";
}

/* A thread that waits in its warp tells more than those that wait for it. */
void note_deadlock()
{
    for (state is : {state::in_warp, state::at_barrier})
        for (unsigned i = 0; i < n_threads(); i++)
            if (m.threads[i].is == is)
                return note_fault(deadlock_of(m.threads[i], i));
}

bool pass_barrier()
{
    const site &first = m.threads[0].at;
    for (const thread &t : m.threads)
        if (t.is != state::at_barrier)
            return false;
    for (const thread &t : m.threads)
        if (where(t.at) != where(first)) {
            note_fault("divergent barrier: threads wait at " + where(first) + " and at " +
                       where(t.at));
            return false;
        }
    m.epoch++;
    for (unsigned i = 0; i < n_threads(); i++)
        make_ready(i);
    return true;
}

/* ---- blocks ---- */

void run_ready()
{
    while (!m.ready.empty() && m.fault.empty()) {
        size_t pick = next_random() % m.ready.size();
        unsigned i = m.ready[pick];
        m.ready[pick] = m.ready.back();
        m.ready.pop_back();
        set_indexes(i);
        m.fibers[i]->enter();
    }
}

void free_areas()
{
    for (auto &entry : m.areas)
        free_area(entry.second);
    m.areas.clear();
    free_area(m.dynamic);
    m.dynamic = nullptr;
}

void run_block(size_t shared_bytes)
{
    m.epoch++;
    m.dynamic = new_area(shared_bytes);
    m.ready.clear();
    for (unsigned i = 0; i < n_threads(); i++) {
        m.fibers[i]->start(run_thread);
        m.threads[i] = thread{state::ready, {"", 0}, {}, 0, 0};
        m.ready.push_back(i);
    }
    do
        run_ready();
    while (m.fault.empty() && pass_barrier());
    if (m.fault.empty())
        note_deadlock();
    free_areas();
}

void run_blocks(size_t shared_bytes)
{
    unsigned n = gridDim.x * gridDim.y * gridDim.z;
    bool backwards = next_random() & 1; /* no order of blocks is promised */
    for (unsigned k = 0; k < n && m.fault.empty(); k++) {
        unsigned b = backwards ? n - 1 - k : k;
        blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / gridDim.x / gridDim.y};
        run_block(shared_bytes);
    }
}

bool is_launchable(const dim3 &grid, const dim3 &block, size_t shared_bytes)
{
    uint64_t threads = (uint64_t)block.x * block.y * block.z;
    return threads > 0 && threads <= 1024 && (uint64_t)grid.x * grid.y * grid.z > 0 &&
           grid.y <= 65535 && grid.z <= 65535 && shared_bytes <= 227u << 10;
}
} // namespace

void set_seed(uint64_t seed)
{
    m.seed = seed;
}

std::string take_fault()
{
    std::string text = m.fault;
    m.fault.clear();
    return text;
}

bool launch(const char *name, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            const std::function<void()> &body)
{
    std::lock_guard<std::recursive_mutex> locked(lock());
    cudaError_t asked = before_launch(stream);
    if (asked != cudaSuccess) {
        last_error = asked;
        return false;
    }
    if (!m.fault.empty()) {
        fprintf(stderr, "simt: a fault that nobody took: %s\n", m.fault.c_str());
        abort();
    }
    if (!is_launchable(grid, block, shared_bytes)) {
        last_error = cudaErrorInvalidValue;
        return false;
    }
    m.kernel = name;
    m.body = &body;
    m.random = m.seed * 0x9e3779b97f4a7c15u + 1;
    gridDim = grid;
    blockDim = block;
    m.threads.resize(block.x * block.y * block.z);
    while (m.fibers.size() < m.threads.size())
        m.fibers.emplace_back(new fiber);
    run_blocks(shared_bytes);
    if (!m.fault.empty())
        last_error = cudaErrorLaunchFailure;
    return m.fault.empty();
}

void fault(const std::string &text)
{
    note_fault("thread " + std::to_string(m.now) + " of block " + std::to_string(blockIdx.x) +
               ": " + text);
    throw stop();
}

void maybe_yield()
{
    if (next_random() % 8)
        return;
    make_ready(m.now);
    leave(state::ready);
}

void block_barrier(site at)
{
    m.threads[m.now].at = at;
    leave(state::at_barrier);
}

uint64_t warp_exchange(const warp_call &call)
{
    unsigned me = m.now, first = me & ~31u;
    check_mask(first, call);
    m.threads[me].call = call;
    m.threads[me].at = call.at;
    m.threads[me].is = state::in_warp;
    if (all_there(first, call))
        complete(first, call);
    leave(m.threads[me].is);
    return m.threads[me].result;
}

area *static_area(const void *key, size_t bytes)
{
    area *&a = m.areas[key];
    if (!a)
        a = new_area(bytes);
    return a;
}

area *dynamic_area()
{
    return m.dynamic;
}

place here()
{
    return {m.now / 32, m.now % 32, m.epoch, m.threads[m.now].warp_epoch};
}
} // namespace simt
} // namespace gs

cudaError_t cudaGetLastError()
{
    cudaError_t e = gs::simt::last_error;
    gs::simt::last_error = cudaSuccess;
    return e;
}
