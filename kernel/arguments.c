/* How functions of the kernel take their arguments. */
#include "kernel.h"

int
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

int
number(PyObject *object, double *into)
{
    if (object == NULL)
        return 0;
    *into = PyFloat_AsDouble(object);
    return *into == -1.0 && PyErr_Occurred() ? -1 : 0;
}

int
truth(PyObject *object, char *into)
{
    int value = object == NULL ? 0 : PyObject_IsTrue(object);
    *into = (char)value;
    return value < 0 ? -1 : 0;
}
