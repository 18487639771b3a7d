/* plexus._plexus.Data: a file of packets or a store, and its samples. */
#include "module.h"

typedef struct data {
    PyObject_HEAD px_data *d;
    px_data_info info;
    int writable;
} data;

static PyTypeObject *class;

px_data *pxpy_data(PyObject *o)
{
    if (PyObject_TypeCheck(o, class) && ((data *)o)->d)
        return ((data *)o)->d;
    PyErr_SetString(PyExc_TypeError, "an open plexus._plexus.Data is expected");
    return NULL;
}

/* Long work, outside of the interpreter's lock, ends when a signal raised. */
static int on_progress(void *ctx, uint64_t done, uint64_t all)
{
    (void)ctx, (void)done, (void)all;
    PyGILState_STATE s = PyGILState_Ensure();
    int raised = PyErr_CheckSignals();
    PyGILState_Release(s);
    return raised;
}

static PyObject *failed(px_err err, const px_diag *diag)
{
    return PyErr_Occurred() ? NULL : pxpy_raise(err, diag);
}

static PyObject *data_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    static char *names[] = {"path", "crc", "cover", "writable", "cache_bytes", "timeout_ms", NULL};
    unsigned long long cache = 0;
    PyObject *path = NULL;
    px_data_options o = {.size = sizeof o, .progress = on_progress, .writable = 1};
    px_diag diag = {0};
    px_data *d = NULL;
    px_err err;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O&|zzpKI", names, PyUnicode_FSConverter, &path,
                                     &o.crc, &o.cover, &o.writable, &cache, &o.timeout_ms))
        return NULL;
    o.cache_bytes = cache;
    const char *name = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS err = px_data_open(name, &o, &d, &diag);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (err)
        return failed(err, &diag);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    data *self = (data *)alloc(type, 0);
    if (!self) {
        px_data_close(d);
        return NULL;
    }
    self->d = d;
    self->writable = o.writable;
    px_data_get_info(d, &self->info);
    return (PyObject *)self;
}

static void data_free(PyObject *self)
{
    px_data_close(((data *)self)->d);
    pxpy_free(self);
}

static Py_ssize_t data_length(PyObject *self)
{
    return (Py_ssize_t)((data *)self)->info.samples;
}

static int put(PyObject *dict, const char *key, PyObject *value)
{
    int bad = !value || PyDict_SetItemString(dict, key, value) < 0;
    Py_XDECREF(value);
    return bad;
}

static PyObject *dropped_of(const px_data_info *i)
{
    PyObject *d = PyDict_New();
    for (unsigned k = 0; d && k < sizeof i->dropped / sizeof *i->dropped; k++)
        if (put(d, px_data_drop_name(k), PyLong_FromUnsignedLongLong(i->dropped[k])))
            Py_CLEAR(d);
    return d;
}

static PyObject *data_info(PyObject *self, PyObject *none)
{
    const px_data_info *i = &((data *)self)->info;
    (void)none;
    PyObject *d = Py_BuildValue("{s:s,s:K,s:K,s:K,s:I,s:I,s:I,s:i,s:i,s:i,s:I,s:K,s:K}", "format",
                                i->store ? "ndp3" : "ndp2.1", "bytes", i->bytes, "samples",
                                i->samples, "tokens", i->tokens, "longest", i->longest, "segments",
                                i->segments, "vocab", i->vocab, "bos", i->bos, "eos", i->eos, "pad",
                                i->pad, "token_bytes", i->token_bytes, "dropped_bytes",
                                i->dropped_bytes, "generation", i->generation);
    if (!d)
        return NULL;
    int bad = put(d, "dropped", dropped_of(i));
    if (i->store)
        bad |= put(d, "hash", PyBytes_FromStringAndSize((const char *)i->hash, 32)) ||
               put(d, "tokenizer", PyBytes_FromStringAndSize((const char *)i->tokenizer, 32));
    else
        bad |= put(d, "crc", PyUnicode_FromString(i->crc)) ||
               put(d, "cover", PyUnicode_FromString(i->cover));
    if (bad)
        Py_CLEAR(d);
    return d;
}

/* Sample i; 0, or -1 with the exception. */
static int find(const data *self, Py_ssize_t i, px_sample *s)
{
    px_diag diag = {0};
    px_err err = PX_ERR_NOT_FOUND;
    if (i >= 0) { /* it may have to be fetched */
        Py_BEGIN_ALLOW_THREADS err = px_data_sample(self->d, (uint64_t)i, s);
        Py_END_ALLOW_THREADS
    }
    if (err && err != PX_ERR_CORRUPT)
        px_data_why(self->d, &diag);
    if (err == PX_ERR_NOT_FOUND)
        PyErr_Format(PyExc_IndexError, "there are %llu samples",
                     (unsigned long long)self->info.samples);
    else if (err)
        pxpy_raise(err, diag.expected[0] ? &diag : NULL);
    return err ? -1 : 0;
}

/* The bytes of a sample: in the mapping, or of one that lies elsewhere in memory of their own. */
static PyObject *bytes_view(PyObject *self, const px_sample *s)
{
    int raw = s->big_endian || !s->tokens, kind = PXPY_U8;
    Py_ssize_t n = raw ? (Py_ssize_t)s->bytes.n : (Py_ssize_t)s->tokens;
    px_data_traffic t;
    if (!raw)
        kind = s->token_bytes == 2 ? PXPY_U16 : PXPY_I32;
    px_data_get_traffic(((data *)self)->d, &t);
    if (!t.elsewhere)
        return pxpy_view(self, s->bytes.p, kind, 1, &n, !((data *)self)->writable);
    PyObject *memory =
        PyByteArray_FromStringAndSize((const char *)s->bytes.p, (Py_ssize_t)s->bytes.n);
    PyObject *v = memory ? pxpy_view(memory, (const uint8_t *)PyByteArray_AsString(memory), kind, 1,
                                     &n, !((data *)self)->writable)
                         : NULL;
    Py_XDECREF(memory);
    return v;
}

static PyObject *data_sample(PyObject *self, PyObject *args)
{
    Py_ssize_t i;
    px_sample s;
    if (!PyArg_ParseTuple(args, "n", &i) || find((data *)self, i, &s) < 0)
        return NULL;
    PyObject *v = bytes_view(self, &s);
    px_data_give_back(((data *)self)->d, &s);
    return v ? Py_BuildValue("(NIiiiO)", v, (unsigned)s.tokens, s.src, s.dst, s.typ,
                             s.continues ? Py_True : Py_False)
             : NULL;
}

static PyObject *data_window(PyObject *self, PyObject *args)
{
    Py_ssize_t first, count, n;
    unsigned long long got = 0;
    uint64_t samples = 0;
    px_sample s;
    if (!PyArg_ParseTuple(args, "nn", &first, &count))
        return NULL;
    if (first < 0 || count < 1) {
        PyErr_SetString(PyExc_ValueError,
                        "a window begins at 0 or later and has a sample at least");
        return NULL;
    }
    px_err err = px_data_window(((data *)self)->d, (uint64_t)first, (uint64_t)count, &s, &samples);
    if (err)
        return pxpy_raise(err, NULL);
    got = samples;
    n = s.tokens ? (Py_ssize_t)s.tokens : (Py_ssize_t)s.bytes.n;
    enum pxpy_type type = !s.tokens ? PXPY_U8 : s.token_bytes == 2 ? PXPY_U16 : PXPY_I32;
    PyObject *v = pxpy_view(self, s.bytes.p, type, 1, &n, !((data *)self)->writable);
    return v ? Py_BuildValue("(NK)", v, got) : NULL;
}

static void put_token(uint8_t *p, Py_ssize_t at, int64_t value, int wide)
{
    int32_t narrow = (int32_t)value;
    if (wide)
        memcpy(p + at * 8, &value, 8);
    else
        memcpy(p + at * 4, &narrow, 4);
}

/* A row of n elements in memory of its own. */
static PyObject *row_new(Py_ssize_t n, int wide, uint8_t **p)
{
    PyObject *memory = PyByteArray_FromStringAndSize(NULL, n ? n * (wide ? 8 : 4) : 8);
    if (!memory)
        return NULL;
    *p = (uint8_t *)PyByteArray_AsString(memory);
    PyObject *v = pxpy_view(memory, *p, wide ? PXPY_I64 : PXPY_I32, 1, &n, 0);
    Py_DECREF(memory);
    return v;
}

static PyObject *data_row(PyObject *self, PyObject *args)
{
    Py_ssize_t i, n;
    int pad, wide;
    px_sample s;
    uint8_t *ids = NULL, *labels = NULL;
    if (!PyArg_ParseTuple(args, "nnip", &i, &n, &pad, &wide) || find((data *)self, i, &s) < 0)
        return NULL;
    Py_ssize_t real = n && (Py_ssize_t)s.tokens > n ? n : (Py_ssize_t)s.tokens;
    n = n ? n : real;
    PyObject *a = row_new(n, wide, &ids), *b = row_new(n, wide, &labels);
    if (!a || !b) {
        px_data_give_back(((data *)self)->d, &s);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    for (Py_ssize_t at = 0; at < n;) {
        int32_t piece[256];
        size_t got = px_sample_tokens(&s, (uint32_t)at, piece, 256);
        for (size_t k = 0; k < got && at < real; k++, at++) {
            put_token(ids, at, piece[k], wide);
            put_token(labels, at, piece[k], wide);
        }
        for (; at >= real && at < n; at++) {
            put_token(ids, at, pad, wide);
            put_token(labels, at, PX_LABEL_IGNORED, wide);
        }
    }
    px_data_give_back(((data *)self)->d, &s);
    return Py_BuildValue("(NNn)", a, b, real);
}

static PyObject *data_traffic(PyObject *self, PyObject *none)
{
    px_data_traffic t;
    (void)none;
    px_data_get_traffic(((data *)self)->d, &t);
    return Py_BuildValue("{s:O,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "elsewhere",
                         t.elsewhere ? Py_True : Py_False, "hits", t.hits, "misses", t.misses,
                         "ahead", t.ahead, "evicted", t.evicted, "bytes", t.bytes, "here", t.here,
                         "requests", t.requests, "retries", t.retries, "wrong", t.wrong, "damaged",
                         t.damaged, "first_damaged", t.first_damaged);
}

static PyObject *data_verify(PyObject *self, PyObject *none)
{
    px_diag diag = {0};
    px_err err;
    (void)none;
    Py_BEGIN_ALLOW_THREADS err = px_data_verify(((data *)self)->d, on_progress, NULL, &diag);
    Py_END_ALLOW_THREADS if (err) return failed(err, &diag);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"info", data_info, METH_NOARGS, "What is known of it."},
    {"sample", data_sample, METH_VARARGS,
     "sample(i): view of its bytes, tokens, src, dst, typ, continues."},
    {"window", data_window, METH_VARARGS,
     "window(first, count): view of as many samples as lie side by side, and how many."},
    {"row", data_row, METH_VARARGS, "row(i, row_tokens, pad, wide): ids, labels, tokens."},
    {"stats", data_traffic, METH_NOARGS, "What was done to bring a file that lies elsewhere."},
    {"verify", data_verify, METH_NOARGS, "Read every byte; Corrupt names the first wrong one."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, PXPY_SLOT(data_new)},
    {Py_tp_dealloc, PXPY_SLOT(data_free)},
    {Py_sq_length, PXPY_SLOT(data_length)},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Data(path, crc=None, cover=None, writable=True, cache_bytes=0, timeout_ms=0)"},
    {0, NULL},
};

static PyType_Spec spec = {"plexus._plexus.Data", sizeof(data), 0, Py_TPFLAGS_DEFAULT, slots};

int pxpy_add_data(PyObject *module)
{
    class = pxpy_add_class(module, &spec);
    return class ? 0 : -1;
}
