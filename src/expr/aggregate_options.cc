// Options of an aggregate node, with what a missing one means. Values of another type count as missing: faces build options, binding
// checks what they say.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>

#include "column/types.h"
#include "expr/aggregates.h"

namespace gristmill::expr {
namespace {

const arrow::Scalar* find_option(const std::vector<Option>& options, std::string_view name) {
  const auto at = std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.name == name; });
  return at == options.end() || !at->value || !at->value->is_valid ? nullptr : at->value.get();
}

}  // namespace

bool flag_option(const std::vector<Option>& options, std::string_view name) {
  const arrow::Scalar* s = find_option(options, name);
  return s && s->type->id() == arrow::Type::BOOL && static_cast<const arrow::BooleanScalar&>(*s).value;
}

int64_t int_option(const std::vector<Option>& options, std::string_view name, int64_t otherwise) {
  const arrow::Scalar* s = find_option(options, name);
  if (!s || !column::is_integer(*s->type)) return otherwise;
  const auto cast = s->CastTo(arrow::int64());
  return cast.ok() ? static_cast<const arrow::Int64Scalar&>(**cast).value : otherwise;
}

std::optional<double> float_option(const std::vector<Option>& options, std::string_view name) {
  const arrow::Scalar* s = find_option(options, name);
  if (!s || !column::is_numeric(*s->type)) return std::nullopt;
  const auto cast = s->CastTo(arrow::float64());
  return cast.ok() ? std::optional(static_cast<const arrow::DoubleScalar&>(**cast).value) : std::nullopt;
}

std::string text_option(const std::vector<Option>& options, std::string_view name) {
  const arrow::Scalar* s = find_option(options, name);
  const bool text = s && arrow::is_base_binary_like(s->type->id());
  const bool view = s && arrow::is_binary_view_like(s->type->id());
  return text || view ? std::string(static_cast<const arrow::BaseBinaryScalar&>(*s).view()) : std::string();
}

size_t value_arguments(const Node& aggregate) {
  const int64_t keys = int_option(aggregate.options, "order_by", 0);
  return aggregate.args.size() - static_cast<size_t>(std::clamp<int64_t>(keys, 0, static_cast<int64_t>(aggregate.args.size())));
}

}  // namespace gristmill::expr
