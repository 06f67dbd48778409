#include "exec/morsel_status.h"

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace gristmill::exec {
namespace {

struct StopMorselDetail final : public arrow::StatusDetail {
  static constexpr const char* kId = "gristmill::StopMorsel";
  const char* type_id() const override { return kId; }
  std::string ToString() const override { return "no more rows of this morsel are wanted"; }
};

}  // namespace

arrow::Status stop_morsel() { return arrow::Status::Cancelled("stop").WithDetail(std::make_shared<StopMorselDetail>()); }

bool is_stop_morsel(const arrow::Status& s) {
  return !s.ok() && s.detail() && std::string_view(s.detail()->type_id()) == StopMorselDetail::kId;
}

bool ends_at_once(const arrow::Status& s) {
  switch (base::error_kind(s)) {
    case base::ErrorKind::kMemory:
    case base::ErrorKind::kCancelled:
    case base::ErrorKind::kTimeout:
    case base::ErrorKind::kInternal: return true;
    default: return false;
  }
}

}  // namespace gristmill::exec
