// What becomes of a group's rows: a list of them, joined text, a product, the first or the last, or another aggregate's value.

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/group_values.h"
#include "exec/kept_rows.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

// The values are the list's already; a group without rows is NULL.
class ListFinisher final : public GroupFinisher {
 public:
  ArrayResult finish(const GroupRows& rows, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const int64_t n = rows.groups();
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto offsets, column::allocate_buffer((n + 1) * static_cast<int64_t>(sizeof(int32_t)), pool));
    for (int64_t g = 0; g <= n; ++g) {
      store<int32_t>(offsets->mutable_data() + g * 4, static_cast<int32_t>(rows.offsets[static_cast<size_t>(g)]));
      if (g < n && rows.size(g) == 0) validity.set_null(g);
    }
    const int64_t nulls = validity.nulls();
    auto list = column::make_array(type, n, std::move(validity).take(), nulls, std::move(offsets));
    list->child_data.push_back(rows.arguments[0]);
    return list;
  }
};

class JoinFinisher final : public GroupFinisher {
 public:
  explicit JoinFinisher(std::string separator) : separator_(std::move(separator)) {}

  ArrayResult finish(const GroupRows& rows, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const int64_t n = rows.groups();
    const ArrayData& texts = *rows.arguments[0];
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    std::vector<int64_t> ends(static_cast<size_t>(n) + 1);
    for (int64_t g = 0; g < n; ++g) {
      int64_t bytes = 0;
      if (rows.size(g) == 0) validity.set_null(g);
      if (rows.size(g) > 0) bytes = (rows.size(g) - 1) * static_cast<int64_t>(separator_.size());
      for (int64_t i = begin(rows, g); i < begin(rows, g + 1); ++i) bytes += static_cast<int64_t>(column::view_at(texts, i).size());
      if (bytes > std::numeric_limits<int32_t>::max()) {
        return base::data_error("the joined text of a group is longer than 2147483647 bytes");
      }
      ends[static_cast<size_t>(g) + 1] = ends[static_cast<size_t>(g)] + bytes;
    }
    ARROW_ASSIGN_OR_RAISE(PoolBytes joined, PoolBytes::allocate(ends.back() + 1, pool));
    uint8_t* to = joined.data();
    const auto put = [&](std::string_view s) {
      std::memcpy(to, s.data(), s.size());
      to += s.size();
    };
    for (int64_t g = 0; g < n; ++g) {
      for (int64_t i = begin(rows, g); i < begin(rows, g + 1); ++i) {
        if (i > begin(rows, g)) put(separator_);
        put(column::view_at(texts, i));
      }
    }
    const auto text = [&](int64_t g) {
      const int64_t at = ends[static_cast<size_t>(g)];
      return std::string_view(reinterpret_cast<const char*>(joined.data()) + at,
                              static_cast<size_t>(ends[static_cast<size_t>(g) + 1] - at));
    };
    return make_views(type, n, text, std::move(validity), pool);
  }

 private:
  static int64_t begin(const GroupRows& rows, int64_t g) { return rows.offsets[static_cast<size_t>(g)]; }
  std::string separator_;
};

// Of float64, multiplied from the first row to the last: rounding makes the order matter.
class ProductFinisher final : public GroupFinisher {
 public:
  ArrayResult finish(const GroupRows& rows, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const int64_t n = rows.groups();
    const double* const v = column::values_of<double>(*rows.arguments[0]);
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * 8, pool));
    for (int64_t g = 0; g < n; ++g) {
      if (rows.size(g) == 0) {
        validity.set_null(g);
        continue;
      }
      double product = 1;
      for (int64_t i = rows.offsets[static_cast<size_t>(g)]; i < rows.offsets[static_cast<size_t>(g) + 1]; ++i) product *= v[i];
      // Which NaN comes out of NaN * NaN is up to the machine.
      store(data->mutable_data() + g * 8, std::isnan(product) ? std::numeric_limits<double>::quiet_NaN() : product);
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }
};

class EdgeFinisher final : public GroupFinisher {
 public:
  explicit EdgeFinisher(bool last) : last_(last) {}

  ArrayResult finish(const GroupRows& rows, const column::TypePtr&, arrow::MemoryPool* pool) const override {
    const column::Column values = column::Column::flat(rows.arguments[0]);
    std::vector<int64_t> chosen;
    for (int64_t g = 0; g < rows.groups(); ++g) {
      const int64_t begin = rows.offsets[static_cast<size_t>(g)], end = rows.offsets[static_cast<size_t>(g) + 1];
      chosen.push_back(begin == end ? column::kNullIndex : last_ ? end - 1 : begin);
    }
    ARROW_ASSIGN_OR_RAISE(column::Column taken, column::take(values, std::span<const int64_t>(chosen), pool));
    ARROW_ASSIGN_OR_RAISE(taken, column::flatten(taken, rows.groups(), pool));
    return taken.values;
  }

 private:
  bool last_;
};

// Feeds the rows to a function of its own little table.
class FunctionFinisher final : public GroupFinisher {
 public:
  FunctionFinisher(AggregateFunctionPtr function, bool mean) : function_(std::move(function)), mean_(mean) {
    AggregateFunction* const one = function_.get();
    layout_.form = KeyForm::kNone;
    place_functions({&one, 1}, &layout_);
  }

  ArrayResult finish(const GroupRows& rows, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    TableSet tables(&layout_, pool, 1);
    GroupTable& table = tables.table(0);
    std::vector<uint8_t*> states;
    for (int64_t g = 0; g < rows.groups(); ++g) {
      ARROW_ASSIGN_OR_RAISE(uint8_t* const row, table.append());
      states.push_back(row);
      const UpdateSpan span{nullptr, rows.arguments[0].get(), rows.offsets[static_cast<size_t>(g)], rows.size(g), {}, &tables};
      if (span.n > 0) ARROW_RETURN_NOT_OK(function_->update_one(row, span));
    }
    ARROW_RETURN_NOT_OK(function_->seal(states.data(), rows.groups(), table, pool));
    const std::vector<const uint8_t*> sealed(states.begin(), states.end());
    return function_->finish(sealed, mean_ ? Outcome::kMean : Outcome::kValue, type, pool);
  }

 private:
  AggregateFunctionPtr function_;
  bool mean_;
  RowLayout layout_;
};

}  // namespace

std::unique_ptr<GroupFinisher> list_finisher() { return std::make_unique<ListFinisher>(); }
std::unique_ptr<GroupFinisher> join_finisher(std::string separator) { return std::make_unique<JoinFinisher>(std::move(separator)); }
std::unique_ptr<GroupFinisher> product_finisher() { return std::make_unique<ProductFinisher>(); }
std::unique_ptr<GroupFinisher> edge_finisher(bool last) { return std::make_unique<EdgeFinisher>(last); }
arrow::Result<std::unique_ptr<GroupFinisher>> function_finisher(AggregateFunctionPtr function, bool mean) {
  return std::make_unique<FunctionFinisher>(std::move(function), mean);
}

}  // namespace gristmill::exec
