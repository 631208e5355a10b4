/* The dirty log of many sets of pages; its reference is dcsim/model/dirtylog.py. */
#include "touch.h"

/* Call `body` with each set of a tuple of them as `pages`. */
#define EACH(sets, pages)                                                                          \
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(sets); at++)                                     \
        if ((pages = pages_from(PyTuple_GET_ITEM(sets, at))) == NULL)                              \
            return NULL;                                                                           \
        else

static int
given_count(Py_ssize_t count, Py_ssize_t wanted, PyObject *sets)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%zd arguments, not %zd", wanted, count);
        return -1;
    }
    if (!PyTuple_Check(sets)) {
        PyErr_SetString(PyExc_TypeError, "a tuple expected");
        return -1;
    }
    return 0;
}

static PyObject *
start_log(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Pages *pages;
    char per_chunk;
    double chunk = 0.0;
    if (given_count(count, 3, count ? args[0] : NULL) < 0 || truth(args[1], &per_chunk) < 0 ||
        number(args[2], &chunk) < 0)
        return NULL;
    EACH(args[0], pages) pages_start_log(pages, per_chunk, chunk);
    Py_RETURN_NONE;
}

static PyObject *
pending_of(PyObject *module, PyObject *sets)
{
    (void)module;
    Pages *pages;
    double total = 0.0;
    if (given_count(1, 1, sets) < 0)
        return NULL;
    EACH(sets, pages) total += frames_of(pages)->pending;
    return PyFloat_FromDouble(total);
}

static PyObject *
pending_by_kind(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Pages *pages;
    double normal = 0.0, zero = 0.0, ballooned = 0.0;
    if (given_count(count, 2, count ? args[0] : NULL) < 0)
        return NULL;
    EACH(args[0], pages)
    {
        if ((PyObject *)pages == args[1])
            ballooned = frames_of(pages)->pending;
        else if (pages->zero)
            zero += frames_of(pages)->pending;
        else
            normal += frames_of(pages)->pending;
    }
    PyObject *sums = PyTuple_New(3);
    if (sums == NULL)
        return NULL;
    PyTuple_SET_ITEM(sums, 0, PyFloat_FromDouble(normal));
    PyTuple_SET_ITEM(sums, 1, PyFloat_FromDouble(zero));
    PyTuple_SET_ITEM(sums, 2, PyFloat_FromDouble(ballooned));
    return sums;
}

static PyObject *
sync_log(PyObject *module, PyObject *sets)
{
    (void)module;
    Pages *pages;
    double total = 0.0;
    if (given_count(1, 1, sets) < 0)
        return NULL;
    EACH(sets, pages) total += pages_sync(pages);
    return PyFloat_FromDouble(total);
}

/* The touch and the frames of a class that is written. */
static int
written_class(PyObject *part, const TouchClass **touch, Pages **frames)
{
    if (!PyTuple_Check(part) || PyTuple_GET_SIZE(part) != 2) {
        PyErr_SetString(PyExc_TypeError, "a class that is written expected");
        return -1;
    }
    if ((*touch = class_from(PyTuple_GET_ITEM(part, 0))) == NULL)
        return -1;
    *frames = pages_from(PyTuple_GET_ITEM(part, 1));
    return *frames == NULL ? -1 : 0;
}

static int
among(PyObject *sets, const Pages *pages)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(sets); at++)
        if (PyTuple_GET_ITEM(sets, at) == (const PyObject *)pages)
            return 1;
    return 0;
}

static PyObject *
log_faults(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    double touches = 0.0, share = 0.0, total = 0.0;
    if (given_count(count, 4, count ? args[0] : NULL) < 0 ||
        given_count(4, 4, args[2]) < 0 || number(args[1], &touches) < 0 ||
        number(args[3], &share) < 0)
        return NULL;
    PyObject *classes = args[0], *here = args[2];
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(classes); at++) {
        const TouchClass *touch;
        Pages *frames;
        if (written_class(PyTuple_GET_ITEM(classes, at), &touch, &frames) < 0)
            return NULL;
        double going = among(here, frames) ? share * frames_of(frames)->pending : 0.0;
        total += pages_faults(frames, touches * touch->share, going, touch->each);
    }
    return PyFloat_FromDouble(total);
}

/* Whether a set is one that writers write. */
static int
is_written(PyObject *writers, const Pages *pages)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(writers); i++) {
        PyObject *classes = PyTuple_GET_ITEM(PyTuple_GET_ITEM(writers, i), 0);
        for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(classes); at++)
            if (PyTuple_GET_ITEM(PyTuple_GET_ITEM(classes, at), 1) == (const PyObject *)pages)
                return 1;
    }
    return 0;
}

/* Let the sets of one writer be written, and return the faults, or -1. */
static double
advance_written(PyObject *writer, double touches, PyObject *here, double share)
{
    if (!PyTuple_Check(writer) || PyTuple_GET_SIZE(writer) == 0 ||
        !PyTuple_Check(PyTuple_GET_ITEM(writer, 0))) {
        PyErr_SetString(PyExc_TypeError, "a set of classes that are written expected");
        return -1.0;
    }
    PyObject *classes = PyTuple_GET_ITEM(writer, 0);
    double faults = 0.0;
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(classes); at++) {
        const TouchClass *touch;
        Pages *frames;
        if (written_class(PyTuple_GET_ITEM(classes, at), &touch, &frames) < 0)
            return -1.0;
        double going = share > 0 && among(here, frames) ? share * frames_of(frames)->pending : 0.0;
        faults += pages_advance(frames, touches * touch->share, going, touch->each);
    }
    return faults;
}

static PyObject *
advance_log(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Pages *pages, *cache;
    double share = 0.0, recycled = 0.0;
    if (given_count(count, 6, count ? args[0] : NULL) < 0 ||
        given_count(6, 6, args[2]) < 0 || number(args[3], &share) < 0 ||
        (cache = pages_from(args[4])) == NULL || number(args[5], &recycled) < 0)
        return NULL;
    PyObject *writers = args[0], *writes = args[1], *here = args[2];
    Py_ssize_t n = PyTuple_GET_SIZE(writers);
    if (!PyList_Check(writes) || PyList_GET_SIZE(writes) != n) {
        PyErr_SetString(PyExc_ValueError, "a list of the touches of each write set expected");
        return NULL;
    }
    PyObject *faults = PyList_New(n);
    if (faults == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        double touches = 0.0, found = -1.0;
        if (number(PyList_GET_ITEM(writes, i), &touches) == 0)
            found = advance_written(PyTuple_GET_ITEM(writers, i), touches, here, share);
        PyObject *item = PyErr_Occurred() ? NULL : PyFloat_FromDouble(found);
        if (item == NULL) {
            Py_DECREF(faults);
            return NULL;
        }
        PyList_SET_ITEM(faults, i, item);
    }
    if (share > 0)
        for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(here); at++) {
            pages = pages_from(PyTuple_GET_ITEM(here, at));
            if (pages == NULL) {
                Py_DECREF(faults);
                return NULL;
            }
            if (frames_of(pages)->pending > 0 && pages != cache && !is_written(writers, pages))
                pages_advance(pages, 0.0, share * frames_of(pages)->pending, 1);
        }
    double going = share > 0 && among(here, cache) ? share * frames_of(cache)->pending : 0.0;
    pages_advance(cache, recycled, going, 1);
    return faults;
}

static PyMethodDef functions[] = {
    {"start_log", METHOD(start_log), METH_FASTCALL, NULL},
    {"pending_of", METHOD(pending_of), METH_O, NULL},
    {"pending_by_kind", METHOD(pending_by_kind), METH_FASTCALL, NULL},
    {"advance_log", METHOD(advance_log), METH_FASTCALL, NULL},
    {"log_faults", METHOD(log_faults), METH_FASTCALL, NULL},
    {"sync_log", METHOD(sync_log), METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

int
add_dirtylog(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
