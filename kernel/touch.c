/* The touch law and the dirty log; its references are dcsim/model/touch.py, dirtylog.py and
 * readers.py. */
#include "kernel.h"
#include <math.h>
#include <structmember.h>

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

/* ------------------------------------------------------------------ arguments */

/* Sort arguments given by place or by name into `into`, in the order of `names`. */
static int
arguments(PyObject *const *args, Py_ssize_t count, PyObject *kwnames, const char *const *names,
          int most_args, int required, PyObject **into)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (count > most_args) {
        PyErr_Format(PyExc_TypeError, "at most %d arguments, not %zd", most_args, count);
        return -1;
    }
    for (int i = 0; i < most_args; i++)
        into[i] = i < count ? args[i] : NULL;
    for (Py_ssize_t k = 0; k < named; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int i = 0;
        while (i < most_args && PyUnicode_CompareWithASCIIString(name, names[i]) != 0)
            i++;
        if (i == most_args || into[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "unexpected argument %R", name);
            return -1;
        }
        into[i] = args[count + k];
    }
    for (int i = 0; i < required; i++)
        if (into[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "argument '%s' is missing", names[i]);
            return -1;
        }
    return 0;
}

static int
number(PyObject *object, double *into)
{
    if (object == NULL) /* not given: what is there already holds */
        return 0;
    *into = PyFloat_AsDouble(object);
    return *into == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static int
truth(PyObject *object, char *into)
{
    int value = object == NULL ? 0 : PyObject_IsTrue(object);
    *into = (char)value;
    return value < 0 ? -1 : 0;
}

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

typedef struct {
    PyObject_HEAD
    double pages;
    double share;
    char each;
} TouchClass;

static PyTypeObject TouchClassType;

static double
class_distinct(const TouchClass *self, double touches)
{
    double own = touches * self->share;
    if (self->each)
        return least(own, self->pages);
    return -self->pages * expm1(-own / self->pages);
}

static double
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

static PyTypeObject TouchClassType = {
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

typedef struct {
    PyObject_HEAD
    double count;
    double pending;
    double untouched;
    double fresh;
    double left;
    double idle;
    double absent;
    double fetched; /* NaN for None */
    double chunk;
    char zero;
    char per_chunk;
} Pages;

static PyTypeObject PagesType;

static Pages *
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

static double
pages_faults(const Pages *self, double touches, double sent, char each)
{
    double idle, fresh;
    return pages_after(self, touches, sent, each, pages_kept(self, touches, each), &idle, &fresh);
}

static double
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

static void
pages_start_log(Pages *self, char per_chunk, double chunk)
{
    self->per_chunk = per_chunk;
    self->chunk = chunk;
    self->pending = self->fresh = self->left = self->untouched = self->count;
    self->idle = self->absent = 0.0;
}

static double
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

#define NAMED (METH_FASTCALL | METH_KEYWORDS)
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

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

static PyTypeObject PagesType = {
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

/* ------------------------------------------------------------------ the log of many sets */

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
    EACH(sets, pages) total += pages->pending;
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
            ballooned = pages->pending;
        else if (pages->zero)
            zero += pages->pending;
        else
            normal += pages->pending;
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
written_class(PyObject *part, TouchClass **touch, Pages **frames)
{
    if (!PyTuple_Check(part) || PyTuple_GET_SIZE(part) != 2 ||
        !PyObject_TypeCheck(PyTuple_GET_ITEM(part, 0), &TouchClassType)) {
        PyErr_SetString(PyExc_TypeError, "a class that is written expected");
        return -1;
    }
    *touch = (TouchClass *)PyTuple_GET_ITEM(part, 0);
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
        TouchClass *touch;
        Pages *frames;
        if (written_class(PyTuple_GET_ITEM(classes, at), &touch, &frames) < 0)
            return NULL;
        double going = among(here, frames) ? share * frames->pending : 0.0;
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
        TouchClass *touch;
        Pages *frames;
        if (written_class(PyTuple_GET_ITEM(classes, at), &touch, &frames) < 0)
            return -1.0;
        double going = share > 0 && among(here, frames) ? share * frames->pending : 0.0;
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
            if (pages->pending > 0 && pages != cache && !is_written(writers, pages))
                pages_advance(pages, 0.0, share * pages->pending, 1);
        }
    double going = share > 0 && among(here, cache) ? share * cache->pending : 0.0;
    pages_advance(cache, recycled, going, 1);
    return faults;
}

/* ------------------------------------------------------------------ ReadSet */

typedef struct {
    PyObject_HEAD
    PyObject *classes; /* a tuple of TouchClass */
    double remembered;
    double at, total; /* what was resident when last asked, and at how many touches */
    long read_ahead;
} ReadSet;

static PyTypeObject ReadSetType;

#define CLASSES(self) PyTuple_GET_SIZE((self)->classes)
#define CLASS(self, i) ((const TouchClass *)PyTuple_GET_ITEM((self)->classes, i))

static double
reader_resident(ReadSet *self, double touches)
{
    if (touches == self->at)
        return self->total;
    double total = 0.0;
    for (Py_ssize_t i = 0; i < CLASSES(self); i++) {
        const TouchClass *part = CLASS(self, i);
        double own = touches * part->share;
        if (part->each)
            total += own < part->pages ? own : part->pages;
        else
            total -= part->pages * expm1(-own / part->pages);
    }
    self->at = touches;
    self->total = total;
    return total;
}

static double
reader_miss(const ReadSet *self, double touches)
{
    double total = 0.0;
    for (Py_ssize_t i = 0; i < CLASSES(self); i++) {
        const TouchClass *part = CLASS(self, i);
        double own = touches * part->share;
        if (!part->each)
            total += part->share * exp(-own / part->pages);
        else if (own < part->pages)
            total += part->share;
    }
    return total;
}

static double
reader_curve(const ReadSet *self, double touches, double *rise_to)
{
    double resident = 0.0, rise = 0.0;
    for (Py_ssize_t i = 0; i < CLASSES(self); i++) {
        const TouchClass *part = CLASS(self, i);
        double own = touches * part->share;
        if (part->each) {
            resident += least(own, part->pages);
            rise += own < part->pages ? part->share : 0.0;
        }
        else {
            double gone = expm1(-own / part->pages);
            resident -= part->pages * gone;
            rise += part->share * (1 + gone);
        }
    }
    *rise_to = rise;
    return resident;
}

static double
reader_steady_for(const ReadSet *self, double rate, double miss, double tolerance)
{
    double wait = Py_HUGE_VAL, falling = 0.0;
    for (Py_ssize_t i = 0; i < CLASSES(self); i++) {
        const TouchClass *part = CLASS(self, i);
        if (part->each) {
            double gap = part->pages - self->remembered * part->share;
            wait = least(wait, gap > 0 ? gap / (rate * part->share) : Py_HUGE_VAL);
        }
        else
            falling += part->share * part->share / part->pages *
                       class_miss(part, self->remembered);
    }
    if (falling > 0)
        wait = least(wait, tolerance * miss / (falling * rate));
    return wait;
}

static PyObject *
ReadSet_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"classes", "read_ahead", "remembered"};
    PyObject *given[3];
    double remembered = 0.0;
    long read_ahead = 1;
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 3, 1, given) < 0 ||
        number(given[2], &remembered) < 0)
        return NULL;
    if (given[1] != NULL && (read_ahead = PyLong_AsLong(given[1])) == -1 && PyErr_Occurred())
        return NULL;
    if (!PyTuple_Check(given[0])) {
        PyErr_SetString(PyExc_TypeError, "a tuple of classes expected");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given[0]); i++)
        if (!PyObject_TypeCheck(PyTuple_GET_ITEM(given[0], i), &TouchClassType)) {
            PyErr_SetString(PyExc_TypeError, "a tuple of classes expected");
            return NULL;
        }
    ReadSet *self = (ReadSet *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self != NULL) {
        self->classes = Py_NewRef(given[0]);
        self->read_ahead = read_ahead;
        self->remembered = remembered;
    }
    return (PyObject *)self;
}

static void
ReadSet_dealloc(ReadSet *self)
{
    Py_XDECREF(self->classes);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
ReadSet_reduce(ReadSet *self, PyObject *none)
{
    (void)none;
    return Py_BuildValue("(O(Old))", &ReadSetType, self->classes, self->read_ahead,
                         self->remembered);
}

/* So many touches: as many as are remembered, if not given. */
static int
touches_or_remembered(ReadSet *self, PyObject *const *args, Py_ssize_t count, double *touches)
{
    *touches = self->remembered;
    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "at most 1 argument");
        return -1;
    }
    return count == 0 || args[0] == Py_None ? 0 : number(args[0], touches);
}

static PyObject *
ReadSet_resident(ReadSet *self, PyObject *const *args, Py_ssize_t count)
{
    double touches;
    if (touches_or_remembered(self, args, count, &touches) < 0)
        return NULL;
    return PyFloat_FromDouble(reader_resident(self, touches));
}

static PyObject *
ReadSet_miss(ReadSet *self, PyObject *const *args, Py_ssize_t count)
{
    double touches;
    if (touches_or_remembered(self, args, count, &touches) < 0)
        return NULL;
    return PyFloat_FromDouble(reader_miss(self, touches));
}

static PyObject *
ReadSet_curve(ReadSet *self, PyObject *arg)
{
    double touches = 0.0, rise;
    if (number(arg, &touches) < 0)
        return NULL;
    double resident = reader_curve(self, touches, &rise);
    return Py_BuildValue("(dd)", resident, rise);
}

static PyObject *
ReadSet_steady_for(ReadSet *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"rate", "miss", "tolerance"};
    PyObject *given[3];
    double rate = 0.0, miss = 0.0, tolerance = 0.0;
    if (arguments(args, count, kwnames, names, 3, 3, given) < 0 || number(given[0], &rate) < 0 ||
        number(given[1], &miss) < 0 || number(given[2], &tolerance) < 0)
        return NULL;
    return PyFloat_FromDouble(reader_steady_for(self, rate, miss, tolerance));
}

static PyObject *
ReadSet_sequential(ReadSet *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(CLASSES(self) > 0 && CLASS(self, 0)->each);
}

static PyMemberDef ReadSet_members[] = {
    {"classes", T_OBJECT_EX, offsetof(ReadSet, classes), READONLY, NULL},
    {"read_ahead", T_LONG, offsetof(ReadSet, read_ahead), READONLY, NULL},
    {"remembered", T_DOUBLE, offsetof(ReadSet, remembered), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef ReadSet_getset[] = {
    {"sequential", (getter)ReadSet_sequential, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef ReadSet_methods[] = {
    {"resident", METHOD(ReadSet_resident), METH_FASTCALL, NULL},
    {"miss", METHOD(ReadSet_miss), METH_FASTCALL, NULL},
    {"curve", METHOD(ReadSet_curve), METH_O, NULL},
    {"steady_for", METHOD(ReadSet_steady_for), NAMED, NULL},
    {"__reduce__", METHOD(ReadSet_reduce), METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject ReadSetType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.readers.ReadSet",
    .tp_basicsize = sizeof(ReadSet),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)ReadSet_dealloc,
    .tp_vectorcall = ReadSet_make,
    .tp_members = ReadSet_members,
    .tp_getset = ReadSet_getset,
    .tp_methods = ReadSet_methods,
};

/* ------------------------------------------------------------------ many readers */

#define NEWTON_STEPS 100

/* Readers as a list or a tuple; false with an exception set. */
static int
readers_from(PyObject *sequence, ReadSet ***readers, Py_ssize_t *count)
{
    if (!PyList_Check(sequence) && !PyTuple_Check(sequence)) {
        PyErr_SetString(PyExc_TypeError, "a list or a tuple expected");
        return 0;
    }
    *count = PySequence_Fast_GET_SIZE(sequence);
    *readers = (ReadSet **)PySequence_Fast_ITEMS(sequence);
    for (Py_ssize_t i = 0; i < *count; i++)
        if (!PyObject_TypeCheck((PyObject *)(*readers)[i], &ReadSetType)) {
            PyErr_SetString(PyExc_TypeError, "sets that are read expected");
            return 0;
        }
    return 1;
}

/* Newly allocated numbers, one for each of `count` readers, and `more` numbers after them. */
static double *
numbers_from(PyObject *sequence, Py_ssize_t count, Py_ssize_t more)
{
    if ((!PyList_Check(sequence) && !PyTuple_Check(sequence)) ||
        PySequence_Fast_GET_SIZE(sequence) != count) {
        PyErr_SetString(PyExc_ValueError, "a number for each reader expected");
        return NULL;
    }
    double *numbers = PyMem_Malloc((size_t)(count + more) * sizeof(double) + 1);
    if (numbers == NULL)
        return (double *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        if (number(PySequence_Fast_GET_ITEM(sequence, i), &numbers[i]) < 0) {
            PyMem_Free(numbers);
            return NULL;
        }
    return numbers;
}

static int
in_proportion(ReadSet *const *readers, const double *touches, Py_ssize_t count)
{
    double total_a = 0.0, total_b = 0.0;
    if (count < 2)
        return 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        total_a += readers[i]->remembered;
        total_b += touches[i];
    }
    if (total_a <= 0 || total_b <= 0)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!(fabs(readers[i]->remembered / total_a - touches[i] / total_b) < 1e-9))
            return 0;
    return 1;
}

/* `from_nothing`: of these touches alone, rather than of what is remembered and these. */
static double
reach(ReadSet *const *readers, int from_nothing, const double *touches, Py_ssize_t count,
      double target, double start)
{
    double share = start;
    for (int step = 0; step < NEWTON_STEPS; step++) {
        double value = 0.0, slope = 0.0;
        for (Py_ssize_t i = 0; i < count; i++) {
            double rise, base = from_nothing ? 0.0 : readers[i]->remembered;
            value += reader_curve(readers[i], base + share * touches[i], &rise);
            slope += rise * touches[i];
        }
        double gap = target - value;
        if (gap <= 1e-12 * target || slope <= 0)
            break;
        share += gap / slope;
    }
    return share;
}

static PyObject *
proportional(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    (void)module;
    Py_ssize_t count;
    ReadSet **readers;
    if (given != 2) {
        PyErr_SetString(PyExc_TypeError, "readers and touches expected");
        return NULL;
    }
    if (!readers_from(args[0], &readers, &count))
        return NULL;
    double *touches = numbers_from(args[1], count, 0);
    if (touches == NULL)
        return NULL;
    int same = in_proportion(readers, touches, count);
    PyMem_Free(touches);
    return PyBool_FromLong(same);
}

static PyObject *
resident_of(PyObject *module, PyObject *sequence)
{
    (void)module;
    Py_ssize_t count;
    ReadSet **readers;
    if (!readers_from(sequence, &readers, &count))
        return NULL;
    double total = 0.0;
    for (Py_ssize_t i = 0; i < count; i++)
        total += reader_resident(readers[i], readers[i]->remembered);
    return PyFloat_FromDouble(total);
}

static PyObject *
forget(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    (void)module;
    Py_ssize_t count;
    ReadSet **readers;
    double pages = 0.0, share = 0.0;
    if (given != 2) {
        PyErr_SetString(PyExc_TypeError, "readers and pages expected");
        return NULL;
    }
    if (!readers_from(args[0], &readers, &count) || number(args[1], &pages) < 0)
        return NULL;
    double *touches = PyMem_Malloc((size_t)count * sizeof(double) + 1);
    if (touches == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        touches[i] = readers[i]->remembered;
    if (pages > 0) {
        double resident = 0.0, slope = 0.0, total = 0.0;
        for (Py_ssize_t i = 0; i < count; i++) {
            double rise;
            resident += reader_curve(readers[i], touches[i], &rise);
            slope += rise * touches[i];
            total += touches[i];
        }
        double excess = resident - pages;
        double start = most(slope > 0 ? 1 - excess / slope : 0.0, pages / total);
        share = reach(readers, 1, touches, count, pages, start);
    }
    for (Py_ssize_t i = 0; i < count; i++)
        readers[i]->remembered = share * touches[i];
    PyMem_Free(touches);
    Py_RETURN_NONE;
}

/* Put down what will be resident of each after a share of the touches; return the sum. */
static double
resident_after(ReadSet *const *readers, const double *touches, Py_ssize_t count, double share,
               double *after)
{
    double total = 0.0;
    for (Py_ssize_t i = 0; i < count; i++) {
        after[i] = reader_resident(readers[i], readers[i]->remembered + share * touches[i]);
        total += after[i];
    }
    return total;
}

static PyObject *
misses_of(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    (void)module;
    Py_ssize_t count;
    ReadSet **readers;
    double room = 0.0;
    char tight;
    if (given != 4) {
        PyErr_SetString(PyExc_TypeError, "readers, touches, room and tight expected");
        return NULL;
    }
    if (!readers_from(args[0], &readers, &count) || number(args[2], &room) < 0 ||
        truth(args[3], &tight) < 0)
        return NULL;
    double *touches = numbers_from(args[1], count, 2 * count);
    PyObject *misses = touches == NULL ? NULL : PyList_New(count);
    if (misses == NULL) {
        PyMem_Free(touches);
        return NULL;
    }
    double *before = touches + count, *after = before + count;
    double start = resident_after(readers, touches, count, 0.0, before), share = 1.0;
    if (tight && in_proportion(readers, touches, count))
        share = 0.0;
    else if (!(resident_after(readers, touches, count, 1.0, after) - start <= room))
        share = tight ? 0.0 : reach(readers, 0, touches, count, start + room, 0.0);
    if (share == 0.0)
        after = before;
    else if (share < 1.0)
        resident_after(readers, touches, count, share, after);
    for (Py_ssize_t i = 0; i < count; i++) {
        double own = most(0.0, after[i] - before[i]);
        if (share < 1.0) {
            double rest = (1 - share) * touches[i];
            own += rest * reader_miss(readers[i], readers[i]->remembered + share * touches[i]);
        }
        PyObject *item = PyFloat_FromDouble(own);
        if (item == NULL) {
            Py_CLEAR(misses);
            break;
        }
        PyList_SET_ITEM(misses, i, item);
    }
    PyMem_Free(touches);
    return misses == NULL ? NULL : Py_BuildValue("(dN)", share, misses);
}

static PyMethodDef functions[] = {
    {"start_log", METHOD(start_log), METH_FASTCALL, NULL},
    {"pending_of", METHOD(pending_of), METH_O, NULL},
    {"pending_by_kind", METHOD(pending_by_kind), METH_FASTCALL, NULL},
    {"advance_log", METHOD(advance_log), METH_FASTCALL, NULL},
    {"log_faults", METHOD(log_faults), METH_FASTCALL, NULL},
    {"sync_log", METHOD(sync_log), METH_O, NULL},
    {"proportional", METHOD(proportional), METH_FASTCALL, NULL},
    {"resident_of", METHOD(resident_of), METH_O, NULL},
    {"forget", METHOD(forget), METH_FASTCALL, NULL},
    {"misses_of", METHOD(misses_of), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

int
add_touch(PyObject *module)
{
    random_text = PyUnicode_InternFromString("random");
    each_text = PyUnicode_InternFromString("each");
    if (random_text == NULL || each_text == NULL || PyModule_AddType(module, &TouchClassType) < 0 ||
        PyModule_AddType(module, &PagesType) < 0 || PyModule_AddType(module, &ReadSetType) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
