// The public name of what every face prints.

#include "gristmill/errors.h"

#include "base/status.h"

namespace gristmill {

std::string describe_error(const arrow::Status& status) { return base::describe_error(status); }

}  // namespace gristmill
