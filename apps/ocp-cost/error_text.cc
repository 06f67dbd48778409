// Errors as an operator reads them.

#include "command.h"

namespace ocp {

std::string error_text(const arrow::Status& status) {
  std::string out = status.message();
  const std::string where = status.detail() ? status.detail()->ToString() : "";
  if (!where.empty() && out.find(where) == std::string::npos) out += " (" + where + ")";
  return out;
}

}  // namespace ocp
