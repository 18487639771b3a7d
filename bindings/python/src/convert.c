/* plexus._plexus.convert: training data in another format. */
#include "module.h"

struct job {
    PyObject *progress; /* called with bytes done and all of them; or None */
    int raised;
};

static int on_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct job *j = ctx;
    PyGILState_STATE state = PyGILState_Ensure();
    if (!j->raised && PyErr_CheckSignals() < 0)
        j->raised = 1;
    if (!j->raised && j->progress != Py_None) {
        PyObject *r = PyObject_CallFunction(j->progress, "KK", (unsigned long long)done,
                                            (unsigned long long)all);
        j->raised = !r;
        Py_XDECREF(r);
    }
    PyGILState_Release(state);
    return j->raised;
}

static PyObject *report_of(const px_data_convert_report *r)
{
    return Py_BuildValue("{s:s,s:s,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "from", r->from, "to",
                         r->to, "documents", r->documents, "samples", r->samples, "tokens",
                         r->tokens, "bytes_in", r->bytes_in, "malformed", r->malformed,
                         "first_malformed", r->first_malformed, "dropped", r->dropped, "left_out",
                         r->left_out, "resumed", r->resumed);
}

/* The tokenizer of a file, which *file keeps mapped; 0, or -1 with the exception. */
static int open_words(const char *path, px_file **file, px_tokenizer **out)
{
    px_diag diag = {0};
    px_err err = px_file_open(path, file, &diag);
    if (!err)
        err = px_tokenizer_parse(px_file_bytes(*file), out, &diag);
    if (err)
        pxpy_raise(err, &diag);
    return err ? -1 : 0;
}

static PyObject *convert(PyObject *module, PyObject *args, PyObject *kw)
{
    static char *names[] = {"source",      "to",     "tokenizer", "max_tokens", "threads",
                            "from_format", "format", "bad",       "progress",   NULL};
    px_data_convert_options o = {.size = sizeof o, .progress = on_progress};
    struct job j = {.progress = Py_None};
    PyObject *in = NULL, *out = NULL, *words = Py_None, *path = NULL, *result = NULL;
    px_data_convert_report report;
    px_tokenizer *t = NULL;
    px_file *file = NULL;
    px_diag diag = {0};
    px_err err;
    (void)module;
    o.ctx = &j;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O&O&|OIIzzzO", names, PyUnicode_FSConverter, &in,
                                     PyUnicode_FSConverter, &out, &words, &o.max_tokens, &o.threads,
                                     &o.from, &o.to, &o.bad, &j.progress))
        return NULL;
    if (words != Py_None &&
        (!PyUnicode_FSConverter(words, &path) || open_words(PyBytes_AsString(path), &file, &t) < 0))
        goto end;
    o.tokenizer = t;
    const char *from = PyBytes_AsString(in), *to = PyBytes_AsString(out);
    Py_BEGIN_ALLOW_THREADS err = px_data_convert(from, to, &o, &report, &diag);
    Py_END_ALLOW_THREADS if (!j.raised) result = err ? pxpy_raise(err, &diag) : report_of(&report);
end:
    px_tokenizer_free(t);
    px_file_close(file);
    Py_XDECREF(path);
    Py_DECREF(in);
    Py_DECREF(out);
    return result;
}

static PyMethodDef functions[] = {
    {"convert", (PyCFunction)PXPY_SLOT(convert), METH_VARARGS | METH_KEYWORDS,
     "convert(source, to, tokenizer=None, max_tokens=512, threads=0, from_format=None, "
     "format=None, "
     "bad=None, progress=None): what was done, as a dict."},
    {NULL, NULL, 0, NULL},
};

int pxpy_add_convert(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
