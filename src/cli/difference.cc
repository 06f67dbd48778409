// The failure of a verification, told from other failures by its detail.

#include <memory>
#include <string>
#include <string_view>

#include "cli/command.h"

namespace gristmill::cli {
namespace {

struct Difference final : public arrow::StatusDetail {
  static constexpr const char* kId = "gristmill::Difference";
  const char* type_id() const override { return kId; }
  std::string ToString() const override { return "a verification differs"; }
};

}  // namespace

arrow::Status differs(std::string message) { return arrow::Status::Invalid(std::move(message)).WithDetail(std::make_shared<Difference>()); }

bool is_difference(const arrow::Status& status) {
  return !status.ok() && status.detail() && std::string_view(status.detail()->type_id()) == Difference::kId;
}

}  // namespace gristmill::cli
