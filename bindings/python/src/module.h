/* The parts of the extension module plexus._plexus, an adapter over include/plexus. */
#ifndef PXPY_MODULE_H
#define PXPY_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plexus/data.h"
#include "plexus/file.h"

/* Element types of views. */
enum pxpy_type {
    PXPY_U8,
    PXPY_I8,
    PXPY_U16,
    PXPY_I16,
    PXPY_I32,
    PXPY_U32,
    PXPY_I64,
    PXPY_U64,
    PXPY_F16,
    PXPY_BF16,
    PXPY_F32,
    PXPY_F64,
};

/*
 * Elements at p, in C order, as an object with the buffer protocol, __array_interface__ and
 * __dlpack__. It and all that is made from it hold a reference to owner, whose memory it is.
 * ndim is 1 to 4. NULL with a Python exception.
 */
PyObject *pxpy_view(PyObject *owner, const void *p, enum pxpy_type type, int ndim,
                    const Py_ssize_t *shape, int readonly);

/* Raise the class of an error with the text and the diagnosis (may be NULL); returns NULL. */
PyObject *pxpy_raise(px_err err, const px_diag *diag);

/* Add classes to the module; 0, or -1 with an exception. */
int pxpy_add_errors(PyObject *module);
int pxpy_add_view(PyObject *module);
int pxpy_add_data(PyObject *module);
int pxpy_add_writer(PyObject *module);
int pxpy_add_convert(PyObject *module);
int pxpy_add_loader(PyObject *module);
int pxpy_add_gguf(PyObject *module);
int pxpy_add_reduce(PyObject *module);

/* The data of a plexus._plexus.Data, or NULL with TypeError. */
px_data *pxpy_data(PyObject *o);

/* Free an object of a heap type. */
void pxpy_free(PyObject *self);
/* Make a class from spec and add it; the class is borrowed, NULL with an exception. */
PyTypeObject *pxpy_add_class(PyObject *module, PyType_Spec *spec);
/* Slots take functions as pointers to objects, as PyType_Slot asks. */
#define PXPY_SLOT(f) ((void *)(f))

#endif
