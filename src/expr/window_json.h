// Partitions, order and frame of a window expression as JSON.
#pragma once

#include <memory>
#include <string>

#include <simdjson.h>

#include <arrow/result.h>

#include "expr/window.h"

namespace gristmill::expr {

std::string window_to_json(const Window& w);
// `args`: how many the node has.
arrow::Result<std::shared_ptr<const Window>> window_from_json(const simdjson::dom::element& e, size_t args);

}  // namespace gristmill::expr
