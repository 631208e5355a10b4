/* What is known of pages: a class of those that are touched alike, and a set under a dirty log. */
#ifndef DCSIM_TOUCH_H
#define DCSIM_TOUCH_H

#include "kernel.h"

typedef struct {
    PyObject_HEAD
    double pages;
    double share;
    char each;
} TouchClass;

typedef struct {
    double count;
    double pending;
    double untouched;
    double fresh;
    double left;
    double idle;
    double absent;
    double fetched; /* NaN for None */
} Frames;

typedef struct {
    PyObject_HEAD
    Frames *frames; /* NULL until there are any: most sets of most guests stay empty for good */
    double chunk;
    char zero;
    char per_chunk;
} Pages;

extern const Frames none;

static inline const Frames *
frames_of(const Pages *pages)
{
    return pages->frames == NULL ? &none : pages->frames;
}

extern PyTypeObject TouchClassType, PagesType;

/* Return what an object is, or NULL with an exception set. */
const TouchClass *class_from(PyObject *object);
Pages *pages_from(PyObject *object);

double class_distinct(const TouchClass *self, double touches);
double class_miss(const TouchClass *self, double touches);

void pages_start_log(Pages *self, char per_chunk, double chunk);
double pages_advance(Pages *self, double touches, double sent, char each);
double pages_faults(const Pages *self, double touches, double sent, char each);
double pages_sync(Pages *self);
/* Return 0 with an exception set where there is no memory for it. */
double pages_move(Pages *self, double pages, Pages *to, char written);

#endif
