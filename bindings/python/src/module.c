/* plexus._plexus: errors and what its parts share. */
#include "module.h"

#include "plexus/file.h"

#include <ctype.h>
#include <stdio.h>

#include "plexus/plexus.h"

struct row {
    px_err err;
    const char *name;
    PyObject *class;
};

static struct row rows[] = {
#define X(name, number, exit, retry, code, text, hint) {PX_ERR_##name, #name, NULL},
    PX_ERR_TABLE(X)
#undef X
};
static const unsigned row_count = sizeof rows / sizeof *rows;
static PyObject *base;

/* The exception of Python that says the same. */
static PyObject *builtin(px_err err)
{
    switch (err) {
    case PX_ERR_NOMEM: return PyExc_MemoryError;
    case PX_ERR_INVALID: return PyExc_ValueError;
    case PX_ERR_UNSUPPORTED: return PyExc_NotImplementedError;
    case PX_ERR_NOT_FOUND: return PyExc_FileNotFoundError;
    case PX_ERR_IO: return PyExc_OSError;
    case PX_ERR_PERMISSION: return PyExc_PermissionError;
    case PX_ERR_TIMEOUT: return PyExc_TimeoutError;
    case PX_ERR_UNREACHABLE: return PyExc_ConnectionError;
    case PX_ERR_RESET: return PyExc_ConnectionResetError;
    default: return NULL;
    }
}

/* NOT_FOUND becomes plexus.NotFound. */
static void camel(char *out, size_t cap, const char *name)
{
    size_t n = (size_t)snprintf(out, cap, "plexus.");
    for (int up = 1; *name && n + 1 < cap; name++) {
        if (*name != '_')
            out[n++] = (char)(up ? *name : tolower((unsigned char)*name));
        up = *name == '_';
    }
    out[n] = 0;
}

static PyObject *class_new(const char *name, px_err err, PyObject *bases)
{
    PyObject *d =
        Py_BuildValue("{s:i,s:s,s:s,s:i,s:O,s:i}", "number", (int)err, "code", px_err_code(err),
                      "hint", px_err_hint(err), "exit", px_err_exit(err), "retryable",
                      px_err_retryable(err) ? Py_True : Py_False, "offset", 0);
    PyObject *c = d ? PyErr_NewExceptionWithDoc(name, px_err_text(err), bases, d) : NULL;
    Py_XDECREF(d);
    return c;
}

int pxpy_add_errors(PyObject *module)
{
    base = class_new("plexus.Error", PX_ERR_FAILED, NULL);
    if (!base || PyModule_AddObjectRef(module, "Error", base) < 0)
        return -1;
    for (unsigned i = 0; i < row_count; i++) {
        char name[64];
        PyObject *also = builtin(rows[i].err);
        if (rows[i].err == PX_ERR_OK)
            continue;
        camel(name, sizeof name, rows[i].name);
        PyObject *bases = also ? PyTuple_Pack(2, base, also) : PyTuple_Pack(1, base);
        rows[i].class = bases ? class_new(name, rows[i].err, bases) : NULL;
        Py_XDECREF(bases);
        if (!rows[i].class || PyModule_AddObjectRef(module, name + 7, rows[i].class) < 0)
            return -1;
    }
    return 0;
}

static void set(PyObject *o, const char *name, PyObject *value)
{
    if (!value || PyObject_SetAttrString(o, name, value) < 0)
        PyErr_Clear();
    Py_XDECREF(value);
}

static PyObject *text_of(const char *s)
{
    return PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace");
}

PyObject *pxpy_raise(px_err err, const px_diag *diag)
{
    PyObject *class = base, *e;
    char text[512];
    for (unsigned i = 0; i < row_count; i++)
        if (rows[i].err == err && rows[i].class)
            class = rows[i].class;
    int told = diag && diag->expected[0];
    snprintf(text, sizeof text, told ? "%s: %s: expected %s, found %s" : "%s", px_err_text(err),
             told ? diag->field : "", told ? diag->expected : "", told ? diag->found : "");
    PyObject *message = text_of(text);
    e = message ? PyObject_CallFunctionObjArgs(class, message, NULL) : NULL;
    Py_XDECREF(message);
    if (!e)
        return NULL;
    if (told) {
        set(e, "offset", PyLong_FromUnsignedLongLong(diag->offset));
        set(e, "field", text_of(diag->field));
        set(e, "expected", text_of(diag->expected));
        set(e, "found", text_of(diag->found));
    }
    PyErr_SetObject(class, e);
    Py_DECREF(e);
    return NULL;
}

void pxpy_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

PyTypeObject *pxpy_add_class(PyObject *module, PyType_Spec *spec)
{
    PyObject *c = PyType_FromSpec(spec);
    const char *dot = strrchr(spec->name, '.');
    int bad = !c || PyModule_AddObjectRef(module, dot + 1, c) < 0;
    Py_XDECREF(c);
    return bad ? NULL : (PyTypeObject *)c;
}

static PyObject *guard(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    px_err err = px_file_guard();
    if (err)
        return pxpy_raise(err, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"guard", guard, METH_NOARGS,
     "guard(): files that shrink while they are mapped read as zeros from then on, instead of "
     "ending\n"
     "the program by SIGBUS. Other SIGBUS go to the handler that was there before."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "plexus._plexus", .m_size = -1,
                                 .m_methods = functions};

PyMODINIT_FUNC PyInit__plexus(void);

PyMODINIT_FUNC PyInit__plexus(void)
{
    PyObject *m = PyModule_Create(&def);
    if (m && (pxpy_add_errors(m) || pxpy_add_view(m) || pxpy_add_data(m) || pxpy_add_writer(m) ||
              pxpy_add_convert(m) || pxpy_add_loader(m) || pxpy_add_gguf(m) || pxpy_add_reduce(m) ||
              PyModule_AddStringConstant(m, "__version__", px_version()) < 0 ||
              PyModule_AddIntConstant(m, "IGNORED", PX_LABEL_IGNORED) < 0)) {
        Py_DECREF(m);
        m = NULL;
    }
    return m;
}
