/* Ways of as few links as can be; its reference is Ways in dcsim/model/routing.py.
 *
 * Where the reference knows rings of switches around a target, this knows the hops from each switch:
 * a search for each rack, or for each target that hangs on several switches. */
#include "kernel.h"

#include <stdint.h>

static const int FAR = INT32_MAX;

typedef struct {
    PyObject_HEAD
    Py_ssize_t nodes, links;
    int *tail, *head;        /* of each link */
    int *number;             /* of each node among the switches; -1: it is none */
    int *out_at, *out;       /* links to switches: those from node n begin at out[out_at[n]] */
    int *onto;               /* the number of the switch that each of these leads to */
    int *in_at, *in;         /* links to each node likewise */
    int switches, **hops;    /* from each switch: to hosts of a switch, then to other targets */
    int *queue, *choice, *way; /* room for a search, for choices, and for a way */
} Ways;

static void
Ways_dealloc(Ways *self)
{
    for (Py_ssize_t i = 0; self->hops != NULL && i < 2 * self->nodes; i++)
        PyMem_Free(self->hops[i]);
    int *owned[] = {self->tail, self->head, self->number, self->out_at, self->out, self->onto,
                    self->in_at, self->in, self->queue, self->choice, self->way};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        PyMem_Free(owned[i]);
    PyMem_Free(self->hops);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* ------------------------------------------------------------------ what it is made of */

static int
allocate(Ways *self)
{
    size_t nodes = (size_t)self->nodes + 1, links = (size_t)self->links + 1;
    int **owned[] = {&self->tail, &self->head, &self->out, &self->onto, &self->in, &self->choice};
    int **by_node[] = {&self->number, &self->out_at, &self->in_at, &self->queue, &self->way};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if ((*owned[i] = PyMem_Calloc(links, sizeof(int))) == NULL)
            return -1;
    for (size_t i = 0; i < sizeof by_node / sizeof *by_node; i++)
        if ((*by_node[i] = PyMem_Calloc(nodes + 1, sizeof(int))) == NULL)
            return -1;
    return (self->hops = PyMem_Calloc(2 * nodes, sizeof(int *))) == NULL ? -1 : 0;
}

/* Return a node, or -1 with an exception set. */
static int
node_of(const Ways *self, PyObject *object)
{
    long node = PyLong_AsLong(object);
    if (node == -1 && PyErr_Occurred())
        return -1;
    if (node < 0 || node >= self->nodes) {
        PyErr_SetString(PyExc_IndexError, "there is no such node");
        return -1;
    }
    return (int)node;
}

/* Read the ends of links; those that are closed get -1. */
static int
read_links(Ways *self, PyObject *tails, PyObject *heads, PyObject *closed)
{
    for (Py_ssize_t link = 0; link < self->links; link++) {
        if ((self->tail[link] = node_of(self, PySequence_Fast_GET_ITEM(tails, link))) < 0 ||
            (self->head[link] = node_of(self, PySequence_Fast_GET_ITEM(heads, link))) < 0)
            return -1;
        if (PySet_GET_SIZE(closed) == 0)
            continue;
        PyObject *name = PyLong_FromSsize_t(link);
        int found = name == NULL ? -1 : PySet_Contains(closed, name);
        Py_XDECREF(name);
        if (found < 0)
            return -1;
        if (found)
            self->tail[link] = -1;
    }
    return 0;
}

/* Sort the links by their ends: each node's are in order. */
static void
sort_links(Ways *self)
{
    int *out_at = self->out_at, *in_at = self->in_at;
    for (int fill = 0; fill < 2; fill++) {
        for (int link = 0; link < self->links; link++) {
            int tail = self->tail[link], head = self->head[link];
            if (tail < 0)
                continue;
            if (fill)
                self->in[in_at[head + 1]++] = link;
            else
                in_at[head + 2]++;
            if (self->number[head] < 0)
                continue;
            if (fill) {
                self->onto[out_at[tail + 1]] = self->number[head];
                self->out[out_at[tail + 1]++] = link;
            }
            else
                out_at[tail + 2]++;
        }
        /* Where each begins stands one further on, and comes to its place as it is filled. */
        for (Py_ssize_t node = 2; !fill && node <= self->nodes + 1; node++) {
            in_at[node] += in_at[node - 1];
            out_at[node] += out_at[node - 1];
        }
    }
}

static PyObject *
Ways_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"switches", "tails", "heads", "closed"};
    PyObject *given[4];
    if (arguments(args, PyVectorcall_NARGS(nargsf), kwnames, names, 4, 4, given) < 0)
        return NULL;
    if (!PyAnySet_Check(given[3]))
        return PyErr_Format(PyExc_TypeError, "a set of links expected");
    PyObject *switches = PySequence_Fast(given[0], "nodes expected");
    PyObject *tails = PySequence_Fast(given[1], "links expected");
    PyObject *heads = PySequence_Fast(given[2], "links expected");
    Ways *self = NULL;
    if (switches == NULL || tails == NULL || heads == NULL)
        goto done;
    if (PySequence_Fast_GET_SIZE(tails) != PySequence_Fast_GET_SIZE(heads)) {
        PyErr_SetString(PyExc_ValueError, "a link has two ends");
        goto done;
    }
    self = (Ways *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self == NULL)
        goto done;
    self->nodes = PySequence_Fast_GET_SIZE(switches);
    self->links = PySequence_Fast_GET_SIZE(tails);
    if (allocate(self) < 0) {
        PyErr_NoMemory();
        goto failed;
    }
    for (Py_ssize_t node = 0; node < self->nodes; node++) {
        int is_one = PyObject_IsTrue(PySequence_Fast_GET_ITEM(switches, node));
        if (is_one < 0)
            goto failed;
        self->number[node] = is_one ? self->switches++ : -1;
    }
    if (read_links(self, tails, heads, given[3]) == 0) {
        sort_links(self);
        goto done;
    }
failed:
    Py_CLEAR(self);
done:
    Py_XDECREF(switches);
    Py_XDECREF(tails);
    Py_XDECREF(heads);
    return (PyObject *)self;
}

/* ------------------------------------------------------------------ searching */

/* Return the hops from each switch to a target, found when first asked for; NULL: no memory. */
static const int *
hops_to(Ways *self, int target)
{
    int *in_at = self->in_at, slot = (int)self->nodes + target, begin = in_at[target];
    int only = begin < in_at[target + 1] ? self->tail[self->in[begin]] : -1;
    for (int i = begin; i < in_at[target + 1] && only >= 0; i++)
        if (self->tail[self->in[i]] != only)
            only = -1;
    if (only >= 0 && self->number[only] >= 0)
        slot = only; /* as for all hosts that hang on this switch */
    if (self->hops[slot] != NULL)
        return self->hops[slot];
    int *hops = PyMem_Malloc(((size_t)self->switches + 1) * sizeof(int)), found = 0;
    if (hops == NULL)
        return NULL;
    for (int i = 0; i < self->switches; i++)
        hops[i] = FAR;
    for (int next = -1; next < found; next++) {
        int node = next < 0 ? target : self->queue[next];
        int away = next < 0 ? 1 : hops[self->number[node]] + 1;
        for (int i = in_at[node]; i < in_at[node + 1]; i++) {
            int behind = self->tail[self->in[i]];
            if (self->number[behind] >= 0 && hops[self->number[behind]] == FAR) {
                hops[self->number[behind]] = away;
                self->queue[found++] = behind;
            }
        }
    }
    return self->hops[slot] = hops;
}

/* Put the links that begin a shortest way from a node where choices are; return how many. */
static int
look_ahead(Ways *self, const int *hops, int node, int target)
{
    int count = 0, least = FAR;
    if (self->number[node] < 0 || hops[self->number[node]] == 1)
        for (int i = self->in_at[target]; i < self->in_at[target + 1]; i++)
            if (self->tail[self->in[i]] == node)
                self->choice[count++] = self->in[i];
    if (count > 0)
        return count;
    for (int i = self->out_at[node]; i < self->out_at[node + 1]; i++) {
        int away = hops[self->onto[i]];
        if (away < least) {
            least = away;
            count = 0;
        }
        if (away == least && away != FAR)
            self->choice[count++] = self->out[i];
    }
    return count;
}

static PyObject *
tuple_of(const int *links, int count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; tuple != NULL && i < count; i++) {
        PyObject *link = PyLong_FromLong(links[i]);
        if (link == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, link);
    }
    return tuple;
}

/* Return output n of splitmix64, as a number below `below`. */
static int
hashed(uint64_t seed, uint64_t n, int below)
{
    uint64_t z = seed + n * UINT64_C(0x9E3779B97F4A7C15), many = (uint64_t)below;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (int)(((z >> 32) * many + ((z & UINT32_MAX) * many >> 32)) >> 32);
}

static PyObject *
Ways_walk(Ways *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"source", "target", "key"};
    PyObject *given[3];
    int node, target, hop = 0;
    if (arguments(args, nargs, kwnames, names, 3, 3, given) < 0 ||
        (node = node_of(self, given[0])) < 0 || (target = node_of(self, given[1])) < 0)
        return NULL;
    int by_hash = given[2] != Py_None, quotient = target;
    uint64_t key = by_hash ? PyLong_AsUnsignedLongLongMask(given[2]) : 0;
    if (PyErr_Occurred())
        return NULL;
    const int *hops = hops_to(self, target);
    if (hops == NULL)
        return PyErr_NoMemory();
    do {
        int count = look_ahead(self, hops, node, target), chosen = 0;
        if (count == 0)
            return PyTuple_New(0);
        hop++;
        if (count > 1 && by_hash)
            chosen = hashed(key, (uint64_t)hop, count);
        else if (count > 1) {
            chosen = quotient % count;
            quotient /= count;
        }
        self->way[hop - 1] = self->choice[chosen];
        node = self->head[self->choice[chosen]];
    } while (node != target);
    return tuple_of(self->way, hop);
}

static PyObject *
Ways_choices(Ways *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"node", "target"};
    PyObject *given[2];
    int node, target;
    if (arguments(args, nargs, kwnames, names, 2, 2, given) < 0 ||
        (node = node_of(self, given[0])) < 0 || (target = node_of(self, given[1])) < 0)
        return NULL;
    const int *hops = hops_to(self, target);
    if (hops == NULL)
        return PyErr_NoMemory();
    return tuple_of(self->choice, look_ahead(self, hops, node, target));
}

static PyMethodDef Ways_methods[] = {
    {"walk", METHOD(Ways_walk), NAMED, NULL},
    {"choices", METHOD(Ways_choices), NAMED, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject WaysType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.routing.Ways",
    .tp_basicsize = sizeof(Ways),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)Ways_dealloc,
    .tp_vectorcall = Ways_make,
    .tp_methods = Ways_methods,
};

int
add_routing(PyObject *module)
{
    return PyModule_AddType(module, &WaysType);
}
