/* SPDX-License-Identifier: MIT
 * A library to be built with a sanitizer and called by ctypes, which lets go of the GIL meanwhile:
 *   handover()  one thread hands a number to another by a condition variable, waits with a time
 *               limit, joins it: right, and a sanitizer that misses a call takes it for wrong
 *   race()      two threads write one variable
 *   overrun(n)  reads byte n of 8 on the heap
 *   overflow(n) n + 2147483647 as an int
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready;
static long number;

long handover(void);
void race(void);
int overrun(int n);
int overflow(int n);

static void *hand_over(void *unused)
{
    pthread_mutex_lock(&mutex);
    number++;
    ready = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return unused;
}

long handover(void)
{
    pthread_t thread;
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 60;
    ready = 0;
    pthread_create(&thread, NULL, hand_over, NULL);
    pthread_mutex_lock(&mutex);
    while (!ready)
        pthread_cond_timedwait(&cond, &mutex, &deadline);
    number++;
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    return number;
}

static void *write_unguarded(void *unused)
{
    for (int i = 0; i < 1000; i++)
        number++;
    return unused;
}

void race(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, write_unguarded, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

int overrun(int n)
{
    char *heap = calloc(8, 1);
    int value = heap[n];
    free(heap);
    return value;
}

int overflow(int n)
{
    return n + 2147483647;
}
