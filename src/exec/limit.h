// Limits: the part inside a morsel (an operator) and the exact cut in order (around an ordered sink).
#pragma once

#include <memory>

#include "exec/operator.h"

namespace gristmill::exec {

// No morsel gives more than `rows`; once it has, the rest of the morsel is not looked at.
std::shared_ptr<const Operator> make_morsel_limit(int64_t rows);

// Passes rows [offset, offset + count) of what is delivered to `inner`, then says enough. count < 0: all after offset.
std::shared_ptr<OrderedSink> make_limited_sink(int64_t offset, int64_t count, std::shared_ptr<OrderedSink> inner,
                                               std::shared_ptr<const QueryContext> context);

}  // namespace gristmill::exec
