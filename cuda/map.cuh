/* SPDX-License-Identifier: MIT
 * Sparse 64-bit keys -> numbers 0, 1, 2 …: struct gs_idmap on the device, of open addressing. The
 * host fills one with keys whose numbers it has given, or kernels add to it: any thread may claim a
 * slot, and the numbers are known to the kernels that follow.
 */
#ifndef GS_MAP_CUH
#define GS_MAP_CUH

#include "cuda/device.cuh"

#define GS_NO_KEY    UINT64_MAX /* is no key */
#define GS_NO_NUMBER UINT32_MAX

struct gs_map {
    gs_u64 *slot_keys;
    uint32_t *slot_numbers;
    gs_u64 *keys;  /* by number */
    uint32_t *n;   /* > cap: some keys found no place, and have no number */
    uint32_t cap;  /* keys */
    uint32_t mask; /* slots - 1; slots are a power of two, at least 2 * cap */
    gs_u64 seed;   /* so that keys cannot be chosen to collide */
};

__device__ inline gs_u64 gs_mix(gs_u64 v)
{
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

__device__ inline uint32_t gs_map_find(const gs_map &m, gs_u64 key)
{
    uint32_t at = (uint32_t)gs_mix(key + m.seed) & m.mask;
    for (uint32_t probe = 0; probe <= m.mask; probe++, at = (at + 1) & m.mask) {
        gs_u64 there = m.slot_keys[at];
        if (there == key)
            return m.slot_numbers[at];
        if (there == GS_NO_KEY)
            break;
    }
    return GS_NO_NUMBER;
}

/* The slot that the caller is the first to have claimed for the key; GS_NO_NUMBER where it is there
 * already, or there is no room, which *m.n then says. */
__device__ inline uint32_t gs_map_claim(const gs_map &m, gs_u64 key)
{
    uint32_t at = (uint32_t)gs_mix(key + m.seed) & m.mask;
    for (uint32_t probe = 0; probe <= m.mask; probe++, at = (at + 1) & m.mask) {
        gs_u64 there = m.slot_keys[at];
        if (there == GS_NO_KEY) {
            if (*m.n >= m.cap)
                break;
            there = atomicCAS(&m.slot_keys[at], GS_NO_KEY, key);
        }
        if (there == GS_NO_KEY)
            return at;
        if (there == key)
            return GS_NO_NUMBER;
    }
    atomicMax(m.n, m.cap + 1);
    return GS_NO_NUMBER;
}

__device__ inline void gs_map_add(const gs_map &m, gs_u64 key)
{
    uint32_t at = gs_map_claim(m, key);
    if (at == GS_NO_NUMBER)
        return;
    uint32_t number = atomicAdd(m.n, 1u);
    if (number >= m.cap)
        return;
    m.keys[number] = key;
    m.slot_numbers[at] = number;
}

inline uint32_t gs_map_slots(uint32_t cap)
{
    uint32_t slots = 64;
    while (slots < 2 * (uint64_t)cap)
        slots *= 2;
    return slots;
}

/* keys[0] to keys[n - 1] are there, each once: gives them slots. */
cudaError_t gs_launch_map_build(const struct gs_map *map, uint32_t n, cudaStream_t stream);

#endif
