/* The touch law; its reference is dcsim/model/touch.py. */
#include "kernel.h"

int
add_touch(PyObject *module)
{
    (void)module;
    return 0;
}
