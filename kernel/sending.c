/* The numbers of a stream; its reference is dcsim/model/sending.py. */
#include "scan.h"
#include "transport.h"

static const double PAGE = 4096.0;

enum { KINDS = 4 }; /* as many as there are MIGRATION_KINDS */

typedef struct {
    PyObject_HEAD
    Scan *scan;
    Transport *transport;
    double wire, window;
    double page_bytes, zero_share, delta_share, scan_shown, idle_s, counted;
    double sent, before, by_kind[KINDS], raw, normal, zero, deltas;
    int kind;
    char zero_pages;
} Sending;

static int
Sending_init(Sending *self, PyObject *args, PyObject *kwargs)
{
    PyObject *scan, *transport;
    int zero_pages;
    if (kwargs != NULL) {
        PyErr_SetString(PyExc_TypeError, "no arguments by name expected");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "O!O!ddp", &ScanType, &scan, &TransportType, &transport,
                          &self->wire, &self->window, &zero_pages))
        return -1;
    Py_XSETREF(self->scan, (Scan *)Py_NewRef(scan));
    Py_XSETREF(self->transport, (Transport *)Py_NewRef(transport));
    self->zero_pages = (char)zero_pages;
    self->page_bytes = PAGE;
    self->scan_shown = 1.0;
    return 0;
}

static void
Sending_dealloc(Sending *self)
{
    Py_XDECREF(self->scan);
    Py_XDECREF(self->transport);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static int
is_made(const Sending *self)
{
    if (self->scan == NULL || self->transport == NULL)
        PyErr_SetString(PyExc_RuntimeError, "nothing is being sent");
    return self->scan != NULL && self->transport != NULL;
}

static PyObject *
Sending_plan(Sending *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"cap", "fits_s", "found"};
    PyObject *given[3];
    double cap = 0.0, fits_s = 0.0, cached = 0.0, size;
    if (!is_made(self) || arguments(args, count, kwnames, names, 3, 1, given) < 0 ||
        number(given[0], &cap) < 0 || number(given[1], &fits_s) < 0 ||
        number(given[2], &cached) < 0)
        return NULL;
    const Transport *transport = self->transport;
    Found found = scan_pending_here(self->scan);
    Some pages = {found.normal, found.zero, found.ballooned, cached};
    double all = pages.normal + pages.zero + pages.ballooned;
    if (!self->zero_pages) {
        pages.normal = all;
        pages.zero = pages.ballooned = 0.0;
    }
    double thread_s = transport_takes(transport, pages, self->wire, self->scan_shown, &size);
    if (size > 0) {
        self->page_bytes = size / all;
        self->zero_share = (pages.zero + pages.ballooned) / all;
        self->delta_share = transport->delta < transport->whole ? cached / all : 0.0;
        double busy_s = size / cap;
        if (busy_s >= self->window && self->window > 0)
            self->idle_s = most(0.0, 1 - thread_s * cap / size) * self->window;
        if (busy_s < thread_s)
            busy_s = thread_s;
        if (pages.ballooned > 0)
            busy_s += transport_added_s(transport, pages.ballooned);
        cap = busy_s > 0 ? size / busy_s : Py_HUGE_VAL;
    }
    double beyond = 0.0;
    if (fits_s > 0 && PyTuple_GET_SIZE(self->scan->regions) > 1)
        beyond = scan_pending(self->scan) * self->page_bytes - size;
    return Py_BuildValue("(dddd)", size, cap, fits_s * self->page_bytes / PAGE, beyond);
}

static PyObject *
Sending_go_on(Sending *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"hide"};
    PyObject *given[1];
    char hide;
    if (!is_made(self) || arguments(args, count, kwnames, names, 1, 1, given) < 0 ||
        truth(given[0], &hide) < 0)
        return NULL;
    if (!scan_next_region(self->scan))
        Py_RETURN_FALSE;
    double scan_s = transport_scan_s(self->transport, scan_pending_here(self->scan).zero);
    double hidden_s = hide ? least(scan_s, self->idle_s) : 0.0;
    self->idle_s -= hidden_s;
    self->scan_shown = scan_s > 0 ? 1 - hidden_s / scan_s : 1.0;
    Py_RETURN_TRUE;
}

static PyObject *
Sending_count_as(Sending *self, PyObject *arg)
{
    long kind = PyLong_AsLong(arg);
    if (kind == -1 && PyErr_Occurred())
        return NULL;
    if (kind < 0 || kind >= KINDS) {
        PyErr_SetString(PyExc_IndexError, "there is no such kind");
        return NULL;
    }
    self->kind = (int)kind;
    self->before = self->sent - self->by_kind[kind];
    Py_RETURN_NONE;
}

static PyObject *
Sending_by_kind(Sending *self, void *closure)
{
    (void)closure;
    const double *kind = self->by_kind;
    return Py_BuildValue("(dddd)", kind[0], kind[1], kind[2], kind[3]);
}

static PyObject *
Sending_count(Sending *self, PyObject *arg)
{
    double total = 0.0;
    if (number(arg, &total) < 0)
        return NULL;
    double sent = total - self->counted;
    if (sent <= 0)
        return PyFloat_FromDouble(0.0);
    self->counted += sent;
    self->by_kind[self->kind] += sent;
    self->sent = self->before + self->by_kind[self->kind];
    if (self->raw > 0) {
        double raw = least(self->raw, sent);
        self->raw -= raw;
        sent -= raw;
    }
    double pages = sent / self->page_bytes;
    self->normal += pages * (1 - self->zero_share - self->delta_share);
    self->zero += pages * self->zero_share;
    self->deltas += pages * self->delta_share;
    return PyFloat_FromDouble(pages);
}

static PyMemberDef Sending_members[] = {
    {"scan", T_OBJECT_EX, offsetof(Sending, scan), READONLY, NULL},
    {"transport", T_OBJECT_EX, offsetof(Sending, transport), READONLY, NULL},
    {"wire", T_DOUBLE, offsetof(Sending, wire), READONLY, NULL},
    {"window", T_DOUBLE, offsetof(Sending, window), READONLY, NULL},
    {"zero_pages", T_BOOL, offsetof(Sending, zero_pages), READONLY, NULL},
    {"page_bytes", T_DOUBLE, offsetof(Sending, page_bytes), 0, NULL},
    {"sent", T_DOUBLE, offsetof(Sending, sent), 0, NULL},
    {"raw", T_DOUBLE, offsetof(Sending, raw), 0, NULL},
    {"normal", T_DOUBLE, offsetof(Sending, normal), 0, NULL},
    {"zero", T_DOUBLE, offsetof(Sending, zero), 0, NULL},
    {"deltas", T_DOUBLE, offsetof(Sending, deltas), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef Sending_getset[] = {
    {"by_kind", (getter)Sending_by_kind, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef Sending_methods[] = {
    {"plan", METHOD(Sending_plan), NAMED, NULL},
    {"go_on", METHOD(Sending_go_on), NAMED, NULL},
    {"count_as", METHOD(Sending_count_as), METH_O, NULL},
    {"count", METHOD(Sending_count), METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject SendingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.sending.Sending",
    .tp_basicsize = sizeof(Sending),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Sending_init,
    .tp_dealloc = (destructor)Sending_dealloc,
    .tp_members = Sending_members,
    .tp_getset = Sending_getset,
    .tp_methods = Sending_methods,
};

int
add_sending(PyObject *module)
{
    return PyModule_AddType(module, &SendingType);
}
