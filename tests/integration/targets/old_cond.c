/* SPDX-License-Identifier: MIT
 * A program linked before glibc 2.3.2, as far as condition variables go: its pthread_cond_t is a
 * pointer, and what lies behind it is not ours. Prints what signal and wait returned.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

__asm__(".symver pthread_cond_signal, pthread_cond_signal@GLIBC_2.2.5");
__asm__(".symver pthread_cond_timedwait, pthread_cond_timedwait@GLIBC_2.2.5");

int main(void)
{
    static struct {
        void *cond; /* the old type: 8 bytes */
        char canary[88];
    } old;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec now;
    int moved = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    int signalled = pthread_cond_signal((pthread_cond_t *)(void *)&old);
    pthread_mutex_lock(&mutex);
    int waited = pthread_cond_timedwait((pthread_cond_t *)(void *)&old, &mutex, &now);
    for (unsigned i = 0; i < sizeof(old.canary); i++)
        moved |= old.canary[i];
    printf("%d %d %d\n", signalled, waited == ETIMEDOUT, moved);
    return 0;
}
