// Computes the output columns of a batch from expressions; see project.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/operator.h"
#include "expr/bind.h"

namespace gristmill::exec {

// `keep_origin`: something behind this operator may fail, so compacted rows must remember their source rows.
std::shared_ptr<const Operator> make_project(std::vector<expr::BoundPtr> outputs, std::string label, bool keep_origin);

}  // namespace gristmill::exec
