/* The limits of gen/limits.def as constants PXI_LIMIT_<identifier>. */
#ifndef PXI_BASE_LIMITS_H
#define PXI_BASE_LIMITS_H

#define PX_LIMIT(id, name, value, unit, stops) enum { PXI_LIMIT_##id = value };
#include "../../gen/limits.def"
#undef PX_LIMIT

#endif
