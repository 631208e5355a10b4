/* The frames that a guest takes and gives back; its reference is dcsim/model/pool.py. */
#include "pool.h"
#include <math.h>

#define WHOLE_AFTER_DROP 0.05
#define TURNOVER 0.1
#define MOST_PARTS 100
#define TIGHT 1e-6
#define NONE_MISSING 1e-9
#define ALL_HAD 1e-6
#define NEGLIGIBLE_MISSES 1.0
#define NEXT_TO_NOTHING 1e-6
#define SHORTEST_GROWTH_S 0.1
#define COARSER 1.5
#define LONGEST_S 1e6

struct Pool {
    PyObject_HEAD
    Pages *cache, *free_stale, *free_zero, *hinted, *hinted_zero, *loose_stale, *loose_zero;
    PyObject *allocated, *readers, *replacement, *writers;
    Stretch *ahead; /* NULL for None */
    double hintable, min_free, pages;
};

static PyTypeObject *ReadOutcomeType, PoolType;

/* Whether all parts that are used below are there; if not, an exception is set. */
static int
whole(const Pool *self)
{
    if (self->cache && self->free_stale && self->free_zero && self->hinted && self->hinted_zero &&
        self->loose_stale && self->loose_zero && self->readers)
        return 1;
    PyErr_SetString(PyExc_AttributeError, "a part of this memory is missing");
    return 0;
}

/* A number, unless something went wrong in between. */
static PyObject *
told(double value)
{
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

/* ------------------------------------------------------------------ sums */

static double
count_of(const Pages *pages)
{
    return frames_of(pages)->count;
}

static double
free_of(const Pool *self)
{
    double loose = count_of(self->loose_stale) + count_of(self->loose_zero);
    return loose + count_of(self->free_stale) + count_of(self->free_zero);
}

static double
spare_of(const Pool *self)
{
    double spare = free_of(self) - self->min_free;
    return spare > 0 ? spare : 0.0;
}

static double
cold_of(const Pool *self)
{
    double cold = count_of(self->cache) - readers_resident(self->readers);
    return cold > 0 ? cold : 0.0;
}

static double
room_of(const Pool *self)
{
    double held = count_of(self->hinted) + count_of(self->hinted_zero);
    return spare_of(self) + held + cold_of(self);
}

static int
is_tight(const Pool *self, double room)
{
    return room <= TIGHT * most(1.0, count_of(self->cache));
}

static double
resident_of(const Pool *self)
{
    return readers_resident(self->readers);
}

/* ------------------------------------------------------------------ frames taken and given back */

static double
take_free(Pool *self, double pages, Pages *to)
{
    if (!(pages > 0))
        return 0.0;
    Pages *stale = self->loose_stale, *zero = self->loose_zero;
    double loose = count_of(stale) + count_of(zero);
    double share = loose > 0 ? least(1.0, pages / loose) : 0.0;
    double got = pages_move(stale, share * count_of(stale), to, 1);
    got += pages_move(zero, share * count_of(zero), to, 1);
    got += pages_move(self->free_stale, pages - got, to, 1);
    return got + pages_move(self->free_zero, pages - got, to, 1);
}

static void
forget_to(Pool *self, double pages)
{
    if (readers_resident(self->readers) <= pages)
        return;
    int two_list = self->replacement != NULL && PyUnicode_Check(self->replacement) &&
                   PyUnicode_CompareWithASCIIString(self->replacement, "two-list") == 0;
    readers_forget(self->readers, pages, two_list);
}

static double
drop(Pool *self, Pages *cache, double pages)
{
    pages = least(pages, count_of(cache));
    double blocks = pages_move(cache, WHOLE_AFTER_DROP * pages, self->free_stale, 0);
    return blocks + pages_move(cache, pages - blocks, self->loose_stale, 0);
}

static double
evict(Pool *self, double pages)
{
    double done = drop(self, self->cache, pages);
    forget_to(self, count_of(self->cache));
    return done;
}

static double
fill(Pool *self, double pages)
{
    double done = take_free(self, least(pages, spare_of(self)), self->cache);
    done += pages_move(self->hinted, pages - done, self->cache, 1);
    return done + pages_move(self->hinted_zero, pages - done, self->cache, 1);
}

static double
take_frames(Pool *self, double pages, Pages *to)
{
    double got = take_free(self, least(pages, spare_of(self)), to);
    if (got < pages) {
        evict(self, pages - got + most(0.0, self->min_free - free_of(self)));
        got += take_free(self, least(pages - got, spare_of(self)), to);
    }
    if (got < pages) {
        got += pages_move(self->hinted, pages - got, to, 1);
        got += pages_move(self->hinted_zero, pages - got, to, 1);
    }
    return got;
}

static double
give_back(Pool *self, Pages *live, double pages)
{
    pages = least(pages, count_of(live));
    double loose = pages_move(live, (1 - self->hintable) * pages, self->loose_stale, 0);
    return loose + pages_move(live, pages - loose, self->free_stale, 0);
}

/* ------------------------------------------------------------------ what guests do */

/* The class and the frames of one that is written, or -1 with an exception set. */
static int
written_class(PyObject *part, const TouchClass **touch, Pages **frames)
{
    if (!PyTuple_Check(part) || PyTuple_GET_SIZE(part) != 2) {
        PyErr_SetString(PyExc_TypeError, "a class that is written expected");
        return -1;
    }
    if ((*touch = class_from(PyTuple_GET_ITEM(part, 0))) == NULL)
        return -1;
    *frames = pages_from(PyTuple_GET_ITEM(part, 1));
    return *frames == NULL ? -1 : 0;
}

int
pool_write(Pool *self, Py_ssize_t index, double touches)
{
    if (self->writers == NULL || !PyTuple_Check(self->writers) || index < 0 ||
        index >= PyTuple_GET_SIZE(self->writers)) {
        PyErr_SetString(PyExc_IndexError, "nobody writes such pages");
        return -1;
    }
    PyObject *writer = PyTuple_GET_ITEM(self->writers, index), *classes = NULL, *to = NULL;
    if (PyTuple_Check(writer) && PyTuple_GET_SIZE(writer) == 2) {
        classes = PyTuple_GET_ITEM(writer, 0);
        to = PyTuple_GET_ITEM(writer, 1);
    }
    if (classes == NULL || !PyTuple_Check(classes) || !PyUnicode_Check(to)) {
        PyErr_SetString(PyExc_TypeError, "a set of classes that are written expected");
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(to, "anonymous") == 0)
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(classes); i++) {
        const TouchClass *touch;
        Pages *frames;
        if (written_class(PyTuple_GET_ITEM(classes, i), &touch, &frames) < 0)
            return -1;
        double gap = touch->pages - count_of(frames);
        double missing = gap > 0 ? gap * class_distinct(touch, touches) / touch->pages : 0.0;
        if (missing > NONE_MISSING)
            take_frames(self, missing, frames);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
Pool_write(Pool *self, PyObject *const *args, Py_ssize_t given)
{
    double touches = 0.0;
    if (given != 2) {
        PyErr_SetString(PyExc_TypeError, "a writer and its touches expected");
        return NULL;
    }
    if (!whole(self) || number(args[1], &touches) < 0)
        return NULL;
    Py_ssize_t index = PyLong_AsSsize_t(args[0]);
    if (PyErr_Occurred() || pool_write(self, index, touches) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Read in one step; `scratch` holds two numbers for each reader. */
static void
read_once(Pool *self, const double *touches, double *misses, double *scratch, double *brought,
          double *recycled)
{
    PyObject *readers = self->readers;
    double room = room_of(self), filled = 0.0, extra = 0.0;
    double share =
        readers_misses(readers, touches, room, is_tight(self, room), misses, scratch);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(readers); i++) {
        const ReadSet *reader = (ReadSet *)PyTuple_GET_ITEM(readers, i);
        filled += misses[i];
        if (!reader_sweeps(reader))
            extra += misses[i] * (double)(reader->read_ahead - 1);
    }
    double fresh = filled > 0 ? fill(self, filled + extra) : 0.0;
    int full = share < 1.0 || extra > 0;
    if (!(share == 0.0 && extra == 0 && readers_proportional(readers, touches))) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(readers); i++)
            ((ReadSet *)PyTuple_GET_ITEM(readers, i))->remembered += touches[i];
        if (full)
            forget_to(self, count_of(self->cache));
    }
    *brought += filled + extra;
    *recycled += filled + extra - fresh;
}

/* In how many steps to read: where shares of the cache shift, none may turn over much of it. */
static int
steps_of(const Pool *self, const double *touches)
{
    if (readers_proportional(self->readers, touches))
        return 1;
    double missed = 0.0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->readers); i++) {
        const ReadSet *reader = (ReadSet *)PyTuple_GET_ITEM(self->readers, i);
        missed += touches[i] * reader_miss(reader, reader->remembered);
    }
    if (!(missed > spare_of(self) + cold_of(self)))
        return 1;
    double step = TURNOVER * most(count_of(self->cache), 1.0);
    return (int)least(MOST_PARTS, ceil(missed / step));
}

int
pool_read(Pool *self, double *touches, Py_ssize_t count, double *brought, double *recycled)
{
    double *all = touches + count, *misses = all + count, *scratch = misses + count;
    if (PyTuple_GET_SIZE(self->readers) != count) {
        PyErr_SetString(PyExc_ValueError, "a number for each expected");
        return -1;
    }
    if (self->ahead != NULL && self->ahead->readers == self->readers)
        stretch_note(self->ahead, touches);
    int steps = steps_of(self, touches);
    for (Py_ssize_t i = 0; i < count; i++) {
        all[i] = 0.0;
        if (steps > 1)
            touches[i] /= steps;
    }
    *brought = *recycled = 0.0;
    for (int step = 0; step < most(1, steps); step++) {
        read_once(self, touches, misses, scratch, brought, recycled);
        for (Py_ssize_t i = 0; i < count; i++)
            all[i] += misses[i];
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
Pool_read(Pool *self, PyObject *touched)
{
    if (!whole(self))
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(self->readers);
    double *touches = numbers_from(touched, count, 4 * count), brought, recycled;
    if (touches == NULL)
        return NULL;
    int status = pool_read(self, touches, count, &brought, &recycled);
    PyObject *outcome = status < 0 ? NULL : PyStructSequence_New(ReadOutcomeType);
    PyObject *missed = outcome == NULL ? NULL : PyList_New(count);
    if (missed != NULL) {
        for (Py_ssize_t i = 0; i < count; i++)
            PyList_SET_ITEM(missed, i, PyFloat_FromDouble(touches[count + i]));
        PyStructSequence_SET_ITEM(outcome, 0, missed);
        PyStructSequence_SET_ITEM(outcome, 1, PyFloat_FromDouble(brought));
        PyStructSequence_SET_ITEM(outcome, 2, PyFloat_FromDouble(recycled));
    }
    else
        Py_CLEAR(outcome);
    PyMem_Free(touches);
    return outcome;
}

static PyObject *
Pool_look_ahead(Pool *self, PyObject *reads)
{
    if (!whole(self))
        return NULL;
    double room = room_of(self);
    Stretch *ahead = stretch_of(self->readers, reads, room, is_tight(self, room));
    if (ahead == NULL)
        return NULL;
    Py_XSETREF(self->ahead, ahead);
    return Py_NewRef(ahead->misses);
}

static PyObject *
Pool_on_course(Pool *self, void *closure)
{
    (void)closure;
    if (!whole(self))
        return NULL;
    return PyBool_FromLong(self->ahead != NULL && stretch_goes_on(self->ahead, room_of(self)));
}

#define READER(self, i) ((const ReadSet *)PyTuple_GET_ITEM((self)->readers, i))

static double
steady_for(const Pool *self, const double *rates, const double *changes)
{
    double wait = Py_HUGE_VAL;
    if (room_of(self) <= NEXT_TO_NOTHING * self->pages)
        return wait;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->readers); i++) {
        const ReadSet *reader = READER(self, i);
        double miss = reader_miss(reader, reader->remembered);
        if (rates[i] * miss >= NEGLIGIBLE_MISSES)
            wait = least(wait, reader_steady_for(reader, rates[i], miss, changes[i]));
    }
    return wait;
}

static PyObject *
Pool_steady_for(Pool *self, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2) {
        PyErr_SetString(PyExc_TypeError, "rates, and the changes that matter, expected");
        return NULL;
    }
    if (!whole(self))
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(self->readers);
    double *rates = numbers_from(args[0], count, 0), wait = Py_HUGE_VAL;
    double *changes = rates == NULL ? NULL : numbers_from(args[1], count, 0);
    if (changes != NULL)
        wait = steady_for(self, rates, changes);
    PyMem_Free(rates);
    PyMem_Free(changes);
    return told(wait);
}

/* Whether all memories, which have as many readers, go on as they are paced; -1 with an exception. */
static int
all_on_course(PyObject *memories, Py_ssize_t count)
{
    int all = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(memories); i++) {
        const Pool *memory = pool_from(PyTuple_GET_ITEM(memories, i));
        if (memory == NULL)
            return -1;
        if (PyTuple_GET_SIZE(memory->readers) != count) {
            PyErr_SetString(PyExc_ValueError, "as many readers of each memory expected");
            return -1;
        }
        all = all && memory->ahead != NULL && stretch_goes_on(memory->ahead, room_of(memory));
    }
    return all;
}

static PyObject *
look_ahead(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    double tolerance = 0.0;
    (void)module;
    if (given != 4 || !PyTuple_Check(args[0]) || PyTuple_GET_SIZE(args[0]) == 0) {
        PyErr_SetString(PyExc_TypeError, "memories, rates, those wanted, a tolerance expected");
        return NULL;
    }
    Pool *first = pool_from(PyTuple_GET_ITEM(args[0], 0));
    if (first == NULL || number(args[3], &tolerance) < 0)
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(first->readers), memories = PyTuple_GET_SIZE(args[0]);
    int on_course = all_on_course(args[0], count);
    if (on_course > 0)
        Py_RETURN_NONE;
    double *rates = on_course < 0 ? NULL : numbers_from(args[1], count, 0);
    double *changes = rates == NULL ? NULL : numbers_from(args[2], count, 0);
    PyObject *reads = changes == NULL ? NULL : PyList_New(count);
    PyObject *told = reads == NULL ? NULL : PyList_New(memories);
    if (told != NULL) {
        double change = sqrt(tolerance / 2), steady = LONGEST_S;
        int through = first->ahead != NULL && stretch_is_through(first->ahead);
        for (Py_ssize_t i = 0; i < count; i++)
            changes[i] = !through || rates[i] < changes[i] ? change : COARSER * change;
        for (Py_ssize_t k = 0; k < memories; k++)
            steady = least(steady, steady_for((Pool *)PyTuple_GET_ITEM(args[0], k), rates, changes));
        steady = most(SHORTEST_GROWTH_S, steady);
        for (Py_ssize_t i = 0; i < count; i++)
            PyList_SET_ITEM(reads, i, PyFloat_FromDouble(rates[i] * steady));
        for (Py_ssize_t k = 0; told != NULL && k < memories; k++) {
            Pool *memory = (Pool *)PyTuple_GET_ITEM(args[0], k);
            PyObject *chances = PyErr_Occurred() ? NULL : Pool_look_ahead(memory, reads);
            if (chances == NULL)
                Py_CLEAR(told);
            else
                PyList_SET_ITEM(told, k, chances);
        }
    }
    Py_XDECREF(reads);
    PyMem_Free(rates);
    PyMem_Free(changes);
    return told;
}

/* For how long reads at these rates may go on as `ahead` has them. */
static double
paced_for(const Pool *self, const double *rates, double tolerance, int sending)
{
    const Stretch *ahead = self->ahead;
    Py_ssize_t count = PyTuple_GET_SIZE(self->readers);
    double wait = Py_HUGE_VAL, missed = 0.0, room = room_of(self);
    for (Py_ssize_t i = 0; i < count; i++)
        missed += rates[i] * ahead->chances[i];
    if (missed < NEGLIGIBLE_MISSES || room <= NEXT_TO_NOTHING * self->pages)
        return wait;
    if (sending) {
        double slack = tolerance * (room + count_of(self->cache) / 10);
        wait = most(SHORTEST_GROWTH_S, slack / missed);
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (rates[i] > 0) {
            wait = least(wait, (ahead->reads[i] - ahead->done[i]) / rates[i]);
            if (sending)
                wait = least(wait, reader_steady_for(READER(self, i), rates[i],
                                                     ahead->chances[i], tolerance));
        }
    return wait;
}

static PyObject *
Pool_paced_for(Pool *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"rates", "tolerance", "sending"};
    PyObject *given[3];
    double tolerance = 0.0;
    char sending;
    if (arguments(args, count, kwnames, names, 3, 3, given) < 0 || !whole(self) ||
        number(given[1], &tolerance) < 0 || truth(given[2], &sending) < 0)
        return NULL;
    if (self->ahead == NULL || self->ahead->readers != self->readers) {
        PyErr_SetString(PyExc_AssertionError, "nobody looks ahead");
        return NULL;
    }
    double *rates = numbers_from(given[0], PyTuple_GET_SIZE(self->readers), 0);
    if (rates == NULL)
        return NULL;
    double wait = paced_for(self, rates, tolerance, sending);
    PyMem_Free(rates);
    return told(wait);
}

int
pool_allocate(Pool *self, Py_ssize_t index, double pages, int dies, double lifetime,
              double elapsed, double *got)
{
    if (self->allocated == NULL || !PyTuple_Check(self->allocated) || index < 0 ||
        index >= PyTuple_GET_SIZE(self->allocated)) {
        PyErr_SetString(PyExc_IndexError, "nobody allocates such pages");
        return -1;
    }
    Pages *live = pages_from(PyTuple_GET_ITEM(self->allocated, index));
    if (live == NULL)
        return -1;
    double before = count_of(live), freed = 0.0;
    if (dies && elapsed > 0) {
        double settled = pages / elapsed * lifetime;
        double kept = lifetime > 0 ? exp(-elapsed / lifetime) : 0.0;
        freed = before + pages - (settled + (before - settled) * kept);
    }
    *got = take_frames(self, most(0.0, pages - most(0.0, freed)), live);
    while (pages - *got > ALL_HAD) {
        double step = take_free(self, least(pages - *got, spare_of(self)), live);
        double back = give_back(self, live, least(most(0.0, freed), count_of(live)));
        if (step + back <= NONE_MISSING) {
            step = take_frames(self, pages - *got, live);
            if (step <= NONE_MISSING)
                return PyErr_Occurred() ? -1 : 0;
        }
        *got += step;
        freed -= back;
    }
    give_back(self, live, most(0.0, freed));
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
Pool_allocate(Pool *self, PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"pages", "lifetime_s", "elapsed_s", "index"};
    PyObject *given[4];
    double pages = 0.0, lifetime = 0.0, elapsed = 0.0, got;
    if (arguments(args, count, kwnames, names, 4, 3, given) < 0 || !whole(self) ||
        number(given[0], &pages) < 0 || number(given[2], &elapsed) < 0 ||
        (given[1] != Py_None && number(given[1], &lifetime) < 0))
        return NULL;
    Py_ssize_t index = given[3] == NULL ? 0 : PyLong_AsSsize_t(given[3]);
    if (PyErr_Occurred() ||
        pool_allocate(self, index, pages, given[1] != Py_None, lifetime, elapsed, &got) < 0)
        return NULL;
    return PyFloat_FromDouble(got);
}

/* ------------------------------------------------------------------ what policies do, and others */

static PyObject *
Pool_take_frames(Pool *self, PyObject *const *args, Py_ssize_t count)
{
    double pages = 0.0;
    Pages *to;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "pages, and where they go, expected");
        return NULL;
    }
    if (!whole(self) || number(args[0], &pages) < 0 || (to = pages_from(args[1])) == NULL)
        return NULL;
    return told(take_frames(self, pages, to));
}

static PyObject *
Pool_drop(Pool *self, PyObject *const *args, Py_ssize_t count)
{
    double pages = 0.0;
    Pages *cache;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "cache, and pages of it, expected");
        return NULL;
    }
    if (!whole(self) || (cache = pages_from(args[0])) == NULL || number(args[1], &pages) < 0)
        return NULL;
    return told(drop(self, cache, pages));
}

static PyObject *
Pool_evict(Pool *self, PyObject *arg)
{
    double pages = 0.0;
    return !whole(self) || number(arg, &pages) < 0 ? NULL : told(evict(self, pages));
}

static PyObject *
Pool_fill(Pool *self, PyObject *arg)
{
    double pages = 0.0;
    return !whole(self) || number(arg, &pages) < 0 ? NULL : told(fill(self, pages));
}

static PyObject *
Pool_forget_to(Pool *self, PyObject *arg)
{
    double pages = 0.0;
    if (!whole(self) || number(arg, &pages) < 0)
        return NULL;
    forget_to(self, pages);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ the type */

static void
Pool_dealloc(Pool *self)
{
    Py_XDECREF(self->cache);
    Py_XDECREF(self->free_stale);
    Py_XDECREF(self->free_zero);
    Py_XDECREF(self->hinted);
    Py_XDECREF(self->hinted_zero);
    Py_XDECREF(self->loose_stale);
    Py_XDECREF(self->loose_zero);
    Py_XDECREF(self->allocated);
    Py_XDECREF(self->readers);
    Py_XDECREF(self->replacement);
    Py_XDECREF(self->writers);
    Py_XDECREF(self->ahead);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* Pages, or what reads them; `at` is where that stands in the pool. */
static PyObject *
Pool_get_part(Pool *self, void *at)
{
    PyObject *part = *(PyObject **)((char *)self + (size_t)at);
    if (part == NULL)
        PyErr_SetString(PyExc_AttributeError, "a part of this memory is missing");
    return Py_XNewRef(part);
}

static int
Pool_set_pages(Pool *self, PyObject *value, void *at)
{
    if (value == NULL || pages_from(value) == NULL) {
        if (value == NULL)
            PyErr_SetString(PyExc_AttributeError, "pages cannot be deleted");
        return -1;
    }
    PyObject **pages = (PyObject **)((char *)self + (size_t)at);
    Py_XSETREF(*pages, Py_NewRef(value));
    return 0;
}

static int
Pool_set_readers(Pool *self, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL)
        PyErr_SetString(PyExc_AttributeError, "readers cannot be deleted");
    if (value == NULL || are_readers(value) < 0)
        return -1;
    Py_XSETREF(self->readers, Py_NewRef(value));
    return 0;
}

static PyObject *
Pool_get_ahead(Pool *self, void *closure)
{
    (void)closure;
    return Py_NewRef(self->ahead == NULL ? Py_None : (PyObject *)self->ahead);
}

static int
Pool_set_ahead(Pool *self, PyObject *value, void *closure)
{
    (void)closure;
    if (value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "None expected: look_ahead makes others");
        return -1;
    }
    Py_CLEAR(self->ahead);
    return 0;
}

/* A sum over the pool; `of` is the function that tells it. */
typedef struct {
    double (*of)(const Pool *);
} Sum;

static PyObject *
Pool_sum(Pool *self, void *sum)
{
    return whole(self) ? PyFloat_FromDouble(((const Sum *)sum)->of(self)) : NULL;
}

static const Sum sum_free = {free_of}, sum_spare = {spare_of}, sum_resident = {resident_of},
                 sum_cold = {cold_of}, sum_room = {room_of};

#define PAGES(name)                                                                                \
    {#name, (getter)Pool_get_part, (setter)Pool_set_pages, NULL, (void *)offsetof(Pool, name)}
#define SUM(name) {#name, (getter)Pool_sum, NULL, NULL, (void *)&sum_##name}

static PyGetSetDef Pool_getset[] = {
    PAGES(cache),
    PAGES(free_stale),
    PAGES(free_zero),
    PAGES(hinted),
    PAGES(hinted_zero),
    PAGES(loose_stale),
    PAGES(loose_zero),
    {"readers", (getter)Pool_get_part, (setter)Pool_set_readers, NULL,
     (void *)offsetof(Pool, readers)},
    SUM(free),
    SUM(spare),
    SUM(resident),
    SUM(cold),
    SUM(room),
    {"on_course", (getter)Pool_on_course, NULL, NULL, NULL},
    {"ahead", (getter)Pool_get_ahead, (setter)Pool_set_ahead, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Pool_members[] = {
    {"_hintable", T_DOUBLE, offsetof(Pool, hintable), 0, NULL},
    {"min_free", T_DOUBLE, offsetof(Pool, min_free), 0, NULL},
    {"pages", T_DOUBLE, offsetof(Pool, pages), 0, NULL},
    {"allocated", T_OBJECT_EX, offsetof(Pool, allocated), 0, NULL},
    {"replacement", T_OBJECT_EX, offsetof(Pool, replacement), 0, NULL},
    {"writers", T_OBJECT_EX, offsetof(Pool, writers), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef Pool_methods[] = {
    {"write", METHOD(Pool_write), METH_FASTCALL, NULL},
    {"read", METHOD(Pool_read), METH_O, NULL},
    {"look_ahead", METHOD(Pool_look_ahead), METH_O, NULL},
    {"steady_for", METHOD(Pool_steady_for), METH_FASTCALL, NULL},
    {"paced_for", METHOD(Pool_paced_for), NAMED, NULL},
    {"allocate", METHOD(Pool_allocate), NAMED, NULL},
    {"take_frames", METHOD(Pool_take_frames), METH_FASTCALL, NULL},
    {"drop", METHOD(Pool_drop), METH_FASTCALL, NULL},
    {"evict", METHOD(Pool_evict), METH_O, NULL},
    {"fill", METHOD(Pool_fill), METH_O, NULL},
    {"forget_to", METHOD(Pool_forget_to), METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef functions[] = {
    {"look_ahead", METHOD(look_ahead), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject PoolType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dcsim.model.pool.Pool",
    .tp_basicsize = sizeof(Pool),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)Pool_dealloc,
    .tp_members = Pool_members,
    .tp_getset = Pool_getset,
    .tp_methods = Pool_methods,
};

static PyStructSequence_Field outcome_fields[] = {
    {"misses", NULL},
    {"brought", NULL},
    {"recycled", NULL},
    {NULL, NULL},
};

static PyStructSequence_Desc outcome = {
    .name = "dcsim.model.pool.ReadOutcome",
    .fields = outcome_fields,
    .n_in_sequence = 3,
};

Pool *
pool_from(PyObject *object)
{
    if (!PyObject_TypeCheck(object, &PoolType)) {
        PyErr_SetString(PyExc_TypeError, "a memory expected");
        return NULL;
    }
    return whole((Pool *)object) ? (Pool *)object : NULL;
}

int
add_pool(PyObject *module)
{
    ReadOutcomeType = PyStructSequence_NewType(&outcome);
    if (ReadOutcomeType == NULL || PyModule_AddType(module, ReadOutcomeType) < 0)
        return -1;
    return PyModule_AddType(module, &PoolType) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
