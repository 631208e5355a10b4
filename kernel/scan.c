/* What a migration sees of a memory; its reference is dcsim/model/scan.py. */
#include "scan.h"

static const double LEAST_PAGES = 1e-6;
static const double LOG_CHUNK = 262144.0;

#define COUNT(tuple) PyTuple_GET_SIZE(tuple)
#define ITEM(tuple, i) PyTuple_GET_ITEM(tuple, i)
/* The tuples of a scan are looked at when it is made: what is in them is what it should be. */
#define SET(sets, i) ((Pages *)ITEM(sets, i))
#define CLASSES(self, i) ITEM(ITEM((self)->writers, i), 0)
#define TOUCH(classes, i) ((const TouchClass *)ITEM(ITEM(classes, i), 0))
#define WRITTEN(classes, i) SET(ITEM(classes, i), 1)

/* ------------------------------------------------------------------ what it is made of */

static int
refuse(const char *wanted)
{
    PyErr_Format(PyExc_TypeError, "%s expected", wanted);
    return -1;
}

static int
are_sets(PyObject *sets)
{
    if (!PyTuple_Check(sets))
        return refuse("a tuple of sets of pages");
    for (Py_ssize_t i = 0; i < COUNT(sets); i++)
        if (pages_from(ITEM(sets, i)) == NULL)
            return -1;
    return 0;
}

static int
are_regions(PyObject *regions)
{
    if (!PyTuple_Check(regions) || COUNT(regions) == 0)
        return refuse("a tuple of regions");
    for (Py_ssize_t i = 0; i < COUNT(regions); i++)
        if (are_sets(ITEM(regions, i)) < 0)
            return -1;
    return 0;
}

static int
are_writers(PyObject *writers)
{
    if (!PyTuple_Check(writers))
        return refuse("a tuple of sets that are written");
    for (Py_ssize_t i = 0; i < COUNT(writers); i++) {
        PyObject *writer = ITEM(writers, i);
        if (!PyTuple_Check(writer) || COUNT(writer) == 0 || !PyTuple_Check(ITEM(writer, 0)))
            return refuse("a set of classes that are written");
        PyObject *classes = ITEM(writer, 0);
        for (Py_ssize_t at = 0; at < COUNT(classes); at++) {
            PyObject *part = ITEM(classes, at);
            if (!PyTuple_Check(part) || COUNT(part) != 2)
                return refuse("a class that is written");
            if (class_from(ITEM(part, 0)) == NULL || pages_from(ITEM(part, 1)) == NULL)
                return -1;
        }
    }
    return 0;
}

static PyObject *sets_name, *writers_name, *cache_name, *ballooned_name, *pages_name;

static void
Scan_dealloc(Scan *self)
{
    Py_XDECREF(self->sets);
    Py_XDECREF(self->regions);
    Py_XDECREF(self->writers);
    Py_XDECREF(self->guard);
    Py_XDECREF(self->cache);
    Py_XDECREF(self->ballooned);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Scan_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"memory", "regions"};
    PyObject *given[2];
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 2, 2, given) < 0 ||
        are_regions(given[1]) < 0)
        return NULL;
    Scan *self = (Scan *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL)
        return NULL;
    PyObject *memory = given[0], *pages = NULL;
    double count = 0.0;
    self->regions = Py_NewRef(given[1]);
    if ((self->sets = PyObject_GetAttr(memory, sets_name)) == NULL ||
        (self->writers = PyObject_GetAttr(memory, writers_name)) == NULL ||
        (self->cache = (Pages *)PyObject_GetAttr(memory, cache_name)) == NULL ||
        (self->ballooned = (Pages *)PyObject_GetAttr(memory, ballooned_name)) == NULL ||
        (pages = PyObject_GetAttr(memory, pages_name)) == NULL || are_sets(self->sets) < 0 ||
        are_writers(self->writers) < 0 || pages_from((PyObject *)self->cache) == NULL ||
        pages_from((PyObject *)self->ballooned) == NULL || number(pages, &count) < 0)
        Py_CLEAR(self);
    else
        self->chunk = least(1.0, LOG_CHUNK / count);
    Py_XDECREF(pages);
    return (PyObject *)self;
}

static void
from_the_beginning(Scan *self)
{
    self->cursor = 0;
    self->passed = self->behind = 0.0;
}

static PyObject *
Scan_lay_out(Scan *self, PyObject *regions)
{
    if (are_regions(regions) < 0)
        return NULL;
    PyObject *old = self->regions;
    self->regions = Py_NewRef(regions);
    from_the_beginning(self);
    return old;
}

/* Return a new guard of all that is written. */
static PyObject *
guard_of(const Scan *self)
{
    PyObject *written = PyList_New(0);
    for (Py_ssize_t i = 0; written != NULL && i < COUNT(self->writers); i++) {
        PyObject *classes = CLASSES(self, i);
        for (Py_ssize_t at = 0; written != NULL && at < COUNT(classes); at++)
            if (PyList_Append(written, (PyObject *)WRITTEN(classes, at)) < 0)
                Py_CLEAR(written);
    }
    PyObject *module = written == NULL ? NULL : PyImport_ImportModule("dcsim.model.guard");
    PyObject *guard =
        module == NULL ? NULL : PyObject_CallMethod(module, "Guard", "O", written);
    Py_XDECREF(module);
    Py_XDECREF(written);
    return guard;
}

static PyObject *
Scan_start(Scan *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"per_chunk", "guard"};
    PyObject *given[2];
    char per_chunk, guarded;
    if (arguments(args, count, kwnames, names, 2, 1, given) < 0 ||
        truth(given[0], &per_chunk) < 0 || truth(given[1], &guarded) < 0)
        return NULL;
    from_the_beginning(self);
    Py_CLEAR(self->guard);
    if (guarded && (self->guard = guard_of(self)) == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < COUNT(self->sets); i++)
        pages_start_log(SET(self->sets, i), per_chunk, self->chunk);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ what is to be sent */

static double
pending_of(PyObject *sets)
{
    double total = 0.0;
    for (Py_ssize_t i = 0; i < COUNT(sets); i++)
        total += frames_of(SET(sets, i))->pending;
    return total;
}

static inline PyObject *
here(const Scan *self)
{
    return ITEM(self->regions, self->cursor);
}

double
scan_pending(const Scan *self)
{
    return pending_of(self->sets);
}

static double
ahead_of(const Scan *self, double waiting)
{
    return waiting > 0 ? most(0.0, 1 - self->behind / waiting) : 1.0;
}

Found
scan_pending_here(const Scan *self)
{
    Found found = {0.0, 0.0, 0.0};
    PyObject *sets = here(self);
    for (Py_ssize_t i = 0; i < COUNT(sets); i++) {
        const Pages *pages = SET(sets, i);
        double pending = frames_of(pages)->pending;
        if (pages == self->ballooned)
            found.ballooned = pending;
        else if (pages->zero)
            found.zero += pending;
        else
            found.normal += pending;
    }
    if (self->behind > 0) {
        double ahead = ahead_of(self, found.normal + found.zero + found.ballooned);
        found.normal *= ahead;
        found.zero *= ahead;
        found.ballooned *= ahead;
    }
    return found;
}

int
scan_next_region(Scan *self)
{
    Py_ssize_t count = COUNT(self->regions), steps = count + (self->behind > 0);
    self->passed = self->behind = 0.0;
    for (Py_ssize_t step = 1; step < steps; step++) {
        Py_ssize_t at = (self->cursor + step) % count;
        if (pending_of(ITEM(self->regions, at)) > LEAST_PAGES) {
            self->cursor = at;
            return 1;
        }
    }
    return 0;
}

static PyObject *
Scan_pending(Scan *self, void *closure)
{
    (void)closure;
    return PyFloat_FromDouble(scan_pending(self));
}

static PyObject *
Scan_waiting(Scan *self, void *closure)
{
    (void)closure;
    return PyFloat_FromDouble(pending_of(here(self)));
}

static PyObject *
Scan_here(Scan *self, void *closure)
{
    (void)closure;
    return Py_NewRef(here(self));
}

static PyObject *
Scan_pending_here(Scan *self, PyObject *unused)
{
    (void)unused;
    Found found = scan_pending_here(self);
    return Py_BuildValue("(ddd)", found.normal, found.zero, found.ballooned);
}

static PyObject *
Scan_next_region(Scan *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(scan_next_region(self));
}

/* ------------------------------------------------------------------ the dirty log */

static double
share_of(double sent, double waiting)
{
    return waiting > 0 ? least(1.0, sent / waiting) : 0.0;
}

/* Return how many pages of a set are sent, of those at the cursor a share. */
static double
going_of(const Scan *self, const Pages *pages, double share)
{
    PyObject *sets = here(self);
    if (share > 0)
        for (Py_ssize_t i = 0; i < COUNT(sets); i++)
            if (SET(sets, i) == pages)
                return share * frames_of(pages)->pending;
    return 0.0;
}

static int
is_written(const Scan *self, const Pages *pages)
{
    for (Py_ssize_t i = 0; i < COUNT(self->writers); i++) {
        PyObject *classes = CLASSES(self, i);
        for (Py_ssize_t at = 0; at < COUNT(classes); at++)
            if (WRITTEN(classes, at) == pages)
                return 1;
    }
    return 0;
}

/* Add what the guard tells of a set that is written; return 0, or -1. */
static int
ask(const Scan *self, const char *method, Pages *frames, double touches, double sent, char each,
    double *faults)
{
    double guarded = 0.0;
    PyObject *told = NULL, *bound = PyObject_GetAttrString(self->guard, method);
    PyObject *args = PyTuple_Pack(1, frames);
    PyObject *named = Py_BuildValue("{s:d,s:d,s:s}", "touches", touches, "sent", sent, "law",
                                    each ? "each" : "random");
    if (bound != NULL && args != NULL && named != NULL)
        told = PyObject_Call(bound, args, named);
    int failed = told == NULL || number(told, &guarded) < 0;
    *faults += guarded;
    Py_XDECREF(bound);
    Py_XDECREF(args);
    Py_XDECREF(named);
    Py_XDECREF(told);
    return failed ? -1 : 0;
}

/* Let the sets of one writer be written; add the faults, and return 0, or -1. */
static int
advance_written(const Scan *self, PyObject *classes, double touches, double share, double *faults)
{
    for (Py_ssize_t at = 0; at < COUNT(classes); at++) {
        const TouchClass *touch = TOUCH(classes, at);
        Pages *frames = WRITTEN(classes, at);
        double own = touches * touch->share, going = going_of(self, frames, share);
        if (self->guard != NULL &&
            ask(self, "advance", frames, own, going, touch->each, faults) < 0)
            return -1;
        *faults += pages_advance(frames, own, going, touch->each);
    }
    return 0;
}

/* Let a share of what is pending of the sets at the cursor be sent that nobody writes. */
static void
advance_unwritten(const Scan *self, double share)
{
    PyObject *sets = here(self);
    for (Py_ssize_t i = 0; i < COUNT(sets); i++) {
        Pages *pages = SET(sets, i);
        double pending = frames_of(pages)->pending;
        if (pending > 0 && pages != self->cache && !is_written(self, pages))
            pages_advance(pages, 0.0, share * pending, 1);
    }
}

static PyObject *
Scan_advance(Scan *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"writes", "recycled", "sent"};
    PyObject *given[3];
    double recycled = 0.0, sent = 0.0;
    if (arguments(args, count, kwnames, names, 3, 3, given) < 0 ||
        number(given[1], &recycled) < 0 || number(given[2], &sent) < 0)
        return NULL;
    PyObject *writes = PySequence_Fast(given[0], "the touches of each write set expected");
    if (writes == NULL)
        return NULL;
    Py_ssize_t n = COUNT(self->writers);
    if (PySequence_Fast_GET_SIZE(writes) != n) {
        PyErr_SetString(PyExc_ValueError, "the touches of each write set expected");
        Py_DECREF(writes);
        return NULL;
    }
    double waiting = sent > 0 ? pending_of(here(self)) : 0.0, share = share_of(sent, waiting);
    if (share > 0 && COUNT(self->regions) > 1) {
        double ahead = ahead_of(self, waiting) * waiting;
        self->passed += (1 - self->passed) * least(1.0, ahead > 0 ? sent / ahead : 1.0);
    }
    PyObject *told = PyList_New(n);
    for (Py_ssize_t i = 0; told != NULL && i < n; i++) {
        double touches = 0.0, faults = 0.0;
        PyObject *item = NULL;
        if (number(PySequence_Fast_GET_ITEM(writes, i), &touches) == 0 &&
            advance_written(self, CLASSES(self, i), touches, share, &faults) == 0)
            item = PyFloat_FromDouble(faults);
        if (item != NULL)
            PyList_SET_ITEM(told, i, item);
        else
            Py_CLEAR(told);
    }
    Py_DECREF(writes);
    if (told == NULL)
        return NULL;
    if (share > 0)
        advance_unwritten(self, share);
    if (frames_of(self->cache)->count > 0)
        pages_advance(self->cache, recycled, going_of(self, self->cache, share), 1);
    return told;
}

static PyObject *
Scan_faults(Scan *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"index", "touches", "sent"};
    PyObject *given[3];
    double touches = 0.0, sent = 0.0, faults = 0.0;
    if (arguments(args, count, kwnames, names, 3, 2, given) < 0 ||
        number(given[1], &touches) < 0 || number(given[2], &sent) < 0)
        return NULL;
    Py_ssize_t index = PyNumber_AsSsize_t(given[0], PyExc_IndexError);
    if (index == -1 && PyErr_Occurred())
        return NULL;
    if (index < 0 || index >= COUNT(self->writers)) {
        PyErr_SetString(PyExc_IndexError, "there is no such write set");
        return NULL;
    }
    double share = share_of(sent, sent > 0 ? pending_of(here(self)) : 0.0);
    PyObject *classes = CLASSES(self, index);
    for (Py_ssize_t at = 0; at < COUNT(classes); at++) {
        const TouchClass *touch = TOUCH(classes, at);
        Pages *frames = WRITTEN(classes, at);
        double own = touches * touch->share, going = going_of(self, frames, share);
        if (self->guard != NULL && ask(self, "faults", frames, own, going, touch->each, &faults) < 0)
            return NULL;
        faults += pages_faults(frames, own, going, touch->each);
    }
    return PyFloat_FromDouble(faults);
}

static PyObject *
Scan_sync(Scan *self, PyObject *unused)
{
    (void)unused;
    double before = self->passed > 0 ? pending_of(here(self)) : 0.0, fresh = 0.0;
    for (Py_ssize_t i = 0; i < COUNT(self->sets); i++)
        if (frames_of(SET(self->sets, i))->count > 0)
            fresh += pages_sync(SET(self->sets, i));
    if (self->passed > 0)
        self->behind = least(self->behind, before) +
                       self->passed * (pending_of(here(self)) - before);
    return PyFloat_FromDouble(fresh);
}

static PyMemberDef Scan_members[] = {
    {"regions", T_OBJECT, offsetof(Scan, regions), READONLY, NULL},
    {"guard", T_OBJECT, offsetof(Scan, guard), READONLY, NULL},
    {"cursor", T_PYSSIZET, offsetof(Scan, cursor), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Scan_getset[] = {
    {"pending", (getter)Scan_pending, NULL, NULL, NULL},
    {"waiting", (getter)Scan_waiting, NULL, NULL, NULL},
    {"here", (getter)Scan_here, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef Scan_methods[] = {
    {"lay_out", METHOD(Scan_lay_out), METH_O, NULL},
    {"start", METHOD(Scan_start), NAMED, NULL},
    {"pending_here", METHOD(Scan_pending_here), METH_NOARGS, NULL},
    {"next_region", METHOD(Scan_next_region), METH_NOARGS, NULL},
    {"advance", METHOD(Scan_advance), NAMED, NULL},
    {"faults", METHOD(Scan_faults), NAMED, NULL},
    {"sync", METHOD(Scan_sync), METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject ScanType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.scan.Scan",
    .tp_basicsize = sizeof(Scan),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)Scan_dealloc,
    .tp_vectorcall = Scan_make,
    .tp_members = Scan_members,
    .tp_getset = Scan_getset,
    .tp_methods = Scan_methods,
};

int
add_scan(PyObject *module)
{
    if ((sets_name = PyUnicode_InternFromString("sets")) == NULL ||
        (writers_name = PyUnicode_InternFromString("writers")) == NULL ||
        (cache_name = PyUnicode_InternFromString("cache")) == NULL ||
        (ballooned_name = PyUnicode_InternFromString("ballooned")) == NULL ||
        (pages_name = PyUnicode_InternFromString("pages")) == NULL)
        return -1;
    return PyModule_AddType(module, &ScanType);
}
