/* Who reads which files, and what is remembered; its reference is dcsim/model/readers.py. */
#include "touch.h"
#include <math.h>

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
    {"proportional", METHOD(proportional), METH_FASTCALL, NULL},
    {"resident_of", METHOD(resident_of), METH_O, NULL},
    {"forget", METHOD(forget), METH_FASTCALL, NULL},
    {"misses_of", METHOD(misses_of), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

int
add_readers(PyObject *module)
{
    if (PyModule_AddType(module, &ReadSetType) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
