/* Who reads which files, and what is remembered; its reference is dcsim/model/readers.py. */
#include "readers.h"
#include <math.h>

/* ------------------------------------------------------------------ ReadSet */

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

double
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

int
reader_sweeps(const ReadSet *self)
{
    return CLASSES(self) > 0 && CLASS(self, 0)->each;
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

double
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
        if (class_from(PyTuple_GET_ITEM(given[0], i)) == NULL)
            return NULL;
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
    return PyBool_FromLong(reader_sweeps(self));
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
#define COUNT(readers) PyTuple_GET_SIZE(readers)
#define READER(readers, i) ((ReadSet *)PyTuple_GET_ITEM(readers, i))

int
are_readers(PyObject *sets)
{
    if (!PyTuple_Check(sets)) {
        PyErr_SetString(PyExc_TypeError, "a tuple expected");
        return -1;
    }
    for (Py_ssize_t i = 0; i < COUNT(sets); i++)
        if (!PyObject_TypeCheck(PyTuple_GET_ITEM(sets, i), &ReadSetType)) {
            PyErr_SetString(PyExc_TypeError, "sets that are read expected");
            return -1;
        }
    return 0;
}

double *
numbers_from(PyObject *sequence, Py_ssize_t count, Py_ssize_t more)
{
    if ((!PyList_Check(sequence) && !PyTuple_Check(sequence)) ||
        PySequence_Fast_GET_SIZE(sequence) != count) {
        PyErr_SetString(PyExc_ValueError, "a number for each expected");
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

double
readers_resident(PyObject *readers)
{
    double total = 0.0;
    for (Py_ssize_t i = 0; i < COUNT(readers); i++)
        total += reader_resident(READER(readers, i), READER(readers, i)->remembered);
    return total;
}

int
readers_proportional(PyObject *readers, const double *touches)
{
    double remembered = 0.0, made = 0.0;
    if (COUNT(readers) < 2)
        return 1;
    for (Py_ssize_t i = 0; i < COUNT(readers); i++) {
        remembered += READER(readers, i)->remembered;
        made += touches[i];
    }
    if (remembered <= 0 || made <= 0)
        return 0;
    for (Py_ssize_t i = 0; i < COUNT(readers); i++)
        if (!(fabs(READER(readers, i)->remembered / remembered - touches[i] / made) < 1e-9))
            return 0;
    return 1;
}

enum which { ALL, SWEEPS, OTHERS };

static int
among(const ReadSet *reader, enum which which)
{
    return which == ALL || reader_sweeps(reader) == (which == SWEEPS);
}

/* `touches` are those on top of what is remembered; NULL: what is remembered, from nothing. */
static double
reach(PyObject *readers, enum which which, const double *touches, double target, double start)
{
    double share = start;
    for (int step = 0; step < NEWTON_STEPS; step++) {
        double value = 0.0, slope = 0.0;
        for (Py_ssize_t i = 0; i < COUNT(readers); i++) {
            const ReadSet *reader = READER(readers, i);
            if (!among(reader, which))
                continue;
            double base = touches == NULL ? 0.0 : reader->remembered, rise;
            double count = touches == NULL ? reader->remembered : touches[i];
            value += reader_curve(reader, base + share * count, &rise);
            slope += rise * count;
        }
        double gap = target - value;
        if (gap <= 1e-12 * target || slope <= 0)
            break;
        share += gap / slope;
    }
    return share;
}

static void
forget(PyObject *readers, enum which which, double pages)
{
    double share = 0.0;
    if (pages > 0) {
        double whole = 0.0, slope = 0.0, total = 0.0;
        for (Py_ssize_t i = 0; i < COUNT(readers); i++) {
            const ReadSet *reader = READER(readers, i);
            if (!among(reader, which))
                continue;
            double rise;
            whole += reader_curve(reader, reader->remembered, &rise);
            slope += rise * reader->remembered;
            total += reader->remembered;
        }
        double start = most(slope > 0 ? 1 - (whole - pages) / slope : 0.0, pages / total);
        share = reach(readers, which, NULL, pages, start);
    }
    for (Py_ssize_t i = 0; i < COUNT(readers); i++)
        if (among(READER(readers, i), which))
            READER(readers, i)->remembered = share * READER(readers, i)->remembered;
}

void
readers_forget(PyObject *readers, double pages, int swept_first)
{
    if (!swept_first) {
        forget(readers, ALL, pages);
        return;
    }
    double kept = 0.0;
    for (Py_ssize_t i = 0; i < COUNT(readers); i++)
        if (among(READER(readers, i), OTHERS))
            kept += reader_resident(READER(readers, i), READER(readers, i)->remembered);
    double room = pages - kept;
    forget(readers, SWEEPS, most(0.0, room));
    if (room < 0)
        forget(readers, OTHERS, pages);
}

/* Put down what will be resident of each after a share of the touches; return the sum. */
static double
resident_after(PyObject *readers, const double *touches, double share, double *after)
{
    double total = 0.0;
    for (Py_ssize_t i = 0; i < COUNT(readers); i++) {
        ReadSet *reader = READER(readers, i);
        after[i] = reader_resident(reader, reader->remembered + share * touches[i]);
        total += after[i];
    }
    return total;
}

double
readers_misses(PyObject *readers, const double *touches, double room, int tight, double *misses,
               double *scratch)
{
    double *before = scratch, *after = scratch + COUNT(readers);
    double start = resident_after(readers, touches, 0.0, before), share = 1.0;
    if (tight && readers_proportional(readers, touches))
        share = 0.0;
    else if (resident_after(readers, touches, 1.0, after) - start > room)
        share = tight ? 0.0 : reach(readers, ALL, touches, start + room, 0.0);
    if (share == 0.0)
        after = before;
    else if (share < 1.0)
        resident_after(readers, touches, share, after);
    for (Py_ssize_t i = 0; i < COUNT(readers); i++) {
        const ReadSet *reader = READER(readers, i);
        misses[i] = most(0.0, after[i] - before[i]);
        if (share < 1.0) {
            double rest = (1 - share) * touches[i];
            misses[i] += rest * reader_miss(reader, reader->remembered + share * touches[i]);
        }
    }
    return share;
}

/* ------------------------------------------------------------------ Stretch */

#define STRAYED 0.1
#define ROUNDING 1e-9

PyTypeObject StretchType;

Stretch *
stretch_of(PyObject *readers, PyObject *reads, double room, int tight)
{
    Py_ssize_t count = COUNT(readers);
    Stretch *self = PyObject_New(Stretch, &StretchType);
    if (self == NULL)
        return NULL;
    self->readers = Py_NewRef(readers);
    self->misses = PyList_New(count);
    self->reads = numbers_from(reads, count, 6 * count);
    if (self->misses == NULL || self->reads == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    self->start = self->reads + count;
    self->done = self->start + count;
    self->room = room;
    self->starts_with = self->ends_with = 0.0;
    self->chances = self->done + count;
    double *missed = self->chances + count;
    readers_misses(readers, self->reads, room, tight, missed, missed + count);
    for (Py_ssize_t i = 0; i < count; i++) {
        ReadSet *reader = READER(readers, i);
        double read = self->reads[i], remembered = self->start[i] = reader->remembered;
        self->done[i] = 0.0;
        self->chances[i] = read > 0 ? missed[i] / read : reader_miss(reader, remembered);
        PyList_SET_ITEM(self->misses, i, PyFloat_FromDouble(self->chances[i]));
        self->ends_with += reader_resident(reader, remembered + read);
        self->starts_with += reader_resident(reader, remembered);
    }
    return self;
}

static void
Stretch_dealloc(Stretch *self)
{
    Py_XDECREF(self->readers);
    Py_XDECREF(self->misses);
    PyMem_Free(self->reads);
    PyObject_Free(self);
}

void
stretch_note(Stretch *self, const double *touches)
{
    for (Py_ssize_t i = 0; i < COUNT(self->readers); i++)
        self->done[i] += touches[i];
}

int
stretch_is_through(const Stretch *self)
{
    for (Py_ssize_t i = 0; i < COUNT(self->readers); i++)
        if (self->done[i] >= self->reads[i] - ROUNDING * (self->start[i] + self->reads[i]))
            return 1;
    return 0;
}

int
stretch_goes_on(const Stretch *self, double room)
{
    if (stretch_is_through(self))
        return 0;
    for (Py_ssize_t i = 0; i < COUNT(self->readers); i++) {
        double start = self->start[i], slack = ROUNDING * (start + self->reads[i]);
        double remembered = READER(self->readers, i)->remembered;
        if (!(start - slack <= remembered && remembered <= start + self->done[i] + slack))
            return 0;
    }
    double resident = readers_resident(self->readers);
    double rest = self->ends_with - resident;
    double expected = self->room - (resident - self->starts_with);
    double strayed = fabs(least(room, rest) - least(expected, rest));
    return strayed <= STRAYED * (self->ends_with - self->starts_with);
}

static PyObject *
Stretch_left(Stretch *self, PyObject *none)
{
    (void)none;
    PyObject *left = PyList_New(COUNT(self->readers));
    for (Py_ssize_t i = 0; left != NULL && i < COUNT(self->readers); i++)
        PyList_SET_ITEM(left, i, PyFloat_FromDouble(self->reads[i] - self->done[i]));
    return left;
}

static PyObject *
Stretch_is_through(Stretch *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(stretch_is_through(self));
}

static PyGetSetDef Stretch_getset[] = {
    {"is_through", (getter)Stretch_is_through, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Stretch_members[] = {
    {"readers", T_OBJECT_EX, offsetof(Stretch, readers), READONLY, NULL},
    {"misses", T_OBJECT_EX, offsetof(Stretch, misses), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef Stretch_methods[] = {
    {"left", METHOD(Stretch_left), METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject StretchType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.readers.Stretch",
    .tp_basicsize = sizeof(Stretch),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)Stretch_dealloc,
    .tp_members = Stretch_members,
    .tp_getset = Stretch_getset,
    .tp_methods = Stretch_methods,
};

int
add_readers(PyObject *module)
{
    if (PyType_Ready(&StretchType) < 0)
        return -1;
    return PyModule_AddType(module, &ReadSetType);
}
