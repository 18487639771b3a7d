/* plexus._plexus.Writer: a store that is written. */
#include "module.h"

typedef struct writer {
    PyObject_HEAD px_data_writer *w;
} writer;

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    static char *names[] = {"path", "append", "token_bytes", "vocab", "bos",
                            "eos",  "pad",    "tokenizer",   NULL};
    px_data_writer_options o = {.size = sizeof o, .bos = -1, .eos = -1, .pad = -1};
    PyObject *path = NULL;
    const char *tokenizer = NULL;
    Py_ssize_t length = 0;
    px_diag diag = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O&|pIIiiiz#", names, PyUnicode_FSConverter, &path,
                                     &o.append, &o.token_bytes, &o.vocab, &o.bos, &o.eos, &o.pad,
                                     &tokenizer, &length))
        return NULL;
    if (tokenizer && length != (Py_ssize_t)sizeof o.tokenizer) {
        Py_DECREF(path);
        PyErr_SetString(PyExc_ValueError, "tokenizer is a BLAKE3 of 32 bytes");
        return NULL;
    }
    if (tokenizer)
        memcpy(o.tokenizer, tokenizer, sizeof o.tokenizer);
    px_data_writer *w = NULL;
    px_err err = px_data_writer_new(PyBytes_AsString(path), &o, &w, &diag);
    Py_DECREF(path);
    if (err)
        return pxpy_raise(err, &diag);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    writer *self = (writer *)alloc(type, 0);
    if (self)
        self->w = w;
    else
        px_data_writer_free(w);
    return (PyObject *)self;
}

static void writer_free(PyObject *self)
{
    px_data_writer_free(((writer *)self)->w);
    pxpy_free(self);
}

static int opened(PyObject *self)
{
    if (!((writer *)self)->w)
        PyErr_SetString(PyExc_ValueError, "the writer is closed");
    return ((writer *)self)->w != NULL;
}

/* int32 tokens of any sequence of integers; free with PyMem_Free. */
static int32_t *tokens_of(PyObject *o, Py_ssize_t *n)
{
    *n = PySequence_Size(o);
    int32_t *p = *n < 0 ? NULL : PyMem_Malloc(*n ? (size_t)*n * sizeof *p : 1);
    for (Py_ssize_t i = 0; p && i < *n; i++) {
        PyObject *item = PySequence_GetItem(o, i);
        PyObject *whole = item ? PyNumber_Index(item) : NULL;
        long v = whole ? PyLong_AsLong(whole) : -1;
        Py_XDECREF(item);
        Py_XDECREF(whole);
        if (!PyErr_Occurred() && (v < INT32_MIN || v > INT32_MAX))
            PyErr_SetString(PyExc_OverflowError, "a token is an int32");
        if (PyErr_Occurred()) {
            PyMem_Free(p);
            return NULL;
        }
        p[i] = (int32_t)v;
    }
    if (!p && !PyErr_Occurred())
        PyErr_NoMemory();
    return p;
}

/* The tokens as they are, if they lie as native int32 one behind the other. */
static int plain(PyObject *o, Py_buffer *b)
{
    if (!PyObject_CheckBuffer(o))
        return 0;
    if (PyObject_GetBuffer(o, b, PyBUF_ND | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return 0;
    }
    int yes = b->ndim == 1 && b->itemsize == 4 && b->format &&
              (strcmp(b->format, "i") == 0 || strcmp(b->format, "l") == 0);
    if (!yes)
        PyBuffer_Release(b);
    return yes;
}

static PyObject *writer_write(PyObject *self, PyObject *args, PyObject *kw)
{
    static char *names[] = {"tokens", "src", "dst", "continues", NULL};
    PyObject *tokens;
    unsigned char src = 1, dst = 1;
    int continues = 0;
    Py_buffer b;
    px_err err;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|bbp", names, &tokens, &src, &dst, &continues) ||
        !opened(self))
        return NULL;
    px_data_writer *w = ((writer *)self)->w;
    if (plain(tokens, &b)) {
        err = px_data_write(w, src, dst, b.buf, (size_t)b.len / 4, continues);
        PyBuffer_Release(&b);
    } else {
        Py_ssize_t n;
        int32_t *p = tokens_of(tokens, &n);
        if (!p)
            return NULL;
        err = px_data_write(w, src, dst, p, (size_t)n, continues);
        PyMem_Free(p);
    }
    if (err)
        return pxpy_raise(err, NULL);
    Py_RETURN_NONE;
}

static PyObject *writer_commit(PyObject *self, PyObject *none)
{
    (void)none;
    if (!opened(self))
        return NULL;
    px_err err = px_data_commit(((writer *)self)->w);
    if (err)
        return pxpy_raise(err, NULL);
    Py_RETURN_NONE;
}

static PyObject *writer_close(PyObject *self, PyObject *none)
{
    (void)none;
    px_data_writer_free(((writer *)self)->w);
    ((writer *)self)->w = NULL;
    Py_RETURN_NONE;
}

static PyObject *writer_enter(PyObject *self, PyObject *none)
{
    (void)none;
    return Py_NewRef(self);
}

/* Commits, unless an exception ended the block. */
static PyObject *writer_exit(PyObject *self, PyObject *args)
{
    PyObject *type, *value, *trace;
    if (!PyArg_ParseTuple(args, "OOO", &type, &value, &trace))
        return NULL;
    PyObject *done =
        type == Py_None && ((writer *)self)->w ? writer_commit(self, NULL) : Py_NewRef(Py_None);
    Py_XDECREF(writer_close(self, NULL));
    return done;
}

static PyMethodDef methods[] = {
    {"write", (PyCFunction)(void (*)(void))writer_write, METH_VARARGS | METH_KEYWORDS,
     "write(tokens, src=1, dst=1, continues=False): one sample."},
    {"commit", writer_commit, METH_NOARGS, "All that was written counts from now on."},
    {"close", writer_close, METH_NOARGS, "What was not committed is lost."},
    {"__enter__", writer_enter, METH_NOARGS, NULL},
    {"__exit__", writer_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, PXPY_SLOT(writer_new)},
    {Py_tp_dealloc, PXPY_SLOT(writer_free)},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Writer(path, append=False, token_bytes=0, vocab=0, bos=-1, eos=-1, pad=-1, "
                "tokenizer=None): a store; as a context it commits at its end."},
    {0, NULL},
};

static PyType_Spec spec = {"plexus._plexus.Writer", sizeof(writer), 0, Py_TPFLAGS_DEFAULT, slots};

int pxpy_add_writer(PyObject *module)
{
    return pxpy_add_class(module, &spec) ? 0 : -1;
}
