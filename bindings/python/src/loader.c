/*
 * plexus._plexus.Loader and Batch. A batch holds a slot of the loader's ring; views of it hold the
 * batch. With the last of them the slot is the loader's again.
 */
#include "module.h"

typedef struct loader {
    PyObject_HEAD px_loader *l;
    PyObject *datas; /* a tuple, of the sources */
    int busy;        /* a thread is in px_loader_next */
    int ids64, labels64;
} loader;

typedef struct batch {
    PyObject_HEAD loader *owner;
    const px_batch *b;
} batch;

static PyTypeObject *batch_class;

/* ------------------------------------------------------------------ options */

/* 256 bits of a bytes object of 32, or NULL for None. */
static int set_of(PyObject *o, const uint8_t **out)
{
    char *p;
    Py_ssize_t n;
    if (o == Py_None)
        return 1;
    if (PyBytes_AsStringAndSize(o, &p, &n) < 0)
        return 0;
    *out = (const uint8_t *)p;
    if (n != 32)
        PyErr_SetString(PyExc_ValueError, "a set of codes has 32 bytes");
    return n == 32;
}

/* sources: tuple of (Data, weight, once). Fills list and datas. */
static int sources_of(PyObject *sources, px_loader_source *list, PyObject *datas)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(sources); i++) {
        PyObject *d;
        unsigned long long weight;
        int once;
        if (!PyArg_ParseTuple(PyTuple_GetItem(sources, i), "OKp", &d, &weight, &once))
            return 0;
        px_data *data = pxpy_data(d);
        if (!data || PyTuple_SetItem(datas, i, Py_NewRef(d)) < 0)
            return 0;
        list[i] = (px_loader_source){data, weight, once};
    }
    return 1;
}

static int parse(PyObject *args, PyObject *kw, PyObject **sources, px_loader_options *o)
{
    static char *names[] = {"sources",   "batch",    "row_tokens", "packing",   "labels",
                            "ids64",     "labels64", "documents",  "positions", "cross",
                            "pad",       "seed",     "sequential", "epochs",    "rank",
                            "world",     "threads",  "ahead",      "damage",    "unchecked",
                            "drop_rate", "src",      "dst",        "typ",       NULL};
    int packing = 0, labels = 0, damage = 0;
    unsigned long long seed = 0, epochs = 0;
    PyObject *src = Py_None, *dst = Py_None, *typ = Py_None;
    if (!PyArg_ParseTupleAndKeywords(
            args, kw, "O!II|$iipppppiKpKIIIIipdOOO", names, &PyTuple_Type, sources, &o->batch,
            &o->row_tokens, &packing, &labels, &o->ids64, &o->labels64, &o->documents,
            &o->positions, &o->cross, &o->pad, &seed, &o->sequential, &epochs, &o->rank, &o->world,
            &o->threads, &o->ahead, &damage, &o->unchecked, &o->drop_rate, &src, &dst, &typ))
        return 0;
    o->packing = (px_packing)packing;
    o->labels = (px_labels)labels;
    o->damage = (px_damage)damage;
    o->seed = seed;
    o->epochs = epochs;
    return set_of(src, &o->src) && set_of(dst, &o->dst) && set_of(typ, &o->typ);
}

static PyObject *loader_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    PyObject *sources;
    px_loader_options o = {.size = sizeof o};
    px_diag diag = {0};
    if (!parse(args, kw, &sources, &o))
        return NULL;
    Py_ssize_t n = PyTuple_Size(sources);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    loader *self = (loader *)alloc(type, 0);
    px_loader_source *list = PyMem_Calloc((size_t)n + 1, sizeof *list);
    PyObject *made = NULL;
    if (self && list && (self->datas = PyTuple_New(n)) && sources_of(sources, list, self->datas)) {
        o.sources = list;
        o.source_count = (unsigned)n;
        self->ids64 = o.ids64;
        self->labels64 = o.labels64;
        px_err err; /* filters of what lies elsewhere fetch its index */
        Py_BEGIN_ALLOW_THREADS err = px_loader_new(&o, &self->l, &diag);
        Py_END_ALLOW_THREADS if (err) pxpy_raise(err, &diag);
        else made = Py_NewRef((PyObject *)self);
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    PyMem_Free(list);
    Py_XDECREF((PyObject *)self);
    return made;
}

static void loader_free(PyObject *self)
{
    loader *l = (loader *)self;
    px_loader *ring = l->l;
    Py_BEGIN_ALLOW_THREADS px_loader_free(ring);
    Py_END_ALLOW_THREADS Py_XDECREF(l->datas);
    pxpy_free(self);
}

/* ------------------------------------------------------------------ batches */

static int idle(const loader *l)
{
    if (l->busy)
        PyErr_SetString(PyExc_RuntimeError, "another thread uses the loader");
    return !l->busy;
}

static PyObject *loader_next(PyObject *self, PyObject *none)
{
    loader *l = (loader *)self;
    const px_batch *b = NULL;
    px_diag diag = {0};
    px_err err;
    (void)none;
    if (!idle(l))
        return NULL;
    batch *made = PyObject_New(batch, batch_class);
    if (!made)
        return NULL;
    made->b = NULL;
    made->owner = (loader *)Py_NewRef(self);
    l->busy = 1;
    Py_BEGIN_ALLOW_THREADS err = px_loader_next(l->l, &b, &diag);
    Py_END_ALLOW_THREADS l->busy = 0;
    made->b = b;
    if (!err && b)
        return (PyObject *)made;
    Py_DECREF(made);
    if (err)
        return pxpy_raise(err, &diag);
    Py_RETURN_NONE;
}

static void batch_free(PyObject *self)
{
    batch *b = (batch *)self;
    if (b->b)
        px_loader_give_back(b->owner->l, b->b);
    Py_DECREF((PyObject *)b->owner);
    pxpy_free(self);
}

static PyObject *cells(PyObject *self, const void *p, enum pxpy_type type)
{
    const px_batch *b = ((batch *)self)->b;
    Py_ssize_t shape[2] = {b->rows, b->row_tokens};
    if (!p)
        Py_RETURN_NONE;
    return pxpy_view(self, p, type, 2, shape, 0);
}

static PyObject *batch_ids(PyObject *self, void *closure)
{
    (void)closure;
    return cells(self, ((batch *)self)->b->ids,
                 ((batch *)self)->owner->ids64 ? PXPY_I64 : PXPY_I32);
}

static PyObject *batch_labels(PyObject *self, void *closure)
{
    (void)closure;
    return cells(self, ((batch *)self)->b->labels,
                 ((batch *)self)->owner->labels64 ? PXPY_I64 : PXPY_I32);
}

static PyObject *batch_documents(PyObject *self, void *closure)
{
    (void)closure;
    return cells(self, ((batch *)self)->b->documents, PXPY_I32);
}

static PyObject *batch_positions(PyObject *self, void *closure)
{
    (void)closure;
    return cells(self, ((batch *)self)->b->positions, PXPY_I32);
}

static PyObject *batch_lengths(PyObject *self, void *closure)
{
    const px_batch *b = ((batch *)self)->b;
    Py_ssize_t n = b->rows;
    (void)closure;
    return pxpy_view(self, b->lengths, PXPY_U32, 1, &n, 1);
}

static PyObject *batch_numbers(PyObject *self, void *closure)
{
    const px_batch *b = ((batch *)self)->b;
    Py_ssize_t n = b->rows;
    (void)closure;
    return pxpy_view(self, b->numbers, PXPY_U64, 1, &n, 1);
}

static PyObject *batch_position(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((batch *)self)->b->position);
}

static PyObject *batch_tokens(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((batch *)self)->b->tokens);
}

static PyObject *batch_rows(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((batch *)self)->b->rows);
}

/* -------------------------------------------------------------------- state */

static PyObject *loader_state(PyObject *self, PyObject *none)
{
    uint8_t state[PX_LOADER_STATE];
    (void)none;
    if (!idle((loader *)self))
        return NULL;
    px_loader_state(((loader *)self)->l, state);
    return PyBytes_FromStringAndSize((const char *)state, sizeof state);
}

static PyObject *loader_resume(PyObject *self, PyObject *args)
{
    const char *p;
    Py_ssize_t n;
    px_diag diag = {0};
    if (!PyArg_ParseTuple(args, "y#", &p, &n) || !idle((loader *)self))
        return NULL;
    px_err err = n == PX_LOADER_STATE
                     ? px_loader_resume(((loader *)self)->l, (const uint8_t *)p, &diag)
                     : PX_ERR_CORRUPT;
    if (err)
        return pxpy_raise(err, &diag);
    Py_RETURN_NONE;
}

static PyObject *loader_skip(PyObject *self, PyObject *args)
{
    unsigned long long rows;
    if (!PyArg_ParseTuple(args, "K", &rows) || !idle((loader *)self))
        return NULL;
    px_err err = px_loader_skip(((loader *)self)->l, rows);
    if (err)
        return pxpy_raise(err, NULL);
    Py_RETURN_NONE;
}

static PyObject *loader_counts(PyObject *self, PyObject *none)
{
    px_loader_counts c;
    (void)none;
    px_loader_get_counts(((loader *)self)->l, &c);
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "batches", c.batches, "rows",
                         c.rows, "tokens", c.tokens, "damaged", c.damaged, "dropped", c.dropped,
                         "refilled", c.refilled, "masked", c.masked, "waits", c.waits, "moved",
                         c.moved, "slots", c.slots);
}

static PyObject *loader_quarantined(PyObject *self, PyObject *none)
{
    PyObject *list = PyList_New(0);
    uint64_t n;
    (void)none;
    for (uint64_t i = 0; list && (n = px_loader_quarantined(((loader *)self)->l, i)) != UINT64_MAX;
         i++) {
        PyObject *o = Py_BuildValue("(KK)", n >> 56, n & ((1ull << 56) - 1));
        if (!o || PyList_Append(list, o) < 0)
            Py_CLEAR(list);
        Py_XDECREF(o);
    }
    return list;
}

static PyMethodDef loader_methods[] = {
    {"next", loader_next, METH_NOARGS, "The next Batch, or None at the end."},
    {"state", loader_state, METH_NOARGS, "Where it is, in 64 bytes."},
    {"resume", loader_resume, METH_VARARGS, "resume(state): go on from there."},
    {"skip", loader_skip, METH_VARARGS, "skip(rows): leave out so many of all ranks."},
    {"counts", loader_counts, METH_NOARGS, "What it did so far."},
    {"quarantined", loader_quarantined, METH_NOARGS, "(source, sample) of each damaged one."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot loader_slots[] = {
    {Py_tp_new, PXPY_SLOT(loader_new)},
    {Py_tp_dealloc, PXPY_SLOT(loader_free)},
    {Py_tp_methods, loader_methods},
    {Py_tp_doc, "px_loader, with the names of px_loader_options"},
    {0, NULL},
};

static PyGetSetDef batch_getset[] = {
    {"ids", batch_ids, NULL, "rows x row_tokens", NULL},
    {"labels", batch_labels, NULL, "the same, or None", NULL},
    {"documents", batch_documents, NULL, "the same, or None", NULL},
    {"positions", batch_positions, NULL, "the same, or None", NULL},
    {"lengths", batch_lengths, NULL, "of each row, without what was filled up", NULL},
    {"numbers", batch_numbers, NULL, "first sample of each row; top 8 bits: source", NULL},
    {"position", batch_position, NULL, "of the first row among those of all ranks", NULL},
    {"tokens", batch_tokens, NULL, "sum of lengths", NULL},
    {"rows", batch_rows, NULL, "rows", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_dealloc, PXPY_SLOT(batch_free)},
    {Py_tp_getset, batch_getset},
    {Py_tp_doc, "A slot of the loader's ring."},
    {0, NULL},
};

static PyType_Spec loader_spec = {"plexus._plexus.Loader", sizeof(loader), 0, Py_TPFLAGS_DEFAULT,
                                  loader_slots};
static PyType_Spec batch_spec = {"plexus._plexus.Batch", sizeof(batch), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 batch_slots};

int pxpy_add_loader(PyObject *module)
{
    batch_class = pxpy_add_class(module, &batch_spec);
    return batch_class && pxpy_add_class(module, &loader_spec) ? 0 : -1;
}
