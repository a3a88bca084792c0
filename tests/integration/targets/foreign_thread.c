/* SPDX-License-Identifier: MIT
 * Threads that C made and that use the GIL through PyGILState: some end by pthread_exit(), some are
 * cancelled asleep without the GIL, some return. Called by foreign_thread.py; the callbacks are
 * its.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef void (*callback)(void);
static atomic_int asleep;

static void *ends_by_exit(void *arg)
{
    ((callback)arg)();
    pthread_exit(NULL);
}

static void *is_cancelled(void *arg)
{
    ((callback)arg)();
    asleep = 1; /* not before: a thread cancelled with the GIL in hand takes it along */
    for (;;)
        pause();
}

static void *returns(void *arg)
{
    for (int i = 0; i < 3; i++)
        ((callback)arg)();
    return NULL;
}

int foreign_threads(callback work, int rounds)
{
    void *(*const mains[])(void *) = {ends_by_exit, is_cancelled, returns};
    for (int i = 0; i < rounds; i++) {
        pthread_t threads[3];
        asleep = 0;
        for (int k = 0; k < 3; k++)
            if (pthread_create(&threads[k], NULL, mains[k], (void *)work) != 0)
                return -1;
        while (!asleep)
            usleep(200);
        pthread_cancel(threads[1]);
        for (int k = 0; k < 3; k++)
            pthread_join(threads[k], NULL);
    }
    return 0;
}
