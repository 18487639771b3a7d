/* plexus._plexus.Gguf: a model file, its tensors as views. */
#include "module.h"

#include "plexus/file.h"
#include "plexus/gguf.h"

typedef struct gguf {
    PyObject_HEAD px_file *file;
    px_gguf *g;
} gguf;

static PyObject *gguf_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    static char *names[] = {"path", NULL};
    PyObject *path = NULL;
    px_diag diag = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O&", names, PyUnicode_FSConverter, &path))
        return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    gguf *self = (gguf *)alloc(type, 0);
    if (self) {
        px_err err = px_file_open_private(PyBytes_AsString(path), &self->file, &diag);
        if (!err)
            err = px_gguf_parse(px_file_bytes(self->file), &self->g, &diag);
        if (err) {
            pxpy_raise(err, &diag);
            Py_CLEAR(self);
        }
    }
    Py_DECREF(path);
    return (PyObject *)self;
}

static void gguf_free(PyObject *self)
{
    px_gguf_free(((gguf *)self)->g);
    px_file_close(((gguf *)self)->file);
    pxpy_free(self);
}

/* Types whose elements Python's consumers know; blocks are bytes. */
static enum pxpy_type type_of(uint32_t dtype)
{
    switch (dtype) {
    case PX_DTYPE_F32: return PXPY_F32;
    case PX_DTYPE_F16: return PXPY_F16;
    case PX_DTYPE_BF16: return PXPY_BF16;
    case PX_DTYPE_F64: return PXPY_F64;
    case PX_DTYPE_I8: return PXPY_I8;
    case PX_DTYPE_I16: return PXPY_I16;
    case PX_DTYPE_I32: return PXPY_I32;
    case PX_DTYPE_I64: return PXPY_I64;
    default: return PXPY_U8;
    }
}

/* Slowest dimension first; of blocks, the last one counts bytes. */
static PyObject *gguf_tensor(PyObject *self, PyObject *args)
{
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    const px_gguf_tensor *t = px_gguf_tensor_find(((gguf *)self)->g, name);
    if (!t) {
        PyErr_SetString(PyExc_KeyError, name);
        return NULL;
    }
    int n = t->n_dims ? (int)t->n_dims : 1;
    Py_ssize_t shape[4];
    for (int i = 0; i < n; i++)
        shape[n - 1 - i] = (Py_ssize_t)t->dims[i];
    enum pxpy_type type = type_of(t->type);
    if (type == PXPY_U8)
        shape[n - 1] = (Py_ssize_t)px_dtype_row_bytes(t->type, t->dims[0]);
    return pxpy_view(self, t->data.p, type, n, shape, 0);
}

static PyObject *gguf_tensors(PyObject *self, PyObject *none)
{
    const px_gguf *g = ((gguf *)self)->g;
    PyObject *d = PyDict_New();
    (void)none;
    for (uint64_t i = 0; d && i < px_gguf_tensor_count(g); i++) {
        const px_gguf_tensor *t = px_gguf_tensor_at(g, i);
        PyObject *key =
            PyUnicode_DecodeUTF8((const char *)t->name.p, (Py_ssize_t)t->name.n, "replace");
        PyObject *type = PyUnicode_FromString(px_dtype_name(t->type));
        if (!key || !type || PyDict_SetItem(d, key, type) < 0)
            Py_CLEAR(d);
        Py_XDECREF(key);
        Py_XDECREF(type);
    }
    return d;
}

static PyObject *gguf_bytes(PyObject *self, PyObject *none)
{
    px_view b = px_file_bytes(((gguf *)self)->file);
    Py_ssize_t n = (Py_ssize_t)b.n;
    (void)none;
    return pxpy_view(self, b.p, PXPY_U8, 1, &n, 0);
}

static PyMethodDef methods[] = {
    {"bytes", gguf_bytes, METH_NOARGS, "A View of the whole file."},
    {"tensor", gguf_tensor, METH_VARARGS, "tensor(name): a View; KeyError when there is none."},
    {"tensors", gguf_tensors, METH_NOARGS, "Name and type of each, in the order of the file."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, PXPY_SLOT(gguf_new)},
    {Py_tp_dealloc, PXPY_SLOT(gguf_free)},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Gguf(path): a model file, mapped."},
    {0, NULL},
};

static PyType_Spec spec = {"plexus._plexus.Gguf", sizeof(gguf), 0, Py_TPFLAGS_DEFAULT, slots};

int pxpy_add_gguf(PyObject *module)
{
    return pxpy_add_class(module, &spec) ? 0 : -1;
}
