// ParallelOptions from the dict that python/gristmill/options.py makes.
#pragma once

#include <nanobind/nanobind.h>

#include "gristmill/options.h"

namespace gristmill::python {

ParallelOptions options_from(const nanobind::dict& d);

}  // namespace gristmill::python
