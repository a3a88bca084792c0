/* SPDX-License-Identifier: MIT
 * The agent's life: OFF (no Python here) -> ON -> DEAD (passive for good), and the one word hooks
 * look at. That word lies in a page the kernel wipes in a forked child, so a child finds 0 there,
 * whatever kind of fork made it.
 */
#ifndef GS_AGENT_H
#define GS_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/agent_config.h"
#include "preload/pyabi/pyabi.h"

#define GS_PAGE_BYTES 4096

enum gs_agent_state {
    GS_STATE_UNSEEN, /* no Python found yet: look again now and then (embedders dlopen it) */
    GS_STATE_ON,     /* recording */
    GS_STATE_DEAD,   /* passive for good */
};

enum gs_live_mode {
    GS_LIVE_NO = 0,     /* hooks pass through, after a look at gs_agent.state */
    GS_LIVE_YES = 1,    /* hooks record */
    GS_LIVE_RESTART = 2 /* hooks record; one of them must start the drain thread again */
};

/* Alone in a MADV_WIPEONFORK page, at an address known when the agent is linked: every hook looks.
 */
union gs_live {
    uint32_t mode; /* enum gs_live_mode */
    char page[GS_PAGE_BYTES];
} __attribute__((aligned(GS_PAGE_BYTES)));

struct gs_agent {
    uintptr_t text_lo, text_len; /* the executable segment that holds Python */
    enum gs_agent_state state;
    uint32_t pid;
    uint32_t level;         /* 0..2, lowered by the governor */
    bool stacks;            /* governor: walk stacks at contended turns */
    bool sample_holder;     /* process_vm_readv allowed, and the governor has not shed it */
    bool safe_read;         /* process_vm_readv allowed at all */
    bool locks;             /* SYNC rows are wanted; the governor may have shed them */
    bool native;            /* --native; the governor may have shed them */
    bool counters;          /* --counters; the governor may have ended the readings in hooks */
    bool tells_leaving;     /* a turn's end is kept: locks, or counters */
    bool plain_turns;       /* the inlined path may be taken: no CPU rows, and the TSC */
    uint32_t begin_spacing; /* a begin sample may cost 1/this of the time */
    uint64_t restart_after; /* ticks; in GS_LIVE_RESTART */
    uint64_t leaving_ns;    /* CLOCK_MONOTONIC, when the end of the process began */
    uint32_t leaving_tid;   /* the thread that ends it; 0 before */
    bool python_has_ended;  /* the process returned from main(): Python has freed what it had */
    uint64_t t_start;
    uint64_t process_key;
    struct gs_pyabi abi;
    struct gs_config config;
};
#pragma GCC visibility push(hidden) /* declarations too: read directly, not through the GOT */
extern union gs_live gs_live;
extern struct gs_agent gs_agent;
#pragma GCC visibility pop

/* A call that found live mode NO: a forked child begins anew, an embedder's Python is found.
 * CTX: hooks, before anything else. True when recording is on now. */
bool gs_agent_wake(uintptr_t caller);
/* In live mode RESTART: start the drain thread if it is time. CTX: hooks. */
void gs_agent_restart(uint64_t now);
/* Around a fork in the parent: no drain thread until 20 ms after it. CTX: atfork handlers. */
void gs_agent_before_fork(void);
void gs_agent_after_fork(void);
/* The process ends: recording stops, and Python's other threads are held where they next meet the
 * GIL, until the capture is closed. They would have had no time to go on without us, and what they
 * would go on with may be freed: 3.10 crashes there. CTX: the thread that ends the process. */
void gs_agent_begin_leaving(void);
/* Sleeps as long as the end of the process may take, if that has begun. CTX: hooks. */
void gs_agent_park(void);
/* What turns are to leave behind has changed. */
void gs_agent_set_path(void);
/* Stop recording for good, with one line on stderr (NULL: silently). CTX: any. */
void gs_agent_die(const char *why);

static inline bool gs_from_python(uintptr_t caller)
{
    return caller - gs_agent.text_lo < gs_agent.text_len;
}

/* The gate of every hook: is this call Python's, and are we recording? */
static inline bool gs_hook_is_on(uintptr_t caller)
{
    if (__builtin_expect(gs_live.mode != GS_LIVE_NO, 1))
        return gs_from_python(caller);
    return __builtin_expect(gs_agent.state != GS_STATE_DEAD || gs_agent.leaving_tid, 0) &&
           gs_agent_wake(caller);
}

#endif
