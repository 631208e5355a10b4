/* The compiled kernel: what each file of it adds to the module, and how arguments are taken. */
#ifndef DCSIM_KERNEL_H
#define DCSIM_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <structmember.h>

#if (FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1) || defined(__FAST_MATH__)
#error "doubles would not come out as in Python"
#endif

/* Each returns 0, or -1 with an exception set. */
int add_touch(PyObject *module);
int add_scan(PyObject *module);
int add_transport(PyObject *module);
int add_sending(PyObject *module);
int add_readers(PyObject *module);
int add_routing(PyObject *module);
int add_pool(PyObject *module);
int add_work(PyObject *module);
int add_fabric(PyObject *module);

#define NAMED (METH_FASTCALL | METH_KEYWORDS)
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

/* Sort arguments given by place or by name into `into`, in the order of `names`. */
int arguments(PyObject *const *args, Py_ssize_t count, PyObject *kwnames, const char *const *names,
              int most_args, int required, PyObject **into);
/* Read a number; where none is given, what is there already holds. */
int number(PyObject *object, double *into);
/* Read whether something is true; it is not if not given. */
int truth(PyObject *object, char *into);

/* As Python's min and max: the first of equals. */
static inline double
least(double a, double b)
{
    return b < a ? b : a;
}

static inline double
most(double a, double b)
{
    return b > a ? b : a;
}

#endif
