/*
 * plexus._plexus.Reduce: a member of a job that sums gradients, px_reduce with the lock of the
 * interpreter released. Nothing is copied here: what is summed is packed from, and unpacked to, the
 * memory of the array.
 */
#include "module.h"

#include <stdio.h>
#include <unistd.h>

#include "plexus/reduce.h"

enum { MOST = 64 /* ranks */ };

typedef struct member {
    PyObject_HEAD px_reduce *r;
    pid_t owner; /* a fork has no thread behind r */
    unsigned rank, world, silence_ms;
    int busy;        /* in px_reduce_sum; changed under the interpreter's lock */
    px_err failed;   /* the error that ended the job for us, or PX_ERR_OK */
    px_diag diag;    /* of it */
    uint64_t values; /* summed since it was opened */
    px_reduce_report report;
} member;

/* ------------------------------------------------------------------ opening */

/* UTF-8 of the addresses, which live as long as their sequence. */
static int addresses_of(PyObject *list, const char **out, unsigned *n)
{
    Py_ssize_t count = PyTuple_Size(list);
    if (count < 0)
        return -1;
    if (count < 1 || count > MOST) {
        PyErr_SetString(PyExc_ValueError, "1 to 64 addresses");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *text = PyTuple_GetItem(list, i);
        out[i] = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
        if (!out[i])
            return -1;
    }
    *n = (unsigned)count;
    return 0;
}

static int format_of(int bits, px_reduce_format *out)
{
    *out = bits == 16 ? PX_REDUCE_I16 : bits == 8 ? PX_REDUCE_I8 : PX_REDUCE_I4;
    if (bits == 16 || bits == 8 || bits == 4)
        return 0;
    PyErr_SetString(PyExc_ValueError, "bits is 16, 8 or 4");
    return -1;
}

static int options_of(PyObject *args, PyObject *kw, px_reduce_options *o, const char **addresses)
{
    static char *names[] = {"rank",        "addresses",  "secret",     "job",    "bits", "path",
                            "deadline_ms", "silence_ms", "stochastic", "values", "name", "node",
                            "host",        "address",    "join_ms",    NULL};
    PyObject *list = NULL;
    const char *secret = NULL;
    Py_ssize_t length = 0;
    int bits = 16;
    if (!PyArg_ParseTupleAndKeywords(
            args, kw, "|$IO!z#IizIIpIzzzzI", names, &o->rank, &PyTuple_Type, &list, &secret,
            &length, &o->job, &bits, &o->path, &o->deadline_ms, &o->silence_ms, &o->stochastic,
            &o->values, &o->name, &o->node, &o->host, &o->address, &o->join_ms) ||
        format_of(bits, &o->format) < 0)
        return -1;
    /* Nobody is left out for being slow, as in every other backend of torch. */
    o->slack_ms = o->deadline_ms;
    if (o->name)
        return 0;
    if (!list || length != 32) {
        PyErr_SetString(PyExc_ValueError,
                        "addresses, and a secret of 32 bytes; or the name of a job");
        return -1;
    }
    o->addresses = addresses;
    o->secret = (const uint8_t *)secret;
    return addresses_of(list, addresses, &o->world);
}

static PyObject *member_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    const char *addresses[MOST];
    px_reduce_options o = {.size = sizeof o};
    px_diag diag = {0};
    px_reduce *r = NULL;
    px_err err;
    if (options_of(args, kw, &o, addresses) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS err = px_reduce_open(&o, &r, &diag);
    Py_END_ALLOW_THREADS if (err) return pxpy_raise(err, &diag);
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    member *self = (member *)alloc(type, 0);
    if (!self) {
        px_reduce_close(r);
        return NULL;
    }
    self->r = r;
    self->owner = getpid();
    self->rank = px_reduce_rank(r);
    self->world = px_reduce_world(r);
    self->silence_ms = o.silence_ms ? o.silence_ms : 3000;
    return (PyObject *)self;
}

/* ------------------------------------------------------------------ summing */

/* A sum that some are not in is no sum of the job: they are gone, and so is the job for us. */
static px_err judge(member *self, px_err err)
{
    const px_reduce_report *t = &self->report;
    uint64_t all = self->world == 64 ? UINT64_MAX : (UINT64_C(1) << self->world) - 1;
    uint64_t gone = all & ~t->members;
    unsigned who = gone ? (unsigned)__builtin_ctzll(gone) : 0;
    if (err == PX_ERR_TIMEOUT && t->gone >= 0)
        who = (unsigned)t->gone;
    else if (!err && (t->least < self->world || t->members != all))
        err = PX_ERR_TIMEOUT;
    else if (!err && t->lost)
        err = PX_ERR_RESET;
    else
        return err;
    snprintf(self->diag.field, sizeof self->diag.field, "sum %llu",
             (unsigned long long)t->operation);
    snprintf(self->diag.expected, sizeof self->diag.expected, "all of %u ranks", self->world);
    if (err == PX_ERR_TIMEOUT && (gone || t->gone >= 0))
        snprintf(self->diag.found, sizeof self->diag.found,
                 "rank %u is gone, silent for %u ms or more", who, self->silence_ms);
    else
        snprintf(self->diag.found, sizeof self->diag.found, "%u in it, %llu values lost", t->least,
                 (unsigned long long)t->lost);
    return err;
}

static int ready(member *self)
{
    const char *why = !self->r                  ? "the job is closed"
                      : self->owner != getpid() ? "the job is the parent's: a fork takes no part"
                      : self->busy              ? "another thread is in a sum of this job"
                                                : NULL;
    if (why)
        PyErr_SetString(PyExc_ValueError, why);
    else if (self->failed)
        pxpy_raise(self->failed, &self->diag);
    return !why && !self->failed;
}

static PyObject *add(member *self, void *x, float *residual, size_t n, int mean, int bf16)
{
    px_err err;
    if (!ready(self))
        return NULL;
    self->busy = 1;
    self->report.size = sizeof self->report;
    Py_BEGIN_ALLOW_THREADS err =
        bf16 ? px_reduce_sum_bf16(self->r, x, residual, n, mean, &self->report)
             : px_reduce_sum(self->r, x, residual, n, mean, &self->report);
    Py_END_ALLOW_THREADS self->busy = 0;
    err = judge(self, err);
    if (err) {
        /* An argument that was refused ends nothing. */
        self->failed = err == PX_ERR_INVALID ? PX_ERR_OK : err;
        return pxpy_raise(err, &self->diag);
    }
    self->values += n;
    Py_RETURN_NONE;
}

/* Contiguous memory of elements of a type; NULL with an exception. */
static int take(PyObject *o, Py_buffer *b, int bf16, const char *what)
{
    if (PyObject_GetBuffer(o, b, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    const char *f = b->format ? b->format : "B";
    f += *f == '<' || *f == '=' || *f == '@';
    int good = bf16 ? b->itemsize == 2 && (*f == 'H' || *f == 'h') : b->itemsize == 4 && *f == 'f';
    if (good)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s: expected %s, found format '%s'", what,
                 bf16 ? "16-bit words that hold bfloat16" : "float32", b->format ? b->format : "B");
    PyBuffer_Release(b);
    return -1;
}

static PyObject *member_sum(PyObject *self, PyObject *args, PyObject *kw)
{
    static char *names[] = {"array", "residual", "mean", "bf16", NULL};
    PyObject *array, *residual = Py_None, *done = NULL;
    int mean = 0, bf16 = 0;
    Py_buffer x, owed = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|Opp", names, &array, &residual, &mean, &bf16) ||
        take(array, &x, bf16, "array") < 0)
        return NULL;
    size_t n = (size_t)x.len / (size_t)x.itemsize;
    int bad = residual != Py_None && take(residual, &owed, 0, "residual") < 0;
    if (!bad && owed.obj && (size_t)owed.len / 4 != n) {
        PyErr_SetString(PyExc_ValueError, "the residual has as many values as the array");
        bad = 1;
    }
    if (!bad)
        done = add((member *)self, x.buf, owed.obj ? owed.buf : NULL, n, mean, bf16);
    if (owed.obj)
        PyBuffer_Release(&owed);
    PyBuffer_Release(&x);
    return done;
}

/* Memory that the caller keeps alive, as tensors give it: by its address. */
static PyObject *member_sum_at(PyObject *self, PyObject *args, PyObject *kw)
{
    static char *names[] = {"address", "count", "residual", "mean", "bf16", NULL};
    unsigned long long address, residual = 0;
    Py_ssize_t n;
    int mean = 0, bf16 = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "Kn|Kpp", names, &address, &n, &residual, &mean,
                                     &bf16))
        return NULL;
    if (!address || n < 0 || address % (bf16 ? 2 : 4) || residual % 4) {
        PyErr_SetString(PyExc_ValueError, "an aligned address and a count");
        return NULL;
    }
    return add((member *)self, (void *)(uintptr_t)address, (float *)(uintptr_t)residual, (size_t)n,
               mean, bf16);
}

/* ----------------------------------------------------------------- the rest */

static PyObject *member_report(PyObject *self, PyObject *none)
{
    const member *m = (member *)self;
    const px_reduce_report *t = &m->report;
    (void)none;
    if (m->busy) {
        PyErr_SetString(PyExc_ValueError, "another thread is in a sum of this job");
        return NULL;
    }
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:I,s:K,s:z,s:z,s:z,s:z}",
                         "sums", t->operation, "values", m->values, "bytes", t->bytes, "packets",
                         t->packets, "again", t->again, "wide", t->wide, "dropped", t->dropped,
                         "copied", t->copied, "not_finite", t->not_finite, "lost", t->lost,
                         "syscalls", t->syscalls, "least", t->least, "members", t->members, "path",
                         t->path, "why", t->why, "pages", t->pages, "topology", t->topology);
}

static PyObject *member_close(PyObject *self, PyObject *none)
{
    member *m = (member *)self;
    px_reduce *r = m->r;
    (void)none;
    if (m->busy) {
        PyErr_SetString(PyExc_ValueError, "another thread is in a sum of this job");
        return NULL;
    }
    m->r = NULL;
    /* What the report says belongs to the handle. */
    m->report.path = m->report.why = m->report.topology = NULL;
    if (r && m->owner == getpid()) {
        Py_BEGIN_ALLOW_THREADS px_reduce_close(r);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

static void member_free(PyObject *self)
{
    Py_XDECREF(member_close(self, NULL));
    pxpy_free(self);
}

static PyObject *member_rank(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((member *)self)->rank);
}

static PyObject *member_world(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((member *)self)->world);
}

static PyGetSetDef getset[] = {
    {"rank", member_rank, NULL, "of this member", NULL},
    {"world", member_world, NULL, "how many members there are", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"sum", (PyCFunction)(void (*)(void))member_sum, METH_VARARGS | METH_KEYWORDS,
     "sum(array, residual=None, mean=False, bf16=False): in place; all members call it alike."},
    {"sum_at", (PyCFunction)(void (*)(void))member_sum_at, METH_VARARGS | METH_KEYWORDS,
     "sum_at(address, count, residual=0, mean=False, bf16=False): the same, of memory that the "
     "caller keeps alive."},
    {"report", member_report, METH_NOARGS, "What it cost since it was opened."},
    {"close", member_close, METH_NOARGS, "Leave the job."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, PXPY_SLOT(member_new)},
    {Py_tp_dealloc, PXPY_SLOT(member_free)},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {Py_tp_doc,
     "px_reduce: a member of a job, by rank, addresses and secret, or by name and node."},
    {0, NULL},
};

static PyType_Spec spec = {"plexus._plexus.Reduce", sizeof(member), 0, Py_TPFLAGS_DEFAULT, slots};

int pxpy_add_reduce(PyObject *module)
{
    return pxpy_add_class(module, &spec) ? 0 : -1;
}
