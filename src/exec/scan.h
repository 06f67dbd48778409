// The source of a pipeline that reads a table; see scan.cc.
#pragma once

#include <memory>

#include "exec/operator.h"
#include "plan/table_source.h"

namespace gristmill::exec {

std::shared_ptr<Source> make_scan_source(std::shared_ptr<plan::Scan> scan, std::string label);

}  // namespace gristmill::exec
