/* SPDX-License-Identifier: MIT
 * An extension module to be built with a sanitizer:
 *   handover()  one thread hands a number to another by a condition variable, waits with a time
 *               limit, joins it: right, and a sanitizer that misses a call takes it for wrong
 *   race()      two threads write one variable
 *   overrun(n)  reads byte n of 8 on the heap
 *   overflow(n) n + 2147483647 as an int
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready;
static long number;

static void *hand_over(void *unused)
{
    pthread_mutex_lock(&mutex);
    number++;
    ready = 1;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void receive(void)
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
}

static PyObject *handover(PyObject *self, PyObject *args)
{
    (void)self, (void)args;
    Py_BEGIN_ALLOW_THREADS;
    receive();
    Py_END_ALLOW_THREADS;
    return PyLong_FromLong(number);
}

static void *write_unguarded(void *unused)
{
    for (int i = 0; i < 1000; i++)
        number++;
    return unused;
}

static PyObject *race(PyObject *self, PyObject *args)
{
    pthread_t threads[2];
    (void)self, (void)args;
    Py_BEGIN_ALLOW_THREADS;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, write_unguarded, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyObject *overrun(PyObject *self, PyObject *arg)
{
    char *heap = calloc(8, 1);
    long value = heap[PyLong_AsLong(arg)];
    (void)self;
    free(heap);
    return PyLong_FromLong(value);
}

static PyObject *overflow(PyObject *self, PyObject *arg)
{
    (void)self;
    return PyLong_FromLong((int)PyLong_AsLong(arg) + 2147483647);
}

static PyMethodDef methods[] = {{"handover", handover, METH_NOARGS, NULL},
                                {"race", race, METH_NOARGS, NULL},
                                {"overrun", overrun, METH_O, NULL},
                                {"overflow", overflow, METH_O, NULL},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sanitized", NULL, -1, methods,
                                    NULL,                  NULL,        NULL, NULL};

PyMODINIT_FUNC PyInit_sanitized(void)
{
    return PyModule_Create(&module);
}
