/* SPDX-License-Identifier: MIT
 * A library for ctypes: threads that C made use Python and end in ways Python knows nothing of.
 * Python's functions are looked up, so that no header is needed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

enum ending { RETURNS, EXITS, IS_CANCELLED };

static void (*hold)(void); /* called with the GIL, takes and gives it back many times */

struct life {
    enum ending ending;
    int turns, has_ended_turns;
    pthread_mutex_t lock;
    pthread_cond_t cond;
};

static void tell(struct life *life)
{
    pthread_mutex_lock(&life->lock);
    life->has_ended_turns = 1;
    pthread_cond_signal(&life->cond); /* ours: not a GIL's */
    pthread_mutex_unlock(&life->lock);
}

static void *live(void *arg)
{
    struct life *life = arg;
    int (*ensure)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
    void (*release)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "PyGILState_Release");
    for (int i = 0; i < life->turns; i++) {
        int state = ensure();
        hold();
        release(state);
    }
    tell(life);
    if (life->ending == EXITS)
        pthread_exit(NULL);
    while (life->ending == IS_CANCELLED)
        pause();
    return NULL;
}

/* Called without the GIL (ctypes.CDLL). 0 when the thread has ended as it should. */
int one_life(void (*callback)(void), int turns, int ending)
{
    struct life life = {.ending = (enum ending)ending,
                        .turns = turns,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .cond = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    void *result = NULL;
    hold = callback;
    if (pthread_create(&thread, NULL, live, &life) != 0)
        return 1;
    pthread_mutex_lock(&life.lock);
    while (!life.has_ended_turns)
        pthread_cond_wait(&life.cond, &life.lock);
    pthread_mutex_unlock(&life.lock);
    if (life.ending == IS_CANCELLED)
        pthread_cancel(thread);
    if (pthread_join(thread, &result) != 0)
        return 2;
    return (result == PTHREAD_CANCELED) != (life.ending == IS_CANCELLED);
}
