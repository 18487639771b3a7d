/*
 * Views: memory of somebody else, for every consumer of arrays. The buffer protocol is PEP 3118's,
 * __array_interface__ is NumPy's version 3, __dlpack__ is DLPack's 0.8 and 1.0.
 */
#include "module.h"

#include <stdlib.h>

static const struct type {
    const char *format, *typestr, *name;
    unsigned size;
    uint8_t dl_code, dl_bits; /* DLDataType */
} types[] = {
    [PXPY_U8] = {"B", "|u1", "uint8", 1, 1, 8},
    [PXPY_I8] = {"b", "|i1", "int8", 1, 0, 8},
    [PXPY_U16] = {"H", "<u2", "uint16", 2, 1, 16},
    [PXPY_I16] = {"h", "<i2", "int16", 2, 0, 16},
    [PXPY_I32] = {"i", "<i4", "int32", 4, 0, 32},
    [PXPY_U32] = {"I", "<u4", "uint32", 4, 1, 32},
    [PXPY_I64] = {"q", "<i8", "int64", 8, 0, 64},
    [PXPY_U64] = {"Q", "<u8", "uint64", 8, 1, 64},
    [PXPY_F16] = {"e", "<f2", "float16", 2, 2, 16},
    [PXPY_BF16] = {"H", "<u2", "bfloat16", 2, 4, 16}, /* the others do not know it */
    [PXPY_F32] = {"f", "<f4", "float32", 4, 2, 32},
    [PXPY_F64] = {"d", "<f8", "float64", 8, 2, 64},
};

typedef struct view {
    PyObject_HEAD PyObject *owner;
    void *p;
    const struct type *type;
    int ndim, readonly;
    Py_ssize_t shape[4], strides[4], bytes;
} view;

static PyTypeObject *class;

PyObject *pxpy_view(PyObject *owner, const void *p, enum pxpy_type type, int ndim,
                    const Py_ssize_t *shape, int readonly)
{
    view *v = PyObject_New(view, class);
    if (!v)
        return NULL;
    v->owner = Py_NewRef(owner);
    v->p = (void *)(uintptr_t)p;
    v->type = &types[type];
    v->ndim = ndim;
    v->readonly = readonly;
    v->bytes = v->type->size;
    for (int i = ndim - 1; i >= 0; i--) {
        v->shape[i] = shape[i];
        v->strides[i] = v->bytes;
        v->bytes *= shape[i];
    }
    return (PyObject *)v;
}

static void view_free(PyObject *self)
{
    Py_DECREF(((view *)self)->owner);
    pxpy_free(self);
}

static int view_buffer(PyObject *self, Py_buffer *b, int flags)
{
    view *v = (view *)self;
    b->obj = NULL;
    if (v->readonly && (flags & PyBUF_WRITABLE)) {
        PyErr_SetString(PyExc_BufferError, "the view is read-only");
        return -1;
    }
    *b = (Py_buffer){.buf = v->p,
                     .obj = Py_NewRef(self),
                     .len = v->bytes,
                     .itemsize = v->type->size,
                     .readonly = v->readonly,
                     .ndim = v->ndim,
                     .format = (flags & PyBUF_FORMAT) ? (char *)(uintptr_t)v->type->format : NULL,
                     .shape = (flags & PyBUF_ND) ? v->shape : NULL,
                     .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? v->strides : NULL};
    return 0;
}

static PyObject *shape_of(const view *v)
{
    PyObject *t = PyTuple_New(v->ndim);
    for (int i = 0; t && i < v->ndim; i++) {
        PyObject *n = PyLong_FromSsize_t(v->shape[i]);
        if (!n || PyTuple_SetItem(t, i, n) < 0)
            Py_CLEAR(t);
    }
    return t;
}

static PyObject *get_shape(PyObject *self, void *closure)
{
    (void)closure;
    return shape_of((view *)self);
}

static PyObject *get_dtype(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(((view *)self)->type->name);
}

static PyObject *get_pointer(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromVoidPtr(((view *)self)->p);
}

static PyObject *get_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSsize_t(((view *)self)->bytes);
}

static PyObject *get_readonly(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((view *)self)->readonly);
}

static PyObject *get_interface(PyObject *self, void *closure)
{
    view *v = (view *)self;
    (void)closure;
    return Py_BuildValue("{s:N,s:s,s:(NN),s:O,s:i}", "shape", shape_of(v), "typestr",
                         v->type->typestr, "data", PyLong_FromVoidPtr(v->p),
                         PyBool_FromLong(v->readonly), "strides", Py_None, "version", 3);
}

/* ------------------------------------------------------------------- DLPack */

/* The structures of dlpack.h (github.com/dmlc/dlpack), as they are laid out there. */
struct dl_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
};

struct dl_managed { /* DLManagedTensor */
    struct dl_tensor t;
    void *ctx;
    void (*deleter)(struct dl_managed *);
};

struct dl_versioned { /* DLManagedTensorVersioned */
    uint32_t major, minor;
    void *ctx;
    void (*deleter)(struct dl_versioned *);
    uint64_t flags; /* 1: read-only */
    struct dl_tensor t;
};

struct lent {
    union {
        struct dl_managed old;
        struct dl_versioned now;
    } u;
    int64_t shape[4], strides[4];
    PyObject *view;
};

enum { DL_CPU = 1, DL_READ_ONLY = 1 };

/* Consumers call it from any thread. */
static void lent_free(struct lent *l)
{
    if (Py_IsInitialized()) {
        PyGILState_STATE s = PyGILState_Ensure();
        Py_DECREF(l->view);
        PyGILState_Release(s);
    }
    free(l);
}

static void delete_old(struct dl_managed *m)
{
    lent_free(m->ctx);
}

static void delete_now(struct dl_versioned *m)
{
    lent_free(m->ctx);
}

/* A capsule that nobody took; one that was taken has another name. */
static void capsule_free(PyObject *capsule)
{
    const char *name = PyCapsule_GetName(capsule);
    if (name && (strcmp(name, "dltensor") == 0 || strcmp(name, "dltensor_versioned") == 0))
        lent_free(PyCapsule_GetContext(capsule));
}

static struct dl_tensor lent_tensor(struct lent *l, const view *v)
{
    for (int i = 0; i < v->ndim; i++) {
        l->shape[i] = v->shape[i];
        l->strides[i] = v->strides[i] / v->type->size;
    }
    return (struct dl_tensor){.data = v->p,
                              .device_type = DL_CPU,
                              .ndim = v->ndim,
                              .code = v->type->dl_code,
                              .bits = v->type->dl_bits,
                              .lanes = 1,
                              .shape = l->shape,
                              .strides = l->strides};
}

static PyObject *view_dlpack(PyObject *self, PyObject *args, PyObject *kw)
{
    static char *names[] = {"stream", "max_version", "dl_device", "copy", NULL};
    view *v = (view *)self;
    PyObject *stream = NULL, *version = Py_None, *device = NULL, *copy = Py_None;
    int major = 0, minor = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O$OOO", names, &stream, &version, &device, &copy))
        return NULL;
    if (version != Py_None && !PyArg_ParseTuple(version, "ii", &major, &minor))
        return NULL;
    if (copy == Py_True || (v->readonly && major < 1)) {
        PyErr_SetString(PyExc_BufferError, copy == Py_True ? "views are not copied"
                                                           : "read-only memory needs DLPack 1.0");
        return NULL;
    }
    struct lent *l = calloc(1, sizeof *l);
    if (!l)
        return PyErr_NoMemory();
    struct dl_tensor t = lent_tensor(l, v);
    if (major >= 1)
        l->u.now = (struct dl_versioned){1, 0, l, delete_now, v->readonly ? DL_READ_ONLY : 0, t};
    else
        l->u.old = (struct dl_managed){t, l, delete_old};
    PyObject *c = PyCapsule_New(&l->u, major >= 1 ? "dltensor_versioned" : "dltensor", NULL);
    if (!c) {
        free(l);
        return NULL;
    }
    l->view = Py_NewRef(self);
    PyCapsule_SetContext(c, l);
    PyCapsule_SetDestructor(c, capsule_free);
    return c;
}

static PyObject *view_device(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return Py_BuildValue("(ii)", DL_CPU, 0);
}

static Py_ssize_t view_length(PyObject *self)
{
    return ((view *)self)->shape[0];
}

static PyObject *view_repr(PyObject *self)
{
    view *v = (view *)self;
    PyObject *shape = shape_of(v), *r = NULL;
    if (shape)
        r = PyUnicode_FromFormat("<plexus.View %s %S%s>", v->type->name, shape,
                                 v->readonly ? " read-only" : "");
    Py_XDECREF(shape);
    return r;
}

static PyGetSetDef getset[] = {
    {"shape", get_shape, NULL, "lengths of the dimensions", NULL},
    {"dtype", get_dtype, NULL, "name of the type of elements", NULL},
    {"pointer", get_pointer, NULL, "address of the first element", NULL},
    {"nbytes", get_bytes, NULL, "bytes in all", NULL},
    {"readonly", get_readonly, NULL, "whether it must not be written", NULL},
    {"__array_interface__", get_interface, NULL, "version 3", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))view_dlpack, METH_VARARGS | METH_KEYWORDS,
     "A capsule with the memory, for from_dlpack."},
    {"__dlpack_device__", view_device, METH_NOARGS, "(1, 0): the processor's memory."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, PXPY_SLOT(view_free)},
    {Py_bf_getbuffer, PXPY_SLOT(view_buffer)},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {Py_sq_length, PXPY_SLOT(view_length)},
    {Py_tp_repr, PXPY_SLOT(view_repr)},
    {Py_tp_doc, "Memory of a file or a batch, which it keeps alive."},
    {0, NULL},
};

static PyType_Spec spec = {"plexus._plexus.View", sizeof(view), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int pxpy_add_view(PyObject *module)
{
    class = pxpy_add_class(module, &spec);
    return class ? 0 : -1;
}
