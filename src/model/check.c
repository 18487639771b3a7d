/* The steps of opening a model, with nothing kept. */
#include "model/check.h"

#include "model/weights.h"
#include "plexus/tokenizer.h"

px_err pxi_model_check(px_view file, px_diag *diag)
{
    px_gguf *g = NULL;
    px_tokenizer *t = NULL;
    struct pxi_model m = {0};
    px_err err = px_gguf_parse(file, &g, diag);
    if (err == PX_ERR_OK)
        err = pxi_model_init(&m, g, diag);
    if (err == PX_ERR_OK)
        err = px_tokenizer_new(g, &t, diag);
    px_tokenizer_free(t);
    pxi_model_deinit(&m);
    px_gguf_free(g);
    return err;
}
