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

static double
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

static double
pages_kept(const Pages *self, double touches, char each)
{
    if (touches <= 0 || self->count <= 0)
        return 1.0;
    if (!each)
        return exp(-touches / self->count);
    return self->untouched > 0 ? most(0.0, 1 - touches / self->untouched) : 0.0;
}

/* Return the faults, and put down what is idle and what is fresh after them. */
static double
pages_after(const Pages *self, double touches, double sent, char each, double kept, double *idle_to,
            double *fresh_to)
{
    sent = least(sent, self->pending);
    double share = sent > 0 ? sent / self->pending : 0.0;
    if (!self->per_chunk) {
        double reached = 1 - kept;
        if (each && self->pending > 0)
            reached *= self->left / self->pending;
        double fresh = self->fresh * (1 - reached) * (1 - share);
        *idle_to = most(0.0, self->untouched * kept - fresh);
        *fresh_to = fresh;
        return self->untouched * (1 - kept);
    }
    if (!each) {
        double after = 0 < kept && kept < 1 ? (kept - 1) / log(kept) : kept;
        double clean = (1 - self->chunk) * sent * after + self->chunk * share * self->fresh * kept;
        double idle = self->idle * kept + clean;
        *idle_to = idle;
        *fresh_to = self->fresh * kept * (1 - share);
        return self->idle + sent - idle;
    }
    double late = self->pending - self->fresh;
    double again = self->chunk * share * late;
    if (self->count <= 0 || touches <= 0) {
        *idle_to = self->idle + sent - again;
        *fresh_to = self->fresh * (1 - share);
        return again;
    }
    double first = least(touches, self->untouched);
    double pace = sent / touches;
    double going = least(pace * first, self->left);
    double left = self->left - going / 2;
    if (going < pace * first)
        left *= going / (pace * first);
    double idle = self->idle + pace * first;
    double hits = least(first * most(0.0, 1 - left / self->count), idle);
    double met = first * (left - (self->left - going)) / self->count;
    late = (1 - share) * late + first * (self->left - going) / self->count;
    again += self->chunk * met;
    double rest = touches - first;
    double settled = (1 - self->chunk) * pace * self->count / 2;
    double found = (idle - hits - settled) * -expm1(-2 * rest / self->count) + pace * rest;
    double faults = least(hits + again + least(most(0.0, found), rest), self->idle + sent);
    *idle_to = self->idle + sent - faults;
    *fresh_to = most(0.0, self->pending - sent - late);
    return faults;
}

double
pages_faults(const Pages *self, double touches, double sent, char each)
{
    double idle, fresh;
    return pages_after(self, touches, sent, each, pages_kept(self, touches, each), &idle, &fresh);
}

double
pages_advance(Pages *self, double touches, double sent, char each)
{
    double kept = pages_kept(self, touches, each), idle, fresh;
    double faults = pages_after(self, touches, sent, each, kept, &idle, &fresh);
    self->idle = idle;
    self->fresh = fresh;
    self->untouched *= kept;
    self->absent *= kept;
    self->pending -= least(sent, self->pending);
    self->left = most(0.0, self->left - sent);
    return faults;
}

void
pages_start_log(Pages *self, char per_chunk, double chunk)
{
    self->per_chunk = per_chunk;
    self->chunk = chunk;
    self->pending = self->fresh = self->left = self->untouched = self->count;
    self->idle = self->absent = 0.0;
}

double
pages_sync(Pages *self)
{
    double fresh = most(0.0, self->count - self->pending - self->idle);
    self->pending = least(self->pending + fresh, self->count);
    if (self->untouched <= 0)
        self->left = self->pending;
    self->fresh = self->pending;
    self->untouched = self->count;
    self->idle = self->count - self->pending;
    return fresh;
}

static void
pages_take(Pages *self, double pages, char asked)
{
    pages = least(pages, self->pending);
    self->pending -= pages;
    if (asked && !isnan(self->fetched))
        self->fetched += pages;
}

/* Empty ones, as copies and pickles begin. */
static PyObject *
Pages_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    Pages *self = (Pages *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->fetched = Py_NAN;
    return (PyObject *)self;
}

static PyObject *
Pages_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"count", "zero"};
    PyObject *given[2];
    double count = 0.0;
    char zero;
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 2, 0, given) < 0 ||
        number(given[0], &count) < 0 || truth(given[1], &zero) < 0)
        return NULL;
    Pages *self = (Pages *)Pages_new((PyTypeObject *)type, NULL, NULL);
    if (self != NULL) {
        self->count = self->untouched = self->idle = count;
        self->zero = zero;
    }
    return (PyObject *)self;
}

static PyObject *
Pages_copy(Pages *self, PyObject *none)
{
    (void)none;
    Pages *other = (Pages *)Pages_new(Py_TYPE(self), NULL, NULL);
    if (other != NULL)
        memcpy(&other->count, &self->count, sizeof(Pages) - offsetof(Pages, count));
    return (PyObject *)other;
}

static PyObject *
Pages_getstate(Pages *self, PyObject *none)
{
    (void)none;
    return Py_BuildValue("(dddddddddbb)", self->count, self->pending, self->untouched, self->fresh,
                         self->left, self->idle, self->absent, self->fetched, self->chunk,
                         self->zero, self->per_chunk);
}

static PyObject *
Pages_setstate(Pages *self, PyObject *state)
{
    if (!PyArg_ParseTuple(state, "dddddddddbb", &self->count, &self->pending, &self->untouched,
                          &self->fresh, &self->left, &self->idle, &self->absent, &self->fetched,
                          &self->chunk, &self->zero, &self->per_chunk))
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
    double taken = least(pages, self->pending);
    if (taken > 0) {
        double share = taken / self->pending;
        double late = taken - share * self->fresh;
        double clean = taken - (self->per_chunk ? late * self->chunk : late);
        self->idle += clean;
        self->absent += clean;
        self->fresh -= share * self->fresh;
        self->left -= share * self->left;
        self->pending -= taken;
    }
    return PyFloat_FromDouble(taken);
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
    pages = least(pages, self->count);
    if (!(pages > 0))
        return PyFloat_FromDouble(0.0);
    double share = pages / self->count;
    double pending = share * self->pending, left = share * self->left;
    double fresh = share * self->fresh, untouched = share * self->untouched;
    double idle = share * self->idle, absent = share * self->absent;
    self->count -= pages;
    self->pending -= pending;
    self->left -= left;
    self->fresh -= fresh;
    self->untouched -= untouched;
    self->idle -= idle;
    self->absent -= absent;
    to->count += pages;
    to->left += left;
    if (written && !isnan(to->fetched))
        to->fetched += pending;
    else
        to->pending += pending;
    if (!written) {
        to->fresh += fresh;
        to->untouched += untouched;
        to->idle += idle;
        to->absent += absent;
    }
    return PyFloat_FromDouble(pages);
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
    return PyFloat_FromDouble(self->pending * (1 - pages_kept(self, touches, each)));
}

static PyObject *
Pages_fetch(Pages *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    double touches;
    char each;
    if (touches_of(args, count, kwnames, &touches, &each) < 0)
        return NULL;
    double kept = pages_kept(self, touches, each);
    pages_take(self, self->pending * (1 - kept), 1);
    self->untouched *= kept;
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

static PyObject *
Pages_get_fetched(Pages *self, void *closure)
{
    (void)closure;
    if (isnan(self->fetched))
        Py_RETURN_NONE;
    return PyFloat_FromDouble(self->fetched);
}

static int
Pages_set_fetched(Pages *self, PyObject *value, void *closure)
{
    (void)closure;
    self->fetched = Py_NAN;
    return value == NULL || value == Py_None ? 0 : number(value, &self->fetched);
}

static PyMemberDef Pages_members[] = {
    {"count", T_DOUBLE, offsetof(Pages, count), 0, NULL},
    {"pending", T_DOUBLE, offsetof(Pages, pending), 0, NULL},
    {"untouched", T_DOUBLE, offsetof(Pages, untouched), 0, NULL},
    {"fresh", T_DOUBLE, offsetof(Pages, fresh), 0, NULL},
    {"left", T_DOUBLE, offsetof(Pages, left), 0, NULL},
    {"idle", T_DOUBLE, offsetof(Pages, idle), 0, NULL},
    {"absent", T_DOUBLE, offsetof(Pages, absent), 0, NULL},
    {"chunk", T_DOUBLE, offsetof(Pages, chunk), 0, NULL},
    {"zero", T_BOOL, offsetof(Pages, zero), 0, NULL},
    {"per_chunk", T_BOOL, offsetof(Pages, per_chunk), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Pages_getset[] = {
    {"fetched", (getter)Pages_get_fetched, (setter)Pages_set_fetched, NULL, NULL},
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
    .tp_vectorcall = Pages_make,
    .tp_members = Pages_members,
    .tp_getset = Pages_getset,
    .tp_methods = Pages_methods,
};

int
add_touch(PyObject *module)
{
    random_text = PyUnicode_InternFromString("random");
    each_text = PyUnicode_InternFromString("each");
    if (random_text == NULL || each_text == NULL || PyModule_AddType(module, &TouchClassType) < 0)
        return -1;
    return PyModule_AddType(module, &PagesType);
}
