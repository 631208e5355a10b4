/* Sharing the network. The reference, which says why, is dcsim/model/fabric.py: the same names, and
 * the same operations on doubles in the same order. */
#include "kernel.h"
#include <math.h>
#include <structmember.h>

#define AT_CAP (-1)
#define RISING (-2)
#define RISES (-1.0) /* the level of a flow that does */
#define TOLERANCE 1e-9
#define ROUNDING 1e-12
#define UNSENT 1e-3
#define CLOSED (-1)
#define NOWHERE (-1)

typedef struct Flow Flow;

/* A flow on one of its links, in the list of all flows on that link in the order of opening. The level
 * is the flow's, here for who goes through the list; held is whether this link holds it. */
typedef struct Crossing {
    struct Crossing *next, *previous;
    double level;
    int held, link;
    double share;
    Flow *flow;
} Crossing;

struct Flow {
    PyObject_HEAD
    PyObject *links, *shares, *kind, *listener, *waiter;
    double cap, weight, rate, was, heard, sent, strayed;
    double since, of_kind, left, margin, beyond, until, at;
    Crossing *crossed;
    const void *fabric; /* for comparison alone */
    Flow *previous, *next;
    Py_ssize_t place; /* in the heap of completions */
    long long number;
    int count, bottleneck;
    char changed;
};

typedef struct {
    double capacity, load, weight, level;
    Crossing *first, *last;
    int flows, rising, held;
    char fresh;
} Link;

typedef struct {
    double level;
    int link;
} Level;

typedef struct {
    double level;
    Flow *flow;
} Cap;

/* When a flow has sent what it is to send: the time is the flow's, here for who compares. */
typedef struct {
    double at;
    Flow *flow;
} Due;

#define VECTOR(Item)                                                                               \
    struct {                                                                                       \
        Item *items;                                                                               \
        Py_ssize_t used, room;                                                                     \
    }

typedef struct {
    PyObject_HEAD
    Link *links;
    int count;
    Flow *first, *last; /* all that are open */
    Py_ssize_t flows;
    long long opened, solves, flows_solved;
    double slack;
    VECTOR(Flow *) changed; /* strong */
    VECTOR(Flow *) risen;
    VECTOR(Due) due;
    VECTOR(Cap) caps;
    VECTOR(Level) levels;
    VECTOR(int) fresh;
    VECTOR(double *) carried;
    PyObject *kinds; /* name -> index into carried */
    Py_ssize_t rising;
} Fabric;

static PyTypeObject *flow_type;

/* Make room for so many items. */
static int
reserve_bytes(void **items, Py_ssize_t *room, Py_ssize_t wanted, size_t size)
{
    Py_ssize_t larger = *room ? *room : 16;
    void *moved;

    if (wanted <= *room)
        return 0;
    while (larger < wanted)
        larger *= 2;
    moved = PyMem_Realloc(*items, (size_t)larger * size);
    if (moved == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *items = moved;
    *room = larger;
    return 0;
}

#define RESERVE(vector, wanted)                                                                    \
    reserve_bytes((void **)&(vector).items, &(vector).room, (wanted), sizeof *(vector).items)

static inline int
waits(const Flow *flow)
{
    return flow->waiter != NULL && flow->waiter != Py_None;
}

/* ---------------------------------------------------------------------- heaps */

#define SIFT_UP(Item, items, at, BEFORE, MOVED)                                                    \
    do {                                                                                           \
        Item item = (items)[at];                                                                   \
        while ((at) > 0 && BEFORE(item, (items)[((at)-1) / 2])) {                                  \
            (items)[at] = (items)[((at)-1) / 2];                                                   \
            MOVED(items, at);                                                                      \
            (at) = ((at)-1) / 2;                                                                   \
        }                                                                                          \
        (items)[at] = item;                                                                        \
        MOVED(items, at);                                                                          \
    } while (0)

#define SIFT_DOWN(Item, items, used, at, BEFORE, MOVED)                                            \
    do {                                                                                           \
        Item item = (items)[at];                                                                   \
        Py_ssize_t child;                                                                          \
        while ((child = 2 * (at) + 1) < (used)) {                                                  \
            if (child + 1 < (used) && BEFORE((items)[child + 1], (items)[child]))                  \
                child++;                                                                           \
            if (!BEFORE((items)[child], item))                                                     \
                break;                                                                             \
            (items)[at] = (items)[child];                                                          \
            MOVED(items, at);                                                                      \
            (at) = child;                                                                          \
        }                                                                                          \
        (items)[at] = item;                                                                        \
        MOVED(items, at);                                                                          \
    } while (0)

#define LEVEL_BEFORE(a, b) ((a).level < (b).level || ((a).level == (b).level && (a).link < (b).link))
#define CAP_BEFORE(a, b)                                                                           \
    ((a).level < (b).level || ((a).level == (b).level && (a).flow->number < (b).flow->number))
#define DUE_BEFORE(a, b)                                                                           \
    ((a).at < (b).at || ((a).at == (b).at && (a).flow->number < (b).flow->number))
#define STAYS(items, i) ((void)0)
#define KNOWS_PLACE(items, i) ((items)[i].flow->place = (i))

static int
push_level(Fabric *self, double level, int link)
{
    Py_ssize_t at = self->levels.used;

    if (RESERVE(self->levels, at + 1) < 0)
        return -1;
    self->levels.items[at] = (Level){level, link};
    self->levels.used++;
    SIFT_UP(Level, self->levels.items, at, LEVEL_BEFORE, STAYS);
    return 0;
}

/* Put the first link where it belongs at a higher level; leave it out where that is infinite. */
static void
replace_level(Fabric *self, double level)
{
    Py_ssize_t at = 0;

    if (level < INFINITY)
        self->levels.items[0].level = level;
    else
        self->levels.items[0] = self->levels.items[--self->levels.used];
    if (self->levels.used)
        SIFT_DOWN(Level, self->levels.items, self->levels.used, at, LEVEL_BEFORE, STAYS);
}

static void
push_cap(Fabric *self, double level, Flow *flow)
{
    Py_ssize_t at = self->caps.used++; /* there is room for all flows */

    self->caps.items[at] = (Cap){level, flow};
    SIFT_UP(Cap, self->caps.items, at, CAP_BEFORE, STAYS);
}

static Cap
pop_cap(Fabric *self)
{
    Cap top = self->caps.items[0];
    Py_ssize_t at = 0, used = --self->caps.used;

    if (used > 0) {
        self->caps.items[0] = self->caps.items[used];
        SIFT_DOWN(Cap, self->caps.items, used, at, CAP_BEFORE, STAYS);
    }
    return top;
}

/* Put the flow where its time of completion belongs, or take it out. */
static void
queue_completion(Fabric *self, Flow *flow, double at)
{
    Py_ssize_t place = flow->place, used;
    Flow *last;

    flow->at = at;
    if (at < INFINITY) {
        if (place == NOWHERE)
            place = self->due.used++; /* there is room for all flows */
        self->due.items[place] = (Due){at, flow};
        SIFT_UP(Due, self->due.items, place, DUE_BEFORE, KNOWS_PLACE);
        SIFT_DOWN(Due, self->due.items, self->due.used, place, DUE_BEFORE, KNOWS_PLACE);
        return;
    }
    if (place == NOWHERE)
        return;
    flow->place = NOWHERE;
    used = --self->due.used;
    if (place < used) {
        last = self->due.items[used].flow;
        self->due.items[place] = self->due.items[used];
        SIFT_UP(Due, self->due.items, place, DUE_BEFORE, KNOWS_PLACE);
        place = last->place;
        SIFT_DOWN(Due, self->due.items, self->due.used, place, DUE_BEFORE, KNOWS_PLACE);
    }
}

/* ---------------------------------------------------------------------- bytes */

static inline void
account(Flow *flow, double now)
{
    double elapsed = now - flow->since, size = flow->rate * elapsed;

    if (flow->left < size)
        size = flow->left;
    if (flow->listener != Py_None)
        flow->strayed += size - flow->heard * elapsed;
    flow->since = now;
    if (size > 0) {
        flow->sent += size;
        flow->of_kind += size;
        flow->left -= size;
    }
}

/* Return the row of the kind in what was carried, or NULL with an exception set. */
static double *
row_of_kind(Fabric *self, PyObject *kind)
{
    PyObject *index = PyDict_GetItemWithError(self->kinds, kind);
    double *row;
    int wrong;

    if (index != NULL)
        return self->carried.items[PyLong_AsSsize_t(index)];
    if (PyErr_Occurred() || RESERVE(self->carried, self->carried.used + 1) < 0)
        return NULL;
    row = PyMem_Calloc((size_t)self->count + 1, sizeof *row);
    if (row == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    index = PyLong_FromSsize_t(self->carried.used);
    wrong = index == NULL || PyDict_SetItem(self->kinds, kind, index) < 0;
    Py_XDECREF(index);
    if (wrong) {
        PyMem_Free(row);
        return NULL;
    }
    return self->carried.items[self->carried.used++] = row;
}

static int
count_kind(Fabric *self, Flow *flow)
{
    double size = flow->of_kind, *row;
    int i;

    if (!(size > 0))
        return 0;
    row = row_of_kind(self, flow->kind);
    if (row == NULL)
        return -1;
    for (i = 0; i < flow->count; i++)
        row[flow->crossed[i].link] += size * flow->crossed[i].share;
    flow->of_kind = 0.0;
    return 0;
}

static double
plan(Fabric *self, Flow *flow, double now)
{
    double at = flow->until, wait, early;

    if (flow->left <= 0)
        at = now;
    else if (flow->rate > 0) {
        wait = flow->left / flow->rate;
        if (flow->margin > 0) {
            early = wait + flow->beyond / flow->rate - flow->margin;
            if (early < wait)
                wait = early > 0 ? early : 0.0;
        }
        if (now + wait < at)
            at = now + wait;
    }
    if (at < now)
        at = now;
    if (at != flow->at && flow->number != CLOSED)
        queue_completion(self, flow, at);
    return at;
}

/* ---------------------------------------------------------------------- settling */

static inline int
roomy(const Link *link)
{
    double room = link->capacity - link->load - link->weight * link->level;

    return link->capacity > 0 && room > ROUNDING * link->capacity;
}

static inline double
next_level(const Link *link)
{
    double room;

    if (link->held && roomy(link))
        return link->level;
    if (link->rising) {
        room = link->capacity - link->load;
        return room > 0 && link->capacity > 0 ? room / link->weight : 0.0;
    }
    return INFINITY;
}

static inline void
touch(Fabric *self, int link)
{
    if (!self->links[link].fresh) {
        self->links[link].fresh = 1;
        self->fresh.items[self->fresh.used++] = link; /* there is room for all links */
    }
}

static void
rise(Fabric *self, Flow *flow)
{
    double rate = flow->rate, weight = flow->weight;
    int i;

    if (flow->bottleneck != AT_CAP)
        self->links[flow->bottleneck].held--;
    flow->bottleneck = RISING;
    flow->was = rate;
    for (i = 0; i < flow->count; i++) {
        Crossing *crossing = &flow->crossed[i];
        Link *link = &self->links[crossing->link];

        crossing->level = RISES;
        crossing->held = 0;
        link->rising++;
        link->weight += weight * crossing->share;
        link->load = link->rising < link->flows ? link->load - rate * crossing->share : 0.0;
        touch(self, crossing->link);
    }
    if (flow->cap < INFINITY || flow->count == 0)
        push_cap(self, flow->cap / weight, flow);
    self->risen.items[self->risen.used++] = flow; /* there is room for all flows */
    self->rising++;
}

static void
stop(Fabric *self, Flow *flow, double level, int bottleneck, double now)
{
    double rate, weight = flow->weight;
    int i;

    if (bottleneck == AT_CAP)
        rate = flow->cap;
    else {
        rate = level * weight;
        self->links[bottleneck].held++;
    }
    if (rate != flow->rate) {
        account(flow, now);
        flow->rate = rate;
    }
    self->rising--;
    flow->bottleneck = bottleneck;
    for (i = 0; i < flow->count; i++) {
        Crossing *crossing = &flow->crossed[i];
        Link *link = &self->links[crossing->link];

        crossing->level = level;
        crossing->held = crossing->link == bottleneck;
        link->load += rate * crossing->share;
        link->rising--;
        link->weight = link->rising ? link->weight - weight * crossing->share : 0.0;
    }
}

/* Where no flow rises, only a link with room to spare makes others rise. */
static void
keep_roomy(Fabric *self)
{
    Py_ssize_t i, kept = 0, at;

    for (i = 0; i < self->levels.used; i++)
        if (next_level(&self->links[self->levels.items[i].link]) < INFINITY)
            self->levels.items[kept++] = self->levels.items[i];
    self->levels.used = kept;
    for (i = kept / 2 - 1; i >= 0; i--) {
        at = i;
        SIFT_DOWN(Level, self->levels.items, kept, at, LEVEL_BEFORE, STAYS);
    }
}

/* What happens to a link at a level. */
static void
fill_link(Fabric *self, int index, double level, double now)
{
    Link *link = &self->links[index];
    Crossing *each;
    double bound;
    int higher = 0;

    if (link->held && (roomy(link) || level < link->level * (1 - ROUNDING))) {
        for (each = link->first; each != NULL; each = each->next)
            if (each->held)
                rise(self, each->flow);
        return;
    }
    bound = level * (1 + ROUNDING);
    for (each = link->first; each != NULL; each = each->next)
        if (each->level > bound) {
            rise(self, each->flow);
            higher = 1;
        }
    if (higher)
        return;
    link->level = level = link->held ? least(level, link->level) : level;
    for (each = link->first; each != NULL; each = each->next)
        if (each->level == RISES)
            stop(self, each->flow, level, index, now);
}

static int
fill(Fabric *self, double now)
{
    double level = 0.0;
    Py_ssize_t i;

    self->levels.used = 0;
    for (;;) {
        for (i = 0; i < self->fresh.used; i++) {
            int index = self->fresh.items[i];

            self->links[index].fresh = 0;
            level = next_level(&self->links[index]);
            if (level < INFINITY && push_level(self, level, index) < 0)
                return -1;
        }
        self->fresh.used = 0;
        if (!self->rising) {
            keep_roomy(self);
            self->caps.used = 0;
        }
        while (self->levels.used) {
            level = next_level(&self->links[self->levels.items[0].link]);
            if (level <= self->levels.items[0].level)
                break;
            replace_level(self, level);
        }
        while (self->caps.used && self->caps.items[0].flow->bottleneck != RISING)
            pop_cap(self);
        if (self->caps.used
            && (!self->levels.used || self->caps.items[0].level <= self->levels.items[0].level)) {
            Cap cap = pop_cap(self);

            stop(self, cap.flow, cap.level, AT_CAP, now);
        }
        else if (self->levels.used) {
            int index = self->levels.items[0].link;

            replace_level(self, INFINITY);
            fill_link(self, index, level, now);
        }
        else
            return 0;
    }
}

/* Remember that a flow is to be settled. */
static int
change(Fabric *self, Flow *flow)
{
    if (flow->changed)
        return 0;
    if (RESERVE(self->changed, self->changed.used + 1) < 0)
        return -1;
    flow->changed = 1;
    Py_INCREF(flow);
    self->changed.items[self->changed.used++] = flow;
    return 0;
}

/* Let go of the changed flows. Whatever goes with them may run Python, and change more. */
static void
forget_changes(Fabric *self)
{
    Flow **items = self->changed.items;
    Py_ssize_t i, used = self->changed.used;

    self->changed.items = NULL;
    self->changed.used = self->changed.room = 0;
    for (i = 0; i < used; i++)
        Py_DECREF(items[i]);
    PyMem_Free(items);
}

static PyObject *
fabric_settle(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now;
    PyObject *moved = nargs > 1 ? args[1] : Py_None, *told;
    Py_ssize_t i;

    if (nargs < 1 || nargs > 2 || (moved != Py_None && !PyList_Check(moved))) {
        PyErr_SetString(PyExc_TypeError, "settle takes a time and a list or None");
        return NULL;
    }
    now = PyFloat_AsDouble(args[0]);
    if (now == -1.0 && PyErr_Occurred())
        return NULL;
    told = PyList_New(0); /* this may collect garbage: from here on no Python runs */
    if (told == NULL)
        return NULL;
    self->risen.used = 0;
    for (i = 0; i < self->changed.used; i++) {
        self->changed.items[i]->changed = 0;
        if (self->changed.items[i]->number != CLOSED)
            rise(self, self->changed.items[i]);
    }
    if (fill(self, now) < 0) {
        Py_DECREF(told);
        return NULL;
    }
    if (self->risen.used) {
        self->solves++;
        self->flows_solved += self->risen.used;
    }
    for (i = 0; i < self->risen.used; i++) {
        Flow *flow = self->risen.items[i];
        double rate = flow->rate, heard = flow->heard, slack;
        int wrong;

        if (rate == flow->was)
            continue;
        if (waits(flow))
            plan(self, flow, now);
        wrong = moved != Py_None && PyList_Append(moved, (PyObject *)flow) < 0;
        slack = flow->bottleneck == AT_CAP ? TOLERANCE : self->slack;
        if (!wrong && flow->listener != Py_None && fabs(rate - heard) > slack * most(rate, heard)) {
            flow->heard = rate;
            wrong = PyList_Append(told, (PyObject *)flow) < 0;
        }
        if (wrong) {
            Py_DECREF(told);
            return NULL;
        }
    }
    forget_changes(self);
    return told;
}

/* ---------------------------------------------------------------------- arguments */

/* Return the flow that an argument is, or NULL with an exception set. */
static Flow *
as_flow(Fabric *self, PyObject *object)
{
    if (!Py_IS_TYPE(object, flow_type) || ((Flow *)object)->fabric != self) {
        PyErr_SetString(PyExc_TypeError, "not a flow of this fabric");
        return NULL;
    }
    return (Flow *)object;
}

/* Read a flow and so many numbers after it, or set an exception and return NULL. */
static Flow *
flow_and_numbers(Fabric *self, PyObject *const *args, Py_ssize_t nargs, double *numbers, int count)
{
    int i;

    if (nargs != 1 + count) {
        PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd", 1 + count, nargs);
        return NULL;
    }
    for (i = 0; i < count; i++) {
        numbers[i] = PyFloat_AsDouble(args[1 + i]);
        if (numbers[i] == -1.0 && PyErr_Occurred())
            return NULL;
    }
    return as_flow(self, args[0]);
}

/* ---------------------------------------------------------------------- changes */

static int
read_path(Fabric *self, Flow *flow)
{
    Py_ssize_t i, count;

    if (!PyTuple_Check(flow->links) || (flow->shares != Py_None && !PyTuple_Check(flow->shares))) {
        PyErr_SetString(PyExc_TypeError, "links and shares are tuples");
        return -1;
    }
    count = PyTuple_GET_SIZE(flow->links);
    if (flow->shares != Py_None && PyTuple_GET_SIZE(flow->shares) != count) {
        PyErr_SetString(PyExc_ValueError, "there are not as many shares as links");
        return -1;
    }
    flow->crossed = PyMem_Calloc((size_t)count, sizeof *flow->crossed);
    if (flow->crossed == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (i = 0; i < count; i++) {
        Crossing *crossing = &flow->crossed[i];
        long link = PyLong_AsLong(PyTuple_GET_ITEM(flow->links, i));

        crossing->share = 1.0;
        if (flow->shares != Py_None)
            crossing->share = PyFloat_AsDouble(PyTuple_GET_ITEM(flow->shares, i));
        if (PyErr_Occurred())
            return -1;
        if (link < 0 || link >= self->count) {
            PyErr_SetString(PyExc_IndexError, "there is no such link");
            return -1;
        }
        crossing->link = (int)link;
        crossing->flow = flow;
    }
    flow->count = (int)count;
    return 0;
}

static void
enter(Fabric *self, Flow *flow)
{
    int i;

    for (i = 0; i < flow->count; i++) {
        Crossing *crossing = &flow->crossed[i];
        Link *link = &self->links[crossing->link];

        crossing->previous = link->last;
        if (link->last != NULL)
            link->last->next = crossing;
        else
            link->first = crossing;
        link->last = crossing;
        link->flows++;
    }
}

static void
leave_link(Link *link, Crossing *crossing)
{
    if (crossing->previous != NULL)
        crossing->previous->next = crossing->next;
    else
        link->first = crossing->next;
    if (crossing->next != NULL)
        crossing->next->previous = crossing->previous;
    else
        link->last = crossing->previous;
    link->flows--;
}

static void
leave(Fabric *self, Flow *flow)
{
    int i;

    if (flow->bottleneck != AT_CAP) {
        self->links[flow->bottleneck].held--;
        flow->bottleneck = AT_CAP;
    }
    for (i = 0; i < flow->count; i++) {
        Crossing *crossing = &flow->crossed[i];
        Link *link = &self->links[crossing->link];

        leave_link(link, crossing);
        link->load = link->flows ? link->load - flow->rate * crossing->share : 0.0;
        touch(self, crossing->link);
    }
}

static PyObject *
fabric_open(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    Flow *flow;
    Py_ssize_t wanted = self->flows + 1;

    if (nargs != 7) {
        PyErr_Format(PyExc_TypeError, "expected 7 arguments, got %zd", nargs);
        return NULL;
    }
    if (RESERVE(self->risen, wanted) < 0 || RESERVE(self->due, wanted) < 0
        || RESERVE(self->caps, wanted) < 0)
        return NULL;
    flow = (Flow *)flow_type->tp_alloc(flow_type, 0);
    if (flow == NULL)
        return NULL;
    flow->number = CLOSED;
    flow->place = NOWHERE;
    flow->bottleneck = AT_CAP;
    flow->left = flow->until = flow->at = INFINITY;
    flow->links = Py_NewRef(args[0]);
    flow->shares = Py_NewRef(args[1]);
    flow->cap = PyFloat_AsDouble(args[2]);
    flow->weight = PyFloat_AsDouble(args[3]);
    flow->kind = Py_NewRef(args[4]);
    flow->listener = Py_NewRef(args[5]);
    flow->since = PyFloat_AsDouble(args[6]);
    if (PyErr_Occurred() || read_path(self, flow) < 0
        || (flow->cap != 0 && change(self, flow) < 0)) {
        Py_DECREF(flow);
        return NULL;
    }
    flow->fabric = self;
    flow->number = self->opened++;
    enter(self, flow);
    flow->previous = self->last;
    if (self->last != NULL)
        self->last->next = flow;
    else
        self->first = flow;
    self->last = flow;
    self->flows++;
    return Py_NewRef((PyObject *)flow);
}

static PyObject *
fabric_close(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now;
    Flow *flow = flow_and_numbers(self, args, nargs, &now, 1);

    if (flow == NULL)
        return NULL;
    if (flow->number == CLOSED)
        Py_RETURN_FALSE;
    account(flow, now);
    if (count_kind(self, flow) < 0)
        return NULL;
    flow->number = CLOSED;
    leave(self, flow);
    flow->rate = 0.0;
    queue_completion(self, flow, INFINITY);
    if (flow->previous != NULL)
        flow->previous->next = flow->next;
    else
        self->first = flow->next;
    if (flow->next != NULL)
        flow->next->previous = flow->previous;
    else
        self->last = flow->previous;
    self->flows--;
    Py_DECREF(flow);
    Py_RETURN_TRUE;
}

/* Read another way into a flow, and leave it as it was where that is none. */
static int
change_path(Fabric *self, Flow *flow, PyObject *links, PyObject *shares)
{
    Flow read = {.links = links, .shares = shares};
    int i;

    if (read_path(self, &read) < 0) {
        PyMem_Free(read.crossed);
        return -1;
    }
    leave(self, flow);
    PyMem_Free(flow->crossed);
    flow->crossed = read.crossed;
    flow->count = read.count;
    for (i = 0; i < flow->count; i++) {
        flow->crossed[i].flow = flow;
        flow->crossed[i].level = flow->rate / flow->weight;
    }
    enter(self, flow);
    return 0;
}

static PyObject *
fabric_reroute(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now;
    Flow *flow;
    PyObject *links, *shares;
    int i;

    if (nargs != 4) {
        PyErr_Format(PyExc_TypeError, "expected 4 arguments, got %zd", nargs);
        return NULL;
    }
    flow = as_flow(self, args[0]);
    now = PyFloat_AsDouble(args[3]);
    if (flow == NULL || PyErr_Occurred())
        return NULL;
    if (flow->number == CLOSED)
        Py_RETURN_FALSE;
    account(flow, now);
    if (count_kind(self, flow) < 0 || change_path(self, flow, args[1], args[2]) < 0)
        return NULL;
    for (i = 0; i < flow->count; i++)
        self->links[flow->crossed[i].link].load += flow->rate * flow->crossed[i].share;
    if ((flow->cap != 0 || flow->rate != 0) && change(self, flow) < 0)
        return NULL;
    links = flow->links;
    shares = flow->shares;
    flow->links = Py_NewRef(args[1]);
    flow->shares = Py_NewRef(args[2]);
    Py_DECREF(links);
    Py_DECREF(shares);
    Py_RETURN_TRUE;
}

static int
has_room(const Fabric *self, const Flow *flow)
{
    int i;

    for (i = 0; i < flow->count; i++) {
        double share = flow->crossed[i].share;
        const Link *link = &self->links[flow->crossed[i].link];

        if (link->held || link->load - flow->rate * share + flow->cap * share > link->capacity)
            return 0;
    }
    return 1;
}

static PyObject *
fabric_set_cap(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double numbers[2], cap, now;
    Flow *flow = flow_and_numbers(self, args, nargs, numbers, 2);
    int i;

    if (flow == NULL)
        return NULL;
    cap = numbers[0];
    now = numbers[1];
    if (flow->heard != flow->rate) {
        account(flow, now);
        flow->heard = flow->rate;
    }
    if (cap == flow->cap || fabs(cap - flow->cap) <= TOLERANCE * least(cap, flow->cap))
        Py_RETURN_FALSE;
    flow->cap = cap;
    if (flow->number == CLOSED || (flow->bottleneck != AT_CAP && cap >= flow->rate))
        Py_RETURN_FALSE;
    if (flow->changed || flow->bottleneck != AT_CAP || !has_room(self, flow)) {
        if (change(self, flow) < 0)
            return NULL;
        Py_RETURN_TRUE;
    }
    account(flow, now);
    for (i = 0; i < flow->count; i++) {
        double share = flow->crossed[i].share;
        Link *link = &self->links[flow->crossed[i].link];

        link->load = link->load - flow->rate * share + cap * share;
        flow->crossed[i].level = cap / flow->weight;
    }
    flow->rate = flow->heard = cap;
    if (waits(flow))
        plan(self, flow, now);
    Py_RETURN_FALSE;
}

static PyObject *
fabric_set_kind(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double weight, now;
    Flow *flow;

    if (nargs != 4) {
        PyErr_Format(PyExc_TypeError, "expected 4 arguments, got %zd", nargs);
        return NULL;
    }
    flow = as_flow(self, args[0]);
    weight = PyFloat_AsDouble(args[2]);
    now = PyFloat_AsDouble(args[3]);
    if (PyErr_Occurred())
        return NULL;
    account(flow, now);
    if (count_kind(self, flow) < 0)
        return NULL;
    Py_INCREF(args[1]);
    Py_SETREF(flow->kind, args[1]);
    if (weight == flow->weight)
        Py_RETURN_FALSE;
    flow->weight = weight;
    if (flow->number == CLOSED)
        Py_RETURN_FALSE;
    if (change(self, flow) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

static PyObject *
fabric_set_capacity(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    long index;
    double capacity;
    Link *link;
    Crossing *each;

    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    index = PyLong_AsLong(args[0]);
    capacity = PyFloat_AsDouble(args[1]);
    if (PyErr_Occurred())
        return NULL;
    if (index < 0 || index >= self->count) {
        PyErr_SetString(PyExc_IndexError, "there is no such link");
        return NULL;
    }
    link = &self->links[index];
    link->capacity = capacity;
    touch(self, (int)index);
    if (link->load > capacity)
        for (each = link->first; each != NULL; each = each->next)
            if (change(self, each->flow) < 0)
                return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------------- transfers */

static PyObject *
fabric_send(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double size, margin, beyond, until, now;
    Flow *flow;

    if (nargs != 7) {
        PyErr_Format(PyExc_TypeError, "expected 7 arguments, got %zd", nargs);
        return NULL;
    }
    flow = as_flow(self, args[0]);
    size = PyFloat_AsDouble(args[1]);
    margin = PyFloat_AsDouble(args[2]);
    beyond = PyFloat_AsDouble(args[3]);
    until = PyFloat_AsDouble(args[4]);
    now = PyFloat_AsDouble(args[6]);
    if (PyErr_Occurred())
        return NULL;
    account(flow, now);
    flow->left = size;
    flow->margin = margin;
    flow->beyond = beyond;
    flow->until = until;
    Py_INCREF(args[5]);
    Py_XSETREF(flow->waiter, args[5]);
    return PyFloat_FromDouble(plan(self, flow, now));
}

static PyObject *
fabric_set_left(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double numbers[4]; /* size, margin_s, beyond, now */
    Flow *flow = flow_and_numbers(self, args, nargs, numbers, 4);

    if (flow == NULL)
        return NULL;
    account(flow, numbers[3]);
    flow->left = numbers[0];
    flow->margin = numbers[1];
    flow->beyond = numbers[2];
    if (waits(flow))
        plan(self, flow, numbers[3]);
    Py_RETURN_NONE;
}

static PyObject *
fabric_stop(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now;
    Flow *flow = flow_and_numbers(self, args, nargs, &now, 1);

    if (flow == NULL)
        return NULL;
    if (waits(flow)) {
        flow->until = now;
        plan(self, flow, now);
    }
    Py_RETURN_NONE;
}

static PyObject *
fabric_account(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now;
    Flow *flow = flow_and_numbers(self, args, nargs, &now, 1);

    if (flow == NULL)
        return NULL;
    account(flow, now);
    return PyFloat_FromDouble(flow->sent);
}

static PyObject *
fabric_astray(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now, strayed;
    Flow *flow = flow_and_numbers(self, args, nargs, &now, 1);

    if (flow == NULL)
        return NULL;
    account(flow, now);
    strayed = flow->strayed;
    flow->strayed = 0.0;
    return PyFloat_FromDouble(strayed);
}

static PyObject *
fabric_left(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double now;
    Flow *flow = flow_and_numbers(self, args, nargs, &now, 1);

    if (flow == NULL)
        return NULL;
    account(flow, now);
    return PyFloat_FromDouble(flow->left);
}

static PyObject *
fabric_finish(Fabric *self, PyObject *time)
{
    double now = PyFloat_AsDouble(time);
    Flow *flow;

    if (now == -1.0 && PyErr_Occurred())
        return NULL;
    for (flow = self->first; flow != NULL; flow = flow->next) {
        account(flow, now);
        if (count_kind(self, flow) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
fabric_next(Fabric *self, PyObject *Py_UNUSED(ignored))
{
    return PyFloat_FromDouble(self->due.used ? self->due.items[0].at : INFINITY);
}

static PyObject *
fabric_complete(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double until, now, rest;
    PyObject *done;

    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    until = PyFloat_AsDouble(args[0]);
    now = PyFloat_AsDouble(args[1]);
    if (PyErr_Occurred())
        return NULL;
    done = PyList_New(0);
    if (done == NULL)
        return NULL;
    while (self->due.used && self->due.items[0].at <= until) {
        Flow *flow = self->due.items[0].flow;

        if (PyList_Append(done, (PyObject *)flow) < 0) {
            Py_DECREF(done);
            return NULL;
        }
        account(flow, now);
        if (flow->left < UNSENT + 4 * (nextafter(now, INFINITY) - now) * flow->rate) {
            rest = most(0.0, flow->left);
            flow->sent += rest;
            flow->of_kind += rest;
            flow->left = 0.0;
        }
        queue_completion(self, flow, INFINITY);
    }
    return done;
}

/* ---------------------------------------------------------------------- what there is */

static PyObject *
fabric_narrowest(Fabric *self, PyObject *const *args, Py_ssize_t nargs)
{
    double narrowest = INFINITY, alone;
    Py_ssize_t i;

    if (nargs != 2 || !PyTuple_Check(args[0])
        || (args[1] != Py_None
            && (!PyTuple_Check(args[1]) || PyTuple_GET_SIZE(args[1]) != PyTuple_GET_SIZE(args[0])))) {
        PyErr_SetString(PyExc_TypeError, "narrowest takes links and their shares or None");
        return NULL;
    }
    for (i = 0; i < PyTuple_GET_SIZE(args[0]); i++) {
        long link = PyLong_AsLong(PyTuple_GET_ITEM(args[0], i));

        if (link < 0 || link >= self->count) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_IndexError, "there is no such link");
            return NULL;
        }
        alone = self->links[link].capacity;
        if (args[1] != Py_None)
            alone /= PyFloat_AsDouble(PyTuple_GET_ITEM(args[1], i));
        if (PyErr_Occurred())
            return NULL;
        narrowest = least(narrowest, alone);
    }
    return PyFloat_FromDouble(narrowest);
}

static PyObject *
fabric_flows_on(Fabric *self, PyObject *index)
{
    long link = PyLong_AsLong(index);
    PyObject *list;
    Crossing *each;

    if (link < 0 || link >= self->count) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_IndexError, "there is no such link");
        return NULL;
    }
    list = PyList_New(0);
    for (each = self->links[link].first; list != NULL && each != NULL; each = each->next)
        if (PyList_Append(list, (PyObject *)each->flow) < 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *
fabric_get_flows(Fabric *self, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(0);
    Flow *flow;

    for (flow = self->first; list != NULL && flow != NULL; flow = flow->next)
        if (PyList_Append(list, (PyObject *)flow) < 0)
            Py_CLEAR(list);
    return list;
}

/* Return a list of one of the doubles of each link. */
static PyObject *
fabric_get_doubles(Fabric *self, void *offset)
{
    PyObject *list = PyList_New(self->count), *number;
    int i;

    for (i = 0; list != NULL && i < self->count; i++) {
        number = PyFloat_FromDouble(*(double *)((char *)&self->links[i] + (size_t)offset));
        if (number == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, number);
    }
    return list;
}

static PyObject *
fabric_get_carried(Fabric *self, void *Py_UNUSED(closure))
{
    PyObject *carried = PyDict_New(), *kind, *index, *key, *size;
    Py_ssize_t position = 0;
    int i, wrong = carried == NULL;

    while (!wrong && PyDict_Next(self->kinds, &position, &kind, &index)) {
        const double *row = self->carried.items[PyLong_AsSsize_t(index)];

        for (i = 0; !wrong && i < self->count; i++) {
            if (!(row[i] > 0))
                continue;
            key = Py_BuildValue("(iO)", i, kind);
            size = PyFloat_FromDouble(row[i]);
            wrong = key == NULL || size == NULL || PyDict_SetItem(carried, key, size) < 0;
            Py_XDECREF(key);
            Py_XDECREF(size);
        }
    }
    if (wrong)
        Py_CLEAR(carried);
    return carried;
}

/* ---------------------------------------------------------------------- the types */

static int
flow_traverse(Flow *flow, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(flow));
    Py_VISIT(flow->links);
    Py_VISIT(flow->shares);
    Py_VISIT(flow->kind);
    Py_VISIT(flow->listener);
    Py_VISIT(flow->waiter);
    return 0;
}

static int
flow_clear(Flow *flow)
{
    Py_CLEAR(flow->waiter);
    Py_INCREF(Py_None);
    Py_XSETREF(flow->listener, Py_None);
    return 0;
}

static void
flow_dealloc(Flow *flow)
{
    PyTypeObject *type = Py_TYPE(flow);

    PyObject_GC_UnTrack(flow);
    Py_XDECREF(flow->links);
    Py_XDECREF(flow->shares);
    Py_XDECREF(flow->kind);
    Py_XDECREF(flow->listener);
    Py_XDECREF(flow->waiter);
    PyMem_Free(flow->crossed);
    type->tp_free(flow);
    Py_DECREF(type);
}

static PyMemberDef flow_members[] = {
    {"links", T_OBJECT, offsetof(Flow, links), READONLY, NULL},
    {"shares", T_OBJECT, offsetof(Flow, shares), READONLY, NULL},
    {"kind", T_OBJECT, offsetof(Flow, kind), READONLY, NULL},
    {"listener", T_OBJECT, offsetof(Flow, listener), READONLY, NULL},
    {"waiter", T_OBJECT, offsetof(Flow, waiter), 0, NULL},
    {"cap", T_DOUBLE, offsetof(Flow, cap), READONLY, NULL},
    {"weight", T_DOUBLE, offsetof(Flow, weight), READONLY, NULL},
    {"rate", T_DOUBLE, offsetof(Flow, rate), READONLY, NULL},
    {"was", T_DOUBLE, offsetof(Flow, was), READONLY, NULL},
    {"heard", T_DOUBLE, offsetof(Flow, heard), READONLY, NULL},
    {"strayed", T_DOUBLE, offsetof(Flow, strayed), READONLY, NULL},
    {"sent", T_DOUBLE, offsetof(Flow, sent), READONLY, NULL},
    {"left", T_DOUBLE, offsetof(Flow, left), READONLY, NULL},
    {"bottleneck", T_INT, offsetof(Flow, bottleneck), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot flow_slots[] = {
    {Py_tp_doc, "Traffic along one path, at one rate between events."},
    {Py_tp_members, flow_members},
    {Py_tp_traverse, flow_traverse},
    {Py_tp_clear, flow_clear},
    {Py_tp_dealloc, flow_dealloc},
    {0, NULL},
};

static PyType_Spec flow_spec = {
    .name = "dcsim._kernel.Flow",
    .basicsize = sizeof(Flow),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = flow_slots,
};

static PyObject *
fabric_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *given, *capacity;
    Fabric *self;
    double slack = TOLERANCE;
    int i, count;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Fabric takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O|d:Fabric", &given, &slack))
        return NULL;
    capacity = PySequence_List(given);
    if (capacity == NULL)
        return NULL;
    self = (Fabric *)type->tp_alloc(type, 0);
    count = (int)PyList_GET_SIZE(capacity);
    if (self != NULL) {
        self->links = PyMem_Calloc((size_t)count + 1, sizeof *self->links);
        self->kinds = PyDict_New();
        if (self->links == NULL)
            PyErr_NoMemory();
        else if (self->kinds != NULL && RESERVE(self->fresh, count) == 0) {
            self->count = count;
            self->slack = slack;
            for (i = 0; i < count; i++)
                self->links[i].capacity = PyFloat_AsDouble(PyList_GET_ITEM(capacity, i));
        }
        if (PyErr_Occurred())
            Py_CLEAR(self);
    }
    Py_DECREF(capacity);
    return (PyObject *)self;
}

static int
fabric_traverse(Fabric *self, visitproc visit, void *arg)
{
    Flow *flow;
    Py_ssize_t i;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->kinds);
    for (flow = self->first; flow != NULL; flow = flow->next)
        Py_VISIT(flow);
    for (i = 0; i < self->changed.used; i++)
        Py_VISIT(self->changed.items[i]);
    return 0;
}

/* Let go of all flows, which know this fabric no more. */
static int
fabric_clear(Fabric *self)
{
    Flow *first = self->first, *flow;
    int i;

    self->first = self->last = NULL;
    self->flows = self->due.used = self->fresh.used = 0;
    for (i = 0; i < self->count; i++)
        memset(&self->links[i], 0, sizeof self->links[i]);
    for (flow = first; flow != NULL; flow = flow->next) {
        flow->fabric = NULL;
        flow->number = CLOSED;
    }
    forget_changes(self);
    while ((flow = first) != NULL) {
        first = flow->next;
        Py_DECREF(flow);
    }
    return 0;
}

static void
fabric_dealloc(Fabric *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    fabric_clear(self);
    while (self->carried.used)
        PyMem_Free(self->carried.items[--self->carried.used]);
    Py_XDECREF(self->kinds);
    PyMem_Free(self->links);
    PyMem_Free(self->changed.items);
    PyMem_Free(self->risen.items);
    PyMem_Free(self->due.items);
    PyMem_Free(self->caps.items);
    PyMem_Free(self->levels.items);
    PyMem_Free(self->fresh.items);
    PyMem_Free(self->carried.items);
    type->tp_free(self);
    Py_DECREF(type);
}

#define FAST(name) {#name, (PyCFunction)(void (*)(void))fabric_##name, METH_FASTCALL, NULL}

static PyMethodDef fabric_methods[] = {
    FAST(open), FAST(close), FAST(reroute), FAST(set_cap), FAST(set_kind), FAST(set_capacity),
    FAST(settle), FAST(send), FAST(set_left), FAST(stop), FAST(account), FAST(astray), FAST(left),
    FAST(complete), FAST(narrowest),
    {"finish", (PyCFunction)fabric_finish, METH_O, NULL},
    {"flows_on", (PyCFunction)fabric_flows_on, METH_O, NULL},
    {"next", (PyCFunction)fabric_next, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef fabric_getset[] = {
    {"flows", (getter)fabric_get_flows, NULL, NULL, NULL},
    {"capacity", (getter)fabric_get_doubles, NULL, NULL, (void *)offsetof(Link, capacity)},
    {"load", (getter)fabric_get_doubles, NULL, NULL, (void *)offsetof(Link, load)},
    {"carried", (getter)fabric_get_carried, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef fabric_members[] = {
    {"solves", T_LONGLONG, offsetof(Fabric, solves), READONLY, NULL},
    {"flows_solved", T_LONGLONG, offsetof(Fabric, flows_solved), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot fabric_slots[] = {
    {Py_tp_doc, "All links and flows."},
    {Py_tp_new, fabric_new},
    {Py_tp_methods, fabric_methods},
    {Py_tp_getset, fabric_getset},
    {Py_tp_members, fabric_members},
    {Py_tp_traverse, fabric_traverse},
    {Py_tp_clear, fabric_clear},
    {Py_tp_dealloc, fabric_dealloc},
    {0, NULL},
};

static PyType_Spec fabric_spec = {
    .name = "dcsim._kernel.Fabric",
    .basicsize = sizeof(Fabric),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = fabric_slots,
};

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(spec);

    if (type != NULL && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type;
}

int
add_fabric(PyObject *module)
{
    PyTypeObject *fabric;

    flow_type = add_type(module, &flow_spec);
    if (flow_type == NULL)
        return -1;
    fabric = add_type(module, &fabric_spec);
    Py_XDECREF(fabric);
    return fabric == NULL ? -1 : 0;
}
