#include "flow/inputs.h"

#include <limits>
#include <string>
#include <utility>

#include "base/status.h"

namespace gristmill::flow {
namespace {

arrow::Status claim(const detail::FlowGraph& graph, std::vector<bool>& taken, const Slot<void>& slot) {
  ARROW_RETURN_NOT_OK(graph.check(slot, "what is given"));
  if (taken[static_cast<size_t>(slot.index)])
    return base::plan_error("\"" + graph.places()[static_cast<size_t>(slot.index)].name + "\" is given twice");
  taken[static_cast<size_t>(slot.index)] = true;
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<Inputs> Inputs::make(const detail::FlowGraph& graph, const detail::FlowGiven& given) {
  Inputs in;
  const auto& places = graph.places();
  std::vector<bool> taken(places.size(), false);
  in.fixed_.resize(places.size());
  in.mapped_.assign(places.size(), false);
  for (const auto& [slot, value] : given.same) {
    ARROW_RETURN_NOT_OK(claim(graph, taken, slot));
    in.fixed_[static_cast<size_t>(slot.index)] = value;
  }
  for (const auto& column : given.columns) {
    ARROW_RETURN_NOT_OK(claim(graph, taken, {column.slot, column.flow}));
    in.mapped_[static_cast<size_t>(column.slot)] = true;
  }
  in.columns_ = given.columns;
  in.product_ = given.product;
  if (given.next) {
    if (!given.columns.empty())
      return base::plan_error("from() and over() do not go together", "pull a struct of all values, or give all as columns");
    ARROW_RETURN_NOT_OK(claim(graph, taken, given.source));
    in.mapped_[static_cast<size_t>(given.source.index)] = true;
    in.source_ = given.source.index;
    in.next_ = given.next;
    in.total_ = -1;
    return in;
  }
  const auto name = [&](const detail::FlowColumn& c) {
    return "\"" + places[static_cast<size_t>(c.slot)].name + "\" has " + std::to_string(c.count);
  };
  for (const auto& column : in.columns_) {
    if (!in.product_ && column.count != in.columns_[0].count) {
      return base::plan_error("values side by side must be equally many: " + name(in.columns_[0]) + ", " + name(column),
                              "product() takes every combination");
    }
  }
  if (!in.columns_.empty() && !in.product_) in.total_ = in.columns_[0].count;
  if (in.product_) {
    in.strides_.assign(in.columns_.size(), 1);
    for (size_t c = in.columns_.size(); c-- > 0;) {
      in.strides_[c] = in.total_;
      if (__builtin_mul_overflow(in.total_, in.columns_[c].count, &in.total_))
        return base::plan_error("there are more combinations than can be counted");
    }
  }
  return in;
}

void Inputs::fill(std::vector<Anything>& values, int64_t item) const {
  for (size_t c = 0; c < columns_.size(); ++c) {
    const int64_t i = product_ ? item / strides_[c] % columns_[c].count : item;
    values[static_cast<size_t>(columns_[c].slot)] = columns_[c].at(i);
  }
}

arrow::Result<bool> Inputs::pull(std::vector<Anything>& values) const {
  arrow::Result<Anything> value = arrow::Status::UnknownError("not pulled");
  try {
    value = next_();
  } catch (...) {
    return detail::exception_status();
  }
  ARROW_RETURN_NOT_OK(value.status());
  if (!*value) return false;
  values[static_cast<size_t>(source_)] = std::move(*value);
  return true;
}

}  // namespace gristmill::flow
