// Errors as an operator reads them.

#include "command.h"
#include "gristmill/errors.h"

namespace ocp {

std::string error_text(const arrow::Status& status) { return gristmill::describe_error(status); }

}  // namespace ocp
