/* The touch law; its reference is dcsim/model/touch.py. */
#include "touch.h"
#include <math.h>

/* Whether a law is "each"; it is "random" if not given. */
static int
law_each(PyObject *law, char *into)
{
    *into = 0;
    if (law == NULL)
        return 0;
    if (!PyUnicode_Check(law)) {
        PyErr_SetString(PyExc_TypeError, "a law is 'random' or 'each'");
        return -1;
    }
    *into = PyUnicode_CompareWithASCIIString(law, "each") == 0;
    return 0;
}

static PyObject *random_text, *each_text; /* the two laws */

/* ------------------------------------------------------------------ TouchClass */

const TouchClass *
class_from(PyObject *object)
{
    if (!PyObject_TypeCheck(object, &TouchClassType)) {
        PyErr_Format(PyExc_TypeError, "TouchClass expected, not %s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (const TouchClass *)object;
}

double
class_distinct(const TouchClass *self, double touches)
{
    double own = touches * self->share;
    if (self->each)
        return least(own, self->pages);
    return -self->pages * expm1(-own / self->pages);
}

double
class_miss(const TouchClass *self, double touches)
{
    double own = touches * self->share;
    if (self->each)
        return own < self->pages ? 1.0 : 0.0;
    return exp(-own / self->pages);
}

static PyObject *
TouchClass_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"pages", "share", "law"};
    PyObject *given[3];
    double pages = 0.0, share = 0.0;
    char each;
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 3, 2, given) < 0 ||
        number(given[0], &pages) < 0 || number(given[1], &share) < 0 ||
        law_each(given[2], &each) < 0)
        return NULL;
    TouchClass *self = (TouchClass *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self != NULL) {
        self->pages = pages;
        self->share = share;
        self->each = each;
    }
    return (PyObject *)self;
}

static PyObject *
TouchClass_law(TouchClass *self, void *closure)
{
    (void)closure;
    return Py_NewRef(self->each ? each_text : random_text);
}

static PyObject *
TouchClass_distinct(TouchClass *self, PyObject *arg)
{
    double touches = 0.0;
    return number(arg, &touches) < 0 ? NULL : PyFloat_FromDouble(class_distinct(self, touches));
}

static PyObject *
TouchClass_miss(TouchClass *self, PyObject *arg)
{
    double touches = 0.0;
    return number(arg, &touches) < 0 ? NULL : PyFloat_FromDouble(class_miss(self, touches));
}

static PyObject *
TouchClass_deepcopy(PyObject *self, PyObject *memo)
{
    (void)memo;
    return Py_NewRef(self);
}

static PyObject *
TouchClass_fields(TouchClass *self)
{
    return Py_BuildValue("(ddO)", self->pages, self->share, self->each ? each_text : random_text);
}

static PyObject *
TouchClass_reduce(TouchClass *self, PyObject *none)
{
    (void)none;
    PyObject *fields = TouchClass_fields(self);
    return fields == NULL ? NULL : Py_BuildValue("(ON)", &TouchClassType, fields);
}

static PyObject *
TouchClass_repr(TouchClass *self)
{
    PyObject *fields = TouchClass_fields(self);
    if (fields == NULL)
        return NULL;
    PyObject *text = PyUnicode_FromFormat(
        "TouchClass(pages=%R, share=%R, law=%R)", PyTuple_GET_ITEM(fields, 0),
        PyTuple_GET_ITEM(fields, 1), PyTuple_GET_ITEM(fields, 2));
    Py_DECREF(fields);
    return text;
}

static Py_hash_t
TouchClass_hash(TouchClass *self)
{
    PyObject *fields = TouchClass_fields(self);
    if (fields == NULL)
        return -1;
    Py_hash_t hash = PyObject_Hash(fields);
    Py_DECREF(fields);
    return hash;
}

static PyObject *
TouchClass_compare(TouchClass *self, PyObject *object, int operator)
{
    if (!PyObject_TypeCheck(object, &TouchClassType) || (operator != Py_EQ && operator != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    TouchClass *other = (TouchClass *)object;
    int same = self->pages == other->pages && self->share == other->share &&
               self->each == other->each;
    return PyBool_FromLong(same == (operator == Py_EQ));
}

static PyMemberDef TouchClass_members[] = {
    {"pages", T_DOUBLE, offsetof(TouchClass, pages), READONLY, NULL},
    {"share", T_DOUBLE, offsetof(TouchClass, share), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef TouchClass_getset[] = {
    {"law", (getter)TouchClass_law, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef TouchClass_methods[] = {
    {"distinct", (PyCFunction)TouchClass_distinct, METH_O, NULL},
    {"miss", (PyCFunction)TouchClass_miss, METH_O, NULL},
    {"__deepcopy__", (PyCFunction)TouchClass_deepcopy, METH_O, NULL},
    {"__reduce__", (PyCFunction)TouchClass_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject TouchClassType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.touch.TouchClass",
    .tp_basicsize = sizeof(TouchClass),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_vectorcall = TouchClass_make,
    .tp_repr = (reprfunc)TouchClass_repr,
    .tp_hash = (hashfunc)TouchClass_hash,
    .tp_richcompare = (richcmpfunc)TouchClass_compare,
    .tp_members = TouchClass_members,
    .tp_getset = TouchClass_getset,
    .tp_methods = TouchClass_methods,
};

/* ------------------------------------------------------------------ Pages */

Pages *
pages_from(PyObject *object)
{
    if (!PyObject_TypeCheck(object, &PagesType)) {
        PyErr_Format(PyExc_TypeError, "Pages expected, not %s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (Pages *)object;
}

const Frames none = {.fetched = NAN};

/* Return the frames of a set that may get some, or NULL with an exception set. */
static Frames *
frames_for(Pages *pages)
{
    if (pages->frames == NULL) {
        pages->frames = PyMem_Malloc(sizeof(Frames));
        if (pages->frames == NULL)
            PyErr_NoMemory();
        else
            *pages->frames = none;
    }
    return pages->frames;
}

static double
kept_of(const Frames *frames, double touches, char each)
{
    if (touches <= 0 || frames->count <= 0)
        return 1.0;
    if (!each)
        return exp(-touches / frames->count);
    return frames->untouched > 0 ? most(0.0, 1 - touches / frames->untouched) : 0.0;
}

/* Return the faults, and put down what is idle and what is fresh after them. */
static double
pages_after(const Pages *self, double touches, double sent, char each, double kept, double *idle_to,
            double *fresh_to)
{
    const Frames *frames = frames_of(self);
    sent = least(sent, frames->pending);
    double share = sent > 0 ? sent / frames->pending : 0.0;
    if (!self->per_chunk) {
        double reached = 1 - kept;
        if (each && frames->pending > 0)
            reached *= frames->left / frames->pending;
        double fresh = frames->fresh * (1 - reached) * (1 - share);
        *idle_to = most(0.0, frames->untouched * kept - fresh);
        *fresh_to = fresh;
        return frames->untouched * (1 - kept);
    }
    if (!each) {
        double after = 0 < kept && kept < 1 ? (kept - 1) / log(kept) : kept;
        double clean = (1 - self->chunk) * sent * after + self->chunk * share * frames->fresh * kept;
        double idle = frames->idle * kept + clean;
        *idle_to = idle;
        *fresh_to = frames->fresh * kept * (1 - share);
        return frames->idle + sent - idle;
    }
    double late = frames->pending - frames->fresh;
    double again = self->chunk * share * late;
    if (frames->count <= 0 || touches <= 0) {
        *idle_to = frames->idle + sent - again;
        *fresh_to = frames->fresh * (1 - share);
        return again;
    }
    double first = least(touches, frames->untouched);
    double pace = sent / touches;
    double going = least(pace * first, frames->left);
    double left = frames->left - going / 2;
    if (going < pace * first)
        left *= going / (pace * first);
    double idle = frames->idle + pace * first;
    double hits = least(first * most(0.0, 1 - left / frames->count), idle);
    double met = first * (left - (frames->left - going)) / frames->count;
    late = (1 - share) * late + first * (frames->left - going) / frames->count;
    again += self->chunk * met;
    double rest = touches - first;
    double settled = (1 - self->chunk) * pace * frames->count / 2;
    double found = (idle - hits - settled) * -expm1(-2 * rest / frames->count) + pace * rest;
    double faults = least(hits + again + least(most(0.0, found), rest), frames->idle + sent);
    *idle_to = frames->idle + sent - faults;
    *fresh_to = most(0.0, frames->pending - sent - late);
    return faults;
}

double
pages_faults(const Pages *self, double touches, double sent, char each)
{
    double idle, fresh;
    double kept = kept_of(frames_of(self), touches, each);
    return pages_after(self, touches, sent, each, kept, &idle, &fresh);
}

double
pages_advance(Pages *self, double touches, double sent, char each)
{
    Frames *frames = self->frames;
    if (frames == NULL)
        return 0.0;
    double kept = kept_of(frames, touches, each), idle, fresh;
    double faults = pages_after(self, touches, sent, each, kept, &idle, &fresh);
    frames->idle = idle;
    frames->fresh = fresh;
    frames->untouched *= kept;
    frames->absent *= kept;
    frames->pending -= least(sent, frames->pending);
    frames->left = most(0.0, frames->left - sent);
    return faults;
}

void
pages_start_log(Pages *self, char per_chunk, double chunk)
{
    self->per_chunk = per_chunk;
    self->chunk = chunk;
    Frames *frames = self->frames;
    if (frames == NULL)
        return;
    frames->pending = frames->fresh = frames->left = frames->untouched = frames->count;
    frames->idle = frames->absent = 0.0;
}

double
pages_sync(Pages *self)
{
    Frames *frames = self->frames;
    if (frames == NULL)
        return 0.0;
    double fresh = most(0.0, frames->count - frames->pending - frames->idle);
    frames->pending = least(frames->pending + fresh, frames->count);
    if (frames->untouched <= 0)
        frames->left = frames->pending;
    frames->fresh = frames->pending;
    frames->untouched = frames->count;
    frames->idle = frames->count - frames->pending;
    return fresh;
}

static void
pages_take(Pages *self, double pages, char asked)
{
    Frames *frames = self->frames;
    if (frames == NULL)
        return;
    pages = least(pages, frames->pending);
    frames->pending -= pages;
    if (asked && !isnan(frames->fetched))
        frames->fetched += pages;
}

static PyObject *
Pages_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return type->tp_alloc(type, 0);
}

static Pages *
pages_of(double count, char zero)
{
    Pages *self = (Pages *)Pages_new(&PagesType, NULL, NULL);
    if (self == NULL)
        return NULL;
    self->zero = zero;
    if (count != 0) {
        Frames *frames = frames_for(self);
        if (frames == NULL) {
            Py_DECREF(self);
            return NULL;
        }
        frames->count = frames->untouched = frames->idle = count;
    }
    return self;
}

static PyObject *
Pages_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)type;
    static const char *const names[] = {"count", "zero"};
    PyObject *given[2];
    double count = 0.0;
    char zero;
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 2, 0, given) < 0 ||
        number(given[0], &count) < 0 || truth(given[1], &zero) < 0)
        return NULL;
    return (PyObject *)pages_of(count, zero);
}

static void
Pages_dealloc(Pages *self)
{
    PyMem_Free(self->frames);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Pages_copy(Pages *self, PyObject *unused)
{
    (void)unused;
    Pages *other = (Pages *)Pages_new(Py_TYPE(self), NULL, NULL);
    if (other == NULL)
        return NULL;
    other->chunk = self->chunk;
    other->zero = self->zero;
    other->per_chunk = self->per_chunk;
    if (self->frames != NULL) {
        if (frames_for(other) == NULL) {
            Py_DECREF(other);
            return NULL;
        }
        *other->frames = *self->frames;
    }
    return (PyObject *)other;
}

static PyObject *
Pages_getstate(Pages *self, PyObject *unused)
{
    (void)unused;
    const Frames *frames = frames_of(self);
    return Py_BuildValue("(dddddddddbb)", frames->count, frames->pending, frames->untouched,
                         frames->fresh, frames->left, frames->idle, frames->absent,
                         frames->fetched, self->chunk, self->zero, self->per_chunk);
}

static PyObject *
Pages_setstate(Pages *self, PyObject *state)
{
    Frames *frames = frames_for(self);
    if (frames == NULL ||
        !PyArg_ParseTuple(state, "dddddddddbb", &frames->count, &frames->pending,
                          &frames->untouched, &frames->fresh, &frames->left, &frames->idle,
                          &frames->absent, &frames->fetched, &self->chunk, &self->zero,
                          &self->per_chunk))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
Pages_start_log(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"per_chunk", "chunk"};
    PyObject *given[2];
    double chunk = 0.0;
    char per_chunk;
    if (arguments(args, count, kwnames, names, 2, 1, given) < 0 ||
        truth(given[0], &per_chunk) < 0 || number(given[1], &chunk) < 0)
        return NULL;
    pages_start_log(self, per_chunk, chunk);
    Py_RETURN_NONE;
}

/* Writes, pages sent, and a law: what `advance` and `faults` are told. */
static int
interval(PyObject *const *args, Py_ssize_t count, PyObject *kwnames, double *touches, double *sent,
         char *each)
{
    static const char *const names[] = {"touches", "sent", "law"};
    PyObject *given[3];
    *touches = *sent = 0.0;
    if (arguments(args, count, kwnames, names, 3, 1, given) < 0 || number(given[0], touches) < 0 ||
        number(given[1], sent) < 0 || law_each(given[2], each) < 0)
        return -1;
    return 0;
}

static PyObject *
Pages_advance(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    double touches, sent;
    char each;
    if (interval(args, count, kwnames, &touches, &sent, &each) < 0)
        return NULL;
    return PyFloat_FromDouble(pages_advance(self, touches, sent, each));
}

static PyObject *
Pages_faults(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    double touches, sent;
    char each;
    if (interval(args, count, kwnames, &touches, &sent, &each) < 0)
        return NULL;
    return PyFloat_FromDouble(pages_faults(self, touches, sent, each));
}

static PyObject *
Pages_sync(Pages *self, PyObject *none)
{
    (void)none;
    return PyFloat_FromDouble(pages_sync(self));
}

static PyObject *
Pages_skip(Pages *self, PyObject *arg)
{
    double pages = 0.0;
    if (number(arg, &pages) < 0)
        return NULL;
    Frames *frames = self->frames;
    double taken = least(pages, frames_of(self)->pending);
    if (taken > 0) {
        double share = taken / frames->pending;
        double late = taken - share * frames->fresh;
        double clean = taken - (self->per_chunk ? late * self->chunk : late);
        frames->idle += clean;
        frames->absent += clean;
        frames->fresh -= share * frames->fresh;
        frames->left -= share * frames->left;
        frames->pending -= taken;
    }
    return PyFloat_FromDouble(taken);
}

double
pages_move(Pages *self, double pages, Pages *to, char written)
{
    pages = least(pages, frames_of(self)->count);
    if (!(pages > 0))
        return 0.0;
    Frames *frames = self->frames, *more = frames_for(to);
    if (more == NULL)
        return 0.0;
    double share = pages / frames->count;
    double pending = share * frames->pending, left = share * frames->left;
    double fresh = share * frames->fresh, untouched = share * frames->untouched;
    double idle = share * frames->idle, absent = share * frames->absent;
    frames->count -= pages;
    frames->pending -= pending;
    frames->left -= left;
    frames->fresh -= fresh;
    frames->untouched -= untouched;
    frames->idle -= idle;
    frames->absent -= absent;
    more->count += pages;
    more->left += left;
    if (written && !isnan(more->fetched))
        more->fetched += pending;
    else
        more->pending += pending;
    if (!written) {
        more->fresh += fresh;
        more->untouched += untouched;
        more->idle += idle;
        more->absent += absent;
    }
    return pages;
}

static PyObject *
Pages_move(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"pages", "to", "written"};
    PyObject *given[3];
    double pages = 0.0;
    char written;
    Pages *to;
    if (arguments(args, count, kwnames, names, 3, 2, given) < 0 || number(given[0], &pages) < 0 ||
        (to = pages_from(given[1])) == NULL || truth(given[2], &written) < 0)
        return NULL;
    pages = pages_move(self, pages, to, written);
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(pages);
}

/* Touches and a law, as post-copy asks. */
static int
touches_of(PyObject *const *args, Py_ssize_t count, PyObject *kwnames, double *touches, char *each)
{
    static const char *const names[] = {"touches", "law"};
    PyObject *given[2];
    *touches = 0.0;
    if (arguments(args, count, kwnames, names, 2, 2, given) < 0 || number(given[0], touches) < 0 ||
        law_each(given[1], each) < 0)
        return -1;
    return 0;
}

static PyObject *
Pages_absentees(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    double touches;
    char each;
    if (touches_of(args, count, kwnames, &touches, &each) < 0)
        return NULL;
    return PyFloat_FromDouble(frames_of(self)->pending * (1 - kept_of(frames_of(self), touches, each)));
}

static PyObject *
Pages_fetch(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    double touches;
    char each;
    if (touches_of(args, count, kwnames, &touches, &each) < 0)
        return NULL;
    Frames *frames = self->frames;
    if (frames != NULL) {
        double kept = kept_of(frames, touches, each);
        pages_take(self, frames->pending * (1 - kept), 1);
        frames->untouched *= kept;
    }
    Py_RETURN_NONE;
}

static PyObject *
Pages_take(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"pages", "asked"};
    PyObject *given[2];
    double pages = 0.0;
    char asked = 1;
    if (arguments(args, count, kwnames, names, 2, 1, given) < 0 || number(given[0], &pages) < 0 ||
        (given[1] != NULL && truth(given[1], &asked) < 0))
        return NULL;
    pages_take(self, pages, asked);
    Py_RETURN_NONE;
}

/* A number of frames; `at` is where it stands among them. NaN stands for None. */
static PyObject *
Pages_get(Pages *self, void *at)
{
    double value = *(const double *)((const char *)frames_of(self) + (size_t)at);
    if (isnan(value))
        Py_RETURN_NONE;
    return PyFloat_FromDouble(value);
}

static int
Pages_set(Pages *self, PyObject *value, void *at)
{
    double next = NAN;
    int none_at_all = value == Py_None && (size_t)at == offsetof(Frames, fetched);
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "it cannot be deleted");
        return -1;
    }
    if ((!none_at_all && number(value, &next) < 0) || frames_for(self) == NULL)
        return -1;
    *(double *)((char *)self->frames + (size_t)at) = next;
    return 0;
}

static PyMemberDef Pages_members[] = {
    {"chunk", T_DOUBLE, offsetof(Pages, chunk), 0, NULL},
    {"zero", T_BOOL, offsetof(Pages, zero), 0, NULL},
    {"per_chunk", T_BOOL, offsetof(Pages, per_chunk), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define FRAMES(name)                                                                               \
    {#name, (getter)Pages_get, (setter)Pages_set, NULL, (void *)offsetof(Frames, name)}

static PyGetSetDef Pages_getset[] = {
    FRAMES(count),
    FRAMES(pending),
    FRAMES(untouched),
    FRAMES(fresh),
    FRAMES(left),
    FRAMES(idle),
    FRAMES(absent),
    FRAMES(fetched),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef Pages_methods[] = {
    {"copy", METHOD(Pages_copy), METH_NOARGS, NULL},
    {"start_log", METHOD(Pages_start_log), NAMED, NULL},
    {"advance", METHOD(Pages_advance), NAMED, NULL},
    {"faults", METHOD(Pages_faults), NAMED, NULL},
    {"sync", METHOD(Pages_sync), METH_NOARGS, NULL},
    {"skip", METHOD(Pages_skip), METH_O, NULL},
    {"move", METHOD(Pages_move), NAMED, NULL},
    {"absentees", METHOD(Pages_absentees), NAMED, NULL},
    {"fetch", METHOD(Pages_fetch), NAMED, NULL},
    {"take", METHOD(Pages_take), NAMED, NULL},
    {"__getstate__", METHOD(Pages_getstate), METH_NOARGS, NULL},
    {"__setstate__", METHOD(Pages_setstate), METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PagesType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.touch.Pages",
    .tp_basicsize = sizeof(Pages),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = Pages_new,
    .tp_dealloc = (destructor)Pages_dealloc,
    .tp_vectorcall = Pages_make,
    .tp_members = Pages_members,
    .tp_getset = Pages_getset,
    .tp_methods = Pages_methods,
};

/* ------------------------------------------------------------------ many sets */

static PyObject *
sets_of(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count < 1 || count > 2 || !PyTuple_Check(args[0]) ||
        (count == 2 && (!PyTuple_Check(args[1]) ||
                        PyTuple_GET_SIZE(args[1]) > PyTuple_GET_SIZE(args[0])))) {
        PyErr_SetString(PyExc_TypeError, "a tuple of counts, and one of what is zero, expected");
        return NULL;
    }
    Py_ssize_t told = count == 2 ? PyTuple_GET_SIZE(args[1]) : 0;
    PyObject *sets = PyTuple_New(PyTuple_GET_SIZE(args[0]));
    for (Py_ssize_t i = 0; sets != NULL && i < PyTuple_GET_SIZE(sets); i++) {
        double pages = 0.0;
        char zero;
        PyObject *item = NULL;
        if (number(PyTuple_GET_ITEM(args[0], i), &pages) == 0 &&
            truth(i < told ? PyTuple_GET_ITEM(args[1], i) : NULL, &zero) == 0)
            item = (PyObject *)pages_of(pages, zero);
        if (item == NULL)
            Py_CLEAR(sets);
        else
            PyTuple_SET_ITEM(sets, i, item);
    }
    return sets;
}

static PyObject *
copies_of(PyObject *module, PyObject *sets)
{
    (void)module;
    if (!PyTuple_Check(sets)) {
        PyErr_SetString(PyExc_TypeError, "a tuple of sets of pages expected");
        return NULL;
    }
    PyObject *copies = PyTuple_New(PyTuple_GET_SIZE(sets));
    for (Py_ssize_t i = 0; copies != NULL && i < PyTuple_GET_SIZE(sets); i++) {
        Pages *pages = pages_from(PyTuple_GET_ITEM(sets, i));
        PyObject *item = pages == NULL ? NULL : Pages_copy(pages, NULL);
        if (item == NULL)
            Py_CLEAR(copies);
        else
            PyTuple_SET_ITEM(copies, i, item);
    }
    return copies;
}

static PyMethodDef functions[] = {
    {"sets_of", METHOD(sets_of), METH_FASTCALL, NULL},
    {"copies_of", METHOD(copies_of), METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

int
add_touch(PyObject *module)
{
    random_text = PyUnicode_InternFromString("random");
    each_text = PyUnicode_InternFromString("each");
    if (random_text == NULL || each_text == NULL || PyModule_AddFunctions(module, functions) < 0 ||
        PyModule_AddType(module, &TouchClassType) < 0)
        return -1;
    return PyModule_AddType(module, &PagesType);
}
