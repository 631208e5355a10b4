/* What a guest's activities come to together; its reference is dcsim/model/work.py. */
#include "pool.h"

#define ALL_BUT 1e-9

typedef struct {
    double work_s, workers, lifetime;
    Py_ssize_t index;
    char reads, writes_files, allocates, dies;
} Doing;

typedef struct {
    PyObject_HEAD
    PyObject *activities;
    Py_ssize_t count, reads;
    Doing *doings;
} Work;

static PyTypeObject WorkType;
static PyObject *whole; /* 1.0 */

/* ------------------------------------------------------------------ the law */

static double
pace_of(const Doing *doing, double demand, double level, double share, double stall)
{
    if (share <= 0)
        return 0.0;
    double page_s = doing->work_s / share + stall;
    double able = page_s > 0 ? doing->workers / page_s : Py_HUGE_VAL;
    double wanted = level > 0 ? demand * level : 0.0;
    return wanted < able ? wanted : able;
}

static void
go(const Work *self, const double *demands, double level, double share, const double *stalls,
   double *rates)
{
    for (Py_ssize_t i = 0; i < self->count; i++)
        rates[i] = pace_of(&self->doings[i], demands[i], level, share, stalls[i]);
}

static double
used_by(const Work *self, const double *rates, double slowness)
{
    double total = 0.0;
    for (Py_ssize_t i = 0; i < self->count; i++)
        total += rates[i] * self->doings[i].work_s * slowness;
    return total;
}

static double
cpu_share(double vcpus, double demand)
{
    return demand > vcpus ? vcpus / demand : 1.0;
}

/* A share as an object: guests at rest, most of all, have one 1 for all that it is of. */
static PyObject *
share_of(double share)
{
    return share == 1.0 ? Py_NewRef(whole) : PyFloat_FromDouble(share);
}

/* Rates as a tuple: the demands themselves where they are equal. */
static PyObject *
rates_as(PyObject *demands, const double *wanted, const double *rates, Py_ssize_t count)
{
    int met = PyTuple_Check(demands);
    for (Py_ssize_t i = 0; met && i < count; i++)
        met = rates[i] == wanted[i];
    if (met)
        return Py_NewRef(demands);
    PyObject *told = PyTuple_New(count);
    for (Py_ssize_t i = 0; told != NULL && i < count; i++)
        PyTuple_SET_ITEM(told, i, PyFloat_FromDouble(rates[i]));
    return told;
}

/* ------------------------------------------------------------------ the type */

static int
number_named(PyObject *object, const char *name, double *into)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    int status = value == NULL ? -1 : number(value, into);
    Py_XDECREF(value);
    return status;
}

/* Whether an attribute is this word; an exception is set where there is none. */
static char
is_named(PyObject *object, const char *name, const char *word)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    int is = value != NULL && PyUnicode_Check(value) &&
             PyUnicode_CompareWithASCIIString(value, word) == 0;
    Py_XDECREF(value);
    return (char)is;
}

static int
doing_of(PyObject *activity, Doing *doing)
{
    double index = 0.0;
    PyObject *lifetime = PyObject_GetAttrString(activity, "lifetime_s");
    if (lifetime == NULL)
        return -1;
    doing->dies = lifetime != Py_None;
    doing->lifetime = 0.0;
    int status = doing->dies ? number(lifetime, &doing->lifetime) : 0;
    Py_DECREF(lifetime);
    if (status < 0 || number_named(activity, "work_s", &doing->work_s) < 0 ||
        number_named(activity, "workers", &doing->workers) < 0 ||
        number_named(activity, "index", &index) < 0)
        return -1;
    doing->index = (Py_ssize_t)index;
    doing->reads = is_named(activity, "do", "read");
    doing->writes_files = is_named(activity, "do", "write") && is_named(activity, "to", "cache");
    doing->allocates = is_named(activity, "do", "allocate");
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
Work_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"activities"};
    PyObject *given[1];
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 1, 1, given) < 0)
        return NULL;
    if (!PyTuple_Check(given[0])) {
        PyErr_SetString(PyExc_TypeError, "a tuple of activities expected");
        return NULL;
    }
    Work *self = (Work *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL)
        return NULL;
    self->activities = Py_NewRef(given[0]);
    self->count = PyTuple_GET_SIZE(given[0]);
    self->doings = PyMem_Malloc((size_t)self->count * sizeof(Doing) + 1);
    if (self->doings == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; self->doings != NULL && i < self->count; i++) {
        if (doing_of(PyTuple_GET_ITEM(given[0], i), &self->doings[i]) < 0)
            break;
        self->reads += self->doings[i].reads;
    }
    if (PyErr_Occurred())
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void
Work_dealloc(Work *self)
{
    Py_XDECREF(self->activities);
    PyMem_Free(self->doings);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
Work_reduce(Work *self, PyObject *none)
{
    (void)none;
    return Py_BuildValue("(O(O))", &WorkType, self->activities);
}

static PyObject *
Work_stalls(Work *self, PyObject *const *args, Py_ssize_t given)
{
    double latency = 0.0;
    if (given != 3) {
        PyErr_SetString(PyExc_TypeError, "readers, their misses and the latency expected");
        return NULL;
    }
    if (are_readers(args[0]) < 0 || number(args[2], &latency) < 0)
        return NULL;
    Py_ssize_t readers = PyTuple_GET_SIZE(args[0]);
    double *misses = numbers_from(args[1], readers, 0);
    PyObject *stalls = misses == NULL ? NULL : PyList_New(self->count);
    for (Py_ssize_t i = 0; stalls != NULL && i < self->count; i++) {
        Py_ssize_t index = self->doings[i].index;
        double stall = 0.0;
        if (self->doings[i].reads && (index < 0 || index >= readers)) {
            PyErr_SetString(PyExc_IndexError, "no such reader");
            Py_CLEAR(stalls);
            break;
        }
        if (self->doings[i].reads) {
            const ReadSet *reader = (ReadSet *)PyTuple_GET_ITEM(args[0], index);
            double pages = reader_sweeps(reader) ? (double)reader->read_ahead : 1.0;
            stall = misses[index] * latency / pages;
        }
        PyList_SET_ITEM(stalls, i, PyFloat_FromDouble(stall));
    }
    PyMem_Free(misses);
    return stalls;
}

static PyObject *
Work_rates(Work *self, PyObject *const *args, Py_ssize_t given)
{
    double level = 0.0, share = 0.0;
    if (given != 4) {
        PyErr_SetString(PyExc_TypeError, "demands, level, share and stalls expected");
        return NULL;
    }
    if (number(args[1], &level) < 0 || number(args[2], &share) < 0)
        return NULL;
    double *demands = numbers_from(args[0], self->count, self->count);
    double *stalls = demands == NULL ? NULL : numbers_from(args[3], self->count, 0);
    PyObject *told = NULL;
    if (stalls != NULL) {
        double *rates = demands + self->count;
        go(self, demands, level, share, stalls, rates);
        told = rates_as(args[0], demands, rates, self->count);
    }
    PyMem_Free(demands);
    PyMem_Free(stalls);
    return told;
}

static PyObject *
Work_used(Work *self, PyObject *const *args, Py_ssize_t given)
{
    double slowness = 1.0;
    if (given != 1 && given != 2) {
        PyErr_SetString(PyExc_TypeError, "rates, and how slow work is, expected");
        return NULL;
    }
    if (given == 2 && number(args[1], &slowness) < 0)
        return NULL;
    double *rates = numbers_from(args[0], self->count, 0);
    if (rates == NULL)
        return NULL;
    double total = used_by(self, rates, slowness);
    PyMem_Free(rates);
    return PyFloat_FromDouble(total);
}

static PyObject *
Work_needs(Work *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"demands", "level",    "stalls",  "base_stalls",
                                        "vcpus",   "slowness", "threads", "throttle"};
    PyObject *given[8], *told = NULL;
    Py_ssize_t n = self->count;
    double level = 0.0, vcpus = 0.0, slowness = 1.0, threads = 0.0, throttle = 0.0;
    if (arguments(args, count, kwnames, names, 8, 8, given) < 0 || number(given[1], &level) < 0 ||
        number(given[4], &vcpus) < 0 || number(given[5], &slowness) < 0 ||
        number(given[6], &threads) < 0 || number(given[7], &throttle) < 0)
        return NULL;
    double *demands = numbers_from(given[0], n, 2 * n);
    double *stalls = demands == NULL ? NULL : numbers_from(given[2], n, 0);
    double *undisturbed = stalls == NULL ? NULL : numbers_from(given[3], n, 0);
    if (undisturbed != NULL) {
        double *bases = demands + n, *rates = bases + n;
        int alike = slowness == 1.0;
        for (Py_ssize_t i = 0; alike && i < n; i++)
            alike = stalls[i] == undisturbed[i];
        go(self, demands, level, 1.0, undisturbed, bases);
        double demand = used_by(self, bases, 1.0), base_share = cpu_share(vcpus, demand);
        if (base_share < 1)
            go(self, demands, level, base_share, undisturbed, bases);
        if (!alike) {
            go(self, demands, level, 1 / slowness, stalls, rates);
            demand = used_by(self, rates, slowness);
        }
        double own_share = cpu_share(vcpus, demand);
        double policy_share = cpu_share(vcpus, demand + threads), running = 1 - throttle;
        if (running < 1) {
            vcpus *= running;
            go(self, demands, level, running / slowness, stalls, rates);
            demand = used_by(self, rates, slowness);
        }
        double wanted = demand + threads, share = running * cpu_share(vcpus, wanted);
        PyObject *told_bases = rates_as(given[0], demands, bases, n);
        if (told_bases != NULL)
            told = Py_BuildValue("(NNNNNd)", told_bases, share_of(base_share), share_of(own_share),
                                 share_of(policy_share), share_of(share), least(vcpus, wanted));
    }
    PyMem_Free(demands);
    PyMem_Free(stalls);
    PyMem_Free(undisturbed);
    return told;
}

/* The share of its pages that an activity gets, where fewer were to be had; -1 with an exception. */
static double
kept_of(PyObject *short_of, Py_ssize_t place, double wanted, double got)
{
    if (got < wanted * (1 - ALL_BUT) && short_of != Py_None) {
        PyObject *after = PyObject_CallFunction(short_of, "ndd", place, wanted, got);
        int status = after == NULL ? -1 : number(after, &got);
        Py_XDECREF(after);
        if (status < 0)
            return -1.0;
    }
    return got < wanted * (1 - ALL_BUT) ? got / wanted : 1.0;
}

/* The same list with another number in one place, whether it is the caller's or not. */
static int
put_share(PyObject **kept, Py_ssize_t place, double share)
{
    PyObject *changed = PySequence_List(*kept), *value = PyFloat_FromDouble(share);
    Py_DECREF(*kept);
    *kept = changed;
    if (changed == NULL || value == NULL) {
        Py_XDECREF(value);
        return -1;
    }
    return PyList_SetItem(changed, place, value);
}

static PyObject *
Work_go(Work *self, PyObject *const *args, Py_ssize_t given)
{
    double elapsed = 0.0, brought = 0.0, recycled = 0.0, missed = 0.0;
    Py_ssize_t n = self->count, reads = self->reads, at = 0;
    if (given != 5) {
        PyErr_SetString(PyExc_TypeError,
                        "a memory, pages, shares kept, the interval and who is short expected");
        return NULL;
    }
    Pool *memory = pool_from(args[0]);
    if (memory == NULL || number(args[3], &elapsed) < 0)
        return NULL;
    double *done = numbers_from(args[1], n, 5 * reads);
    double *touches = done == NULL ? NULL : done + n;
    double *shares = done == NULL ? NULL : numbers_from(args[2], n, 0);
    PyObject *kept = Py_NewRef(args[2]), *touched = NULL, *told = NULL;
    for (Py_ssize_t i = 0; shares != NULL && i < n; i++) {
        const Doing *doing = &self->doings[i];
        if (doing->writes_files) {
            if (pool_write(memory, doing->index, done[i] * shares[i]) < 0)
                goto end;
        }
        else if (doing->allocates && done[i] > 0) {
            double got, share;
            if (pool_allocate(memory, doing->index, done[i], doing->dies, doing->lifetime, elapsed,
                              &got) < 0 ||
                (share = kept_of(args[4], i, done[i], got)) < 0 ||
                (share < 1.0 && put_share(&kept, i, share) < 0))
                goto end;
        }
        else if (doing->reads)
            touches[at++] = done[i];
    }
    if (shares == NULL || (touched = PyList_New(reads)) == NULL)
        goto end;
    for (Py_ssize_t i = 0; i < reads; i++)
        PyList_SET_ITEM(touched, i, PyFloat_FromDouble(touches[i]));
    if (reads > 0 && pool_read(memory, touches, reads, &brought, &recycled) < 0)
        goto end;
    for (Py_ssize_t i = 0; i < reads; i++)
        missed += touches[reads + i];
    told = Py_BuildValue("(OOddd)", kept, touched, missed, brought, recycled);
end:
    Py_XDECREF(kept);
    Py_XDECREF(touched);
    PyMem_Free(done);
    PyMem_Free(shares);
    return told;
}

static PyMemberDef Work_members[] = {
    {"activities", T_OBJECT_EX, offsetof(Work, activities), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef Work_methods[] = {
    {"stalls", METHOD(Work_stalls), METH_FASTCALL, NULL},
    {"rates", METHOD(Work_rates), METH_FASTCALL, NULL},
    {"used", METHOD(Work_used), METH_FASTCALL, NULL},
    {"needs", METHOD(Work_needs), NAMED, NULL},
    {"go", METHOD(Work_go), METH_FASTCALL, NULL},
    {"__reduce__", METHOD(Work_reduce), METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject WorkType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.work.Work",
    .tp_basicsize = sizeof(Work),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)Work_dealloc,
    .tp_vectorcall = Work_make,
    .tp_members = Work_members,
    .tp_methods = Work_methods,
};

int
add_work(PyObject *module)
{
    whole = PyFloat_FromDouble(1.0);
    return whole == NULL ? -1 : PyModule_AddType(module, &WorkType);
}
