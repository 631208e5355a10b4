/* What pages cost on their way; its reference is dcsim/model/transport.py. */
#include "transport.h"

static double
transport_work_s(const Transport *self, Some pages, double size)
{
    double saved = pages.cached * (1 - self->delta / self->whole);
    return (pages.normal - saved) * self->send_s / self->ratio + pages.normal * self->compress_s +
           pages.cached * self->compare_s + size * self->encrypt_s;
}

double
transport_scan_s(const Transport *self, double zeros)
{
    return zeros * self->zero_s / self->scanners;
}

double
transport_added_s(const Transport *self, double ballooned)
{
    return ballooned * self->ballooned_s / self->scanners;
}

double
transport_takes(const Transport *self, Some pages, double wire, double scan_shown, double *size_to)
{
    double saved = pages.cached * (self->whole - self->delta);
    double size =
        pages.normal * self->whole - saved + (pages.zero + pages.ballooned) * self->zero;
    double scan_s = transport_scan_s(self, pages.zero) * scan_shown;
    double work_s = transport_work_s(self, pages, size), wire_s = size / wire;
    double sending_s = (work_s > wire_s ? work_s : wire_s) / self->threads;
    *size_to = size;
    return self->scanners == self->threads ? scan_s + sending_s : most(scan_s, sending_s);
}

/* ------------------------------------------------------------------ as a type */

static PyMemberDef members[] = { /* in the order in which they are given */
    {"whole", T_DOUBLE, offsetof(Transport, whole), READONLY, NULL},
    {"zero", T_DOUBLE, offsetof(Transport, zero), READONLY, NULL},
    {"delta", T_DOUBLE, offsetof(Transport, delta), READONLY, NULL},
    {"threads", T_INT, offsetof(Transport, threads), READONLY, NULL},
    {"scanners", T_INT, offsetof(Transport, scanners), READONLY, NULL},
    {"send_s", T_DOUBLE, offsetof(Transport, send_s), READONLY, NULL},
    {"compress_s", T_DOUBLE, offsetof(Transport, compress_s), READONLY, NULL},
    {"compare_s", T_DOUBLE, offsetof(Transport, compare_s), READONLY, NULL},
    {"ratio", T_DOUBLE, offsetof(Transport, ratio), READONLY, NULL},
    {"encrypt_s", T_DOUBLE, offsetof(Transport, encrypt_s), READONLY, NULL},
    {"zero_s", T_DOUBLE, offsetof(Transport, zero_s), READONLY, NULL},
    {"ballooned_s", T_DOUBLE, offsetof(Transport, ballooned_s), READONLY, NULL},
    {"tunnel", T_DOUBLE, offsetof(Transport, tunnel), READONLY, NULL},
    {"raw", T_DOUBLE, offsetof(Transport, raw), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

enum { MEMBERS = sizeof(members) / sizeof(*members) - 1 };

static PyObject *
Transport_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    const char *names[MEMBERS];
    PyObject *given[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        names[i] = members[i].name;
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, MEMBERS, MEMBERS, given) < 0)
        return NULL;
    Transport *self = (Transport *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    for (int i = 0; self != NULL && i < MEMBERS; i++) {
        void *into = (char *)self + members[i].offset;
        if (members[i].type == T_INT)
            *(int *)into = (int)PyLong_AsLong(given[i]);
        else
            *(double *)into = PyFloat_AsDouble(given[i]);
        if (PyErr_Occurred())
            Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *
Transport_reduce(Transport *self, PyObject *unused)
{
    (void)unused;
    PyObject *values = PyTuple_New(MEMBERS);
    for (int i = 0; values != NULL && i < MEMBERS; i++) {
        PyObject *value = PyMember_GetOne((const char *)self, &members[i]);
        if (value == NULL)
            Py_CLEAR(values);
        else
            PyTuple_SET_ITEM(values, i, value);
    }
    return values == NULL ? NULL : Py_BuildValue("(ON)", &TransportType, values);
}

static int
some_from(PyObject *object, Some *into)
{
    if (!PyTuple_Check(object) || PyTuple_GET_SIZE(object) != 4) {
        PyErr_SetString(PyExc_TypeError, "four numbers of pages expected");
        return -1;
    }
    double *const parts[] = {&into->normal, &into->zero, &into->ballooned, &into->cached};
    for (int i = 0; i < 4; i++)
        if (number(PyTuple_GET_ITEM(object, i), parts[i]) < 0)
            return -1;
    return 0;
}

static PyObject *
Transport_work_s(Transport *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"pages", "size"};
    PyObject *given[2];
    Some pages;
    double size = 0.0;
    if (arguments(args, count, kwnames, names, 2, 2, given) < 0 ||
        some_from(given[0], &pages) < 0 || number(given[1], &size) < 0)
        return NULL;
    return PyFloat_FromDouble(transport_work_s(self, pages, size));
}

static PyObject *
Transport_takes(Transport *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"pages", "wire", "scan_shown"};
    PyObject *given[3];
    Some pages;
    double wire = 0.0, scan_shown = 1.0, size;
    if (arguments(args, count, kwnames, names, 3, 2, given) < 0 ||
        some_from(given[0], &pages) < 0 || number(given[1], &wire) < 0 ||
        number(given[2], &scan_shown) < 0)
        return NULL;
    double thread_s = transport_takes(self, pages, wire, scan_shown, &size);
    return Py_BuildValue("(dd)", size, thread_s);
}

static PyObject *
Transport_scan_s(Transport *self, PyObject *arg)
{
    double zeros = 0.0;
    return number(arg, &zeros) < 0 ? NULL : PyFloat_FromDouble(transport_scan_s(self, zeros));
}

static PyObject *
Transport_added_s(Transport *self, PyObject *arg)
{
    double pages = 0.0;
    return number(arg, &pages) < 0 ? NULL : PyFloat_FromDouble(transport_added_s(self, pages));
}

static PyMethodDef Transport_methods[] = {
    {"work_s", METHOD(Transport_work_s), NAMED, NULL},
    {"scan_s", METHOD(Transport_scan_s), METH_O, NULL},
    {"takes", METHOD(Transport_takes), NAMED, NULL},
    {"added_s", METHOD(Transport_added_s), METH_O, NULL},
    {"__reduce__", METHOD(Transport_reduce), METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject TransportType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.transport.Transport",
    .tp_basicsize = sizeof(Transport),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_vectorcall = Transport_make,
    .tp_members = members,
    .tp_methods = Transport_methods,
};

int
add_transport(PyObject *module)
{
    return PyModule_AddType(module, &TransportType);
}
