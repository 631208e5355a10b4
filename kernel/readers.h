/* Sets of file pages that are read, and many of them that share a cache. */
#ifndef DCSIM_READERS_H
#define DCSIM_READERS_H

#include "touch.h"

typedef struct {
    PyObject_HEAD
    PyObject *classes; /* a tuple of TouchClass */
    double remembered;
    double at, total; /* what was resident when last asked, and at how many touches */
    long read_ahead;
} ReadSet;

/* A tuple of sets, or -1 with an exception set. */
int are_readers(PyObject *sets);

double reader_miss(const ReadSet *self, double touches);
double reader_steady_for(const ReadSet *self, double rate, double miss, double tolerance);
int reader_sweeps(const ReadSet *self);

double readers_resident(PyObject *readers);
int readers_proportional(PyObject *readers, const double *touches);
void readers_forget(PyObject *readers, double pages, int swept_first);
/* Put down the misses of each; return the share of the touches that has room. `scratch` holds two
 * numbers for each reader. */
double readers_misses(PyObject *readers, const double *touches, double room, int tight,
                      double *misses, double *scratch);

/* Reads that are paced alike. */
typedef struct {
    PyObject_HEAD
    PyObject *readers, *misses; /* what is told; `chances` are the same */
    double *reads, *start, *done, *chances; /* of each reader */
    double room, starts_with, ends_with;
} Stretch;

extern PyTypeObject StretchType;

/* As many reads of each set as `reads`, a list or tuple of numbers, says. */
Stretch *stretch_of(PyObject *readers, PyObject *reads, double room, int tight);
void stretch_note(Stretch *self, const double *touches);
int stretch_is_through(const Stretch *self);
int stretch_goes_on(const Stretch *self, double room);

/* Newly allocated numbers, one for each of `count` in a list or tuple, and `more` numbers after them. */
double *numbers_from(PyObject *sequence, Py_ssize_t count, Py_ssize_t more);

#endif
