/* Where the scan of a memory is. */
#ifndef DCSIM_SCAN_H
#define DCSIM_SCAN_H

#include "touch.h"

typedef struct {
    PyObject_HEAD
    PyObject *sets;    /* a tuple of Pages */
    PyObject *regions; /* a tuple of such */
    PyObject *writers; /* a tuple of (classes, to), where classes are a tuple of (TouchClass, Pages) */
    PyObject *guard;   /* NULL for None */
    Pages *cache, *ballooned;
    Py_ssize_t cursor;
    double passed, behind, chunk;
} Scan;

/* What is pending: with contents, zero, and zero as a balloon took it. */
typedef struct {
    double normal, zero, ballooned;
} Found;

extern PyTypeObject ScanType;

double scan_pending(const Scan *self);
Found scan_pending_here(const Scan *self);
int scan_next_region(Scan *self);

#endif
