/* `plexus check --format gguf-model`: is this file a model that would run? */
#ifndef PXI_MODEL_CHECK_H
#define PXI_MODEL_CHECK_H

#include "plexus/err.h"
#include "plexus/view.h"

/*
 * Container, configuration, every tensor and the tokenizer, without taking memory in proportion to
 * what the file claims (no KV cache, no scratch). Errors: those of px_model_open_memory.
 */
px_err pxi_model_check(px_view file, px_diag *diag);

#endif
