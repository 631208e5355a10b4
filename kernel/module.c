/* The module dcsim._kernel. Each part of it has a reference in Python, which gives the same numbers:
 * the same operations on doubles in the same order. Compile it without fused multiply-add and without
 * any option that lets the compiler reorder arithmetic. */
#include "kernel.h"

static struct PyModuleDef kernel = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dcsim._kernel",
    .m_doc = "Inner loops of dcsim, compiled; dcsim.kernel says whether they are in use.",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    PyObject *module = PyModule_Create(&kernel);
    if (module == NULL)
        return NULL;
    if (PyModule_AddStringConstant(module, "sources", SOURCES) < 0 || add_touch(module) < 0 ||
        add_scan(module) < 0 || add_transport(module) < 0 || add_sending(module) < 0 ||
        add_readers(module) < 0 || add_routing(module) < 0 || add_pool(module) < 0 ||
        add_work(module) < 0 || add_fabric(module) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
