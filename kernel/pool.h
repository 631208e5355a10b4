/* The frames of a guest, as its activities take and read them. */
#ifndef DCSIM_POOL_H
#define DCSIM_POOL_H

#include "readers.h"

typedef struct Pool Pool;

/* Return what an object is, or NULL with an exception set; it is whole. */
Pool *pool_from(PyObject *object);

/* Each returns 0, or -1 with an exception set. */
int pool_write(Pool *self, Py_ssize_t index, double touches);
int pool_allocate(Pool *self, Py_ssize_t index, double pages, int dies, double lifetime,
                  double elapsed, double *got);
/* `numbers` holds the touches of each of `count` readers and four times as many for work. What each
 * missed is left in the second of these parts. */
int pool_read(Pool *self, double *numbers, Py_ssize_t count, double *brought, double *recycled);

#endif
