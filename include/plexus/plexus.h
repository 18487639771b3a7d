/* Everything: include this, or the single headers. */
#ifndef PLEXUS_PLEXUS_H
#define PLEXUS_PLEXUS_H

#include "plexus/agg.h"
#include "plexus/agg_bench.h"
#include "plexus/capture.h"
#include "plexus/check.h"
#include "plexus/data.h"
#include "plexus/err.h"
#include "plexus/faults.h"
#include "plexus/file.h"
#include "plexus/gguf.h"
#include "plexus/hub.h"
#include "plexus/kernels.h"
#include "plexus/limits.h"
#include "plexus/model.h"
#include "plexus/node.h"
#include "plexus/poison.h"
#include "plexus/reduce.h"
#include "plexus/sampler.h"
#include "plexus/sim.h"
#include "plexus/store.h"
#include "plexus/swarm.h"
#include "plexus/template.h"
#include "plexus/tensor.h"
#include "plexus/tokenizer.h"
#include "plexus/version.h"
#include "plexus/view.h"

#endif
