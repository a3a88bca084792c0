/* SPDX-License-Identifier: MIT
 * For tests/bench/allocations: Python's allocators with the agent's hooks and without, in turn, in
 * one process. The agent's ctx begins with the allocator that it wraps.
 */
#include <Python.h>
#include <time.h>

static PyMemAllocatorEx hooks[3], plain[3];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* use(hooked): from now on. */
static PyObject *use(PyObject *self, PyObject *args)
{
    int hooked;
    (void)self;
    if (!PyArg_ParseTuple(args, "p", &hooked))
        return NULL;
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, hooked ? &hooks[1] : &plain[1]);
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, hooked ? &hooks[2] : &plain[2]);
    Py_RETURN_NONE;
}

/* pairs(size, n, batch): ns of one PyObject_Malloc and PyObject_Free, `batch` of which live. */
static PyObject *pairs(PyObject *self, PyObject *args)
{
    static void *blocks[4096];
    Py_ssize_t size, n, batch;
    (void)self;
    if (!PyArg_ParseTuple(args, "nnn", &size, &n, &batch))
        return NULL;
    double t0 = now_ns();
    for (Py_ssize_t i = 0; i < n; i += batch) {
        for (Py_ssize_t k = 0; k < batch; k++)
            blocks[k] = PyObject_Malloc((size_t)size);
        for (Py_ssize_t k = 0; k < batch; k++)
            PyObject_Free(blocks[k]);
    }
    return PyFloat_FromDouble((now_ns() - t0) / (double)n);
}

static PyMethodDef methods[] = {
    {"use", use, METH_VARARGS, NULL}, {"pairs", pairs, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "allocations", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_allocations(void)
{
    for (int i = 1; i < 3; i++) {
        PyMem_GetAllocator((PyMemAllocatorDomain)i, &hooks[i]);
        plain[i] = hooks[i].ctx ? *(PyMemAllocatorEx *)hooks[i].ctx : hooks[i];
    }
    return PyModule_Create(&module);
}
