/* The compiled kernel: what each file of it adds to the module. */
#ifndef DCSIM_KERNEL_H
#define DCSIM_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>

#if (FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1) || defined(__FAST_MATH__)
#error "doubles would not come out as in Python"
#endif

/* Each returns 0, or -1 with an exception set. */
int add_touch(PyObject *module);
int add_fabric(PyObject *module);

#endif
