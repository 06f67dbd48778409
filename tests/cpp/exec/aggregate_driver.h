// Runs an aggregation by hand, as the pipeline would: morsels dealt to workers in a seeded way, phases piece by piece,
// the source morsel by morsel; and a naive reference that looks at every row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <arrow/scalar.h>
#include <gtest/gtest.h>

#include "../column/random_columns.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "column/exact_number.h"
#include "column/exact_sum.h"
#include "column/kernels.h"
#include "exec/aggregate.h"

namespace gristmill::exec::testing {

using column::Batch;
using column::Column;
using column::TypePtr;
using column::testing::ok;
using column::testing::RandomColumns;

// A morsel's rows before they are cut into batches.
using Morsels = std::vector<Batch>;

struct RunConfig {
  uint64_t seed = 1;
  int workers = 1;
  int64_t cut_rows = 0;  // batches of at most this many rows; 0: a morsel is a batch
  int64_t batch_rows = column::kDefaultBatchRows;
  bool ordered = true;
  bool eager = false;
  int64_t cap = 0;
};

inline expr::BoundPtr input(int i, const TypePtr& type, bool nullable = true) {
  auto b = std::make_shared<expr::Bound>();
  b->kind = expr::BoundKind::kInput;
  b->input = i;
  b->type = type;
  b->nullable = nullable;
  b->label = "c" + std::to_string(i);
  return b;
}

inline expr::BoundAggregate aggregate(const std::string& function, std::vector<expr::BoundPtr> args, expr::BoundPtr filter = nullptr,
                                      int ddof = -1) {
  expr::BoundAggregate a;
  a.function = function;
  a.args = std::move(args);
  if (function == "var" || function == "std") a.args[0] = ok(expr::bind_cast(a.args[0], arrow::float64()));  // as bind_aggregate() does
  a.filter = std::move(filter);
  if (ddof >= 0) a.options.push_back({"ddof", arrow::MakeScalar(ddof)});
  if (function == "count") {
    a.type = arrow::int64();
  } else if (function == "mean" || function == "var" || function == "std") {
    a.type = arrow::float64();
  } else if (function == "sum") {
    const TypePtr& t = a.args[0]->type;
    a.type = column::is_decimal(*t) ? arrow::decimal128(38, static_cast<const arrow::DecimalType&>(*t).scale())
             : column::is_float(*t) ? arrow::float64()
                                    : arrow::int64();
  } else {
    a.type = a.args[0]->type;
  }
  return a;
}

inline QueryContext context_of(const RunConfig& config, base::ProcessBudget* process = nullptr) {
  QueryContext c;
  c.memory = process ? base::QueryMemory::make(config.cap, *process) : base::QueryMemory::make(config.cap);
  c.workers = config.workers;
  c.batch_rows = config.batch_rows;
  c.spill_eagerly = config.eager;
  return c;
}

inline arrow::Status feed(Sink& sink, LocalState& local, const Batch& morsel, uint64_t seq, int64_t cut) {
  if (cut <= 0) cut = std::max<int64_t>(morsel.rows, 1);
  for (int64_t at = 0; at < morsel.rows; at += cut) {
    const Batch part = column::slice(morsel, at, std::min(cut, morsel.rows - at));
    if (part.selected() == 0) continue;
    ARROW_RETURN_NOT_OK(sink.consume(part, {seq, (seq << 32) + static_cast<uint64_t>(at)}, local));
  }
  return sink.end_morsel({seq, seq << 32}, local);
}

// The batches that come out, in order.
inline arrow::Result<std::vector<Batch>> run(const AggregateSpec& spec, const Morsels& morsels, const RunConfig& config,
                                             const QueryContext& context) {
  RandomColumns random(config.seed);
  ARROW_ASSIGN_OR_RAISE(Breaker breaker, make_aggregate(spec, context));
  std::vector<std::unique_ptr<LocalState>> locals(static_cast<size_t>(config.workers));
  for (auto& l : locals) {
    ARROW_ASSIGN_OR_RAISE(l, breaker.sink->make_local(context));
  }
  std::vector<size_t> order(morsels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (config.workers > 1) {
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  }
  for (const size_t m : order) {
    ARROW_RETURN_NOT_OK(feed(*breaker.sink, *locals[static_cast<size_t>(random.below(config.workers))], morsels[m], m, config.cut_rows));
  }
  for (size_t i = locals.size(); i > 0; --i) {
    ARROW_RETURN_NOT_OK(breaker.sink->combine(*locals[i - 1]));
    locals[i - 1].reset();
  }
  ARROW_RETURN_NOT_OK(breaker.sink->finalize());
  for (const auto& phase : breaker.phases) {
    ARROW_ASSIGN_OR_RAISE(const int64_t pieces, phase->start(context));
    for (int64_t p = pieces; p > 0; --p) ARROW_RETURN_NOT_OK(phase->run(p - 1));
    ARROW_RETURN_NOT_OK(phase->finish());
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t count, breaker.source->start(context));
  ARROW_ASSIGN_OR_RAISE(auto reader, breaker.source->make_local(context));
  std::vector<Batch> out;
  for (int64_t s = 0; s < count; ++s) {
    RowCounts counts;
    ARROW_RETURN_NOT_OK(breaker.source->read(
        static_cast<uint64_t>(s), *reader,
        [&](Batch b) {
          out.push_back(std::move(b));
          return arrow::Status::OK();
        },
        counts));
  }
  return out;
}

// A cell to the last bit.
inline std::string cell(const Column& c, int64_t row) {
  if (column::is_null_at(c, row)) return "null";
  const TypePtr& type = c.type();
  if (column::is_float(*type) && c.is_flat()) {
    char text[32];
    if (type->id() == arrow::Type::FLOAT) {
      uint32_t bits;
      std::memcpy(&bits, column::values_of<float>(*c.values) + row, 4);
      std::snprintf(text, sizeof(text), "%08x", bits);
    } else {
      uint64_t bits;
      std::memcpy(&bits, column::values_of<double>(*c.values) + row, 8);
      std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(bits));
    }
    return text;
  }
  return column::value_text(c, row);
}

using Table = std::vector<std::vector<std::string>>;

inline Table cells(const std::vector<Batch>& batches) {
  Table out;
  for (const Batch& b : batches) {
    for (int64_t i = 0; i < b.rows; ++i) {
      std::vector<std::string> row;
      for (const Column& c : b.columns) row.push_back(cell(c, i));
      out.push_back(std::move(row));
    }
  }
  return out;
}

inline double canonical(double v) { return v != v ? std::numeric_limits<double>::quiet_NaN() : v == 0 ? 0.0 : v; }
inline std::string double_cell(double v) {
  uint64_t bits;
  std::memcpy(&bits, &v, 8);
  char text[32];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(bits));
  return text;
}

inline std::string float_cell(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, 4);
  char text[16];
  std::snprintf(text, sizeof(text), "%08x", bits);
  return text;
}

// What each group should be, by looking at every row of the whole input, flat and in order.
class Reference {
 public:
  Reference(const AggregateSpec& spec, const Morsels& morsels) : spec_(spec) {
    std::vector<Batch> dense;
    for (const Batch& m : morsels) {
      if (m.selected() > 0) dense.push_back(ok(column::compact(m, column::testing::pool())));
    }
    if (dense.empty()) return;
    for (size_t c = 0; c < dense[0].columns.size(); ++c) {
      std::vector<Column> parts;
      std::vector<int64_t> rows;
      for (const Batch& b : dense) {
        parts.push_back(ok(column::flatten(b.columns[c], b.rows, column::testing::pool())));
        rows.push_back(b.rows);
      }
      columns_.push_back(ok(column::flatten(ok(column::concat(parts, rows, column::testing::pool())),
                                            std::accumulate(rows.begin(), rows.end(), int64_t{0}), column::testing::pool())));
    }
    for (const Batch& b : dense) rows_ += b.rows;
  }

  // Groups by first row, each as the rows it has.
  std::vector<std::vector<int64_t>> groups() const {
    std::vector<std::vector<int64_t>> out;
    if (spec_.keys.empty()) {
      out.emplace_back(static_cast<size_t>(rows_));
      std::iota(out[0].begin(), out[0].end(), int64_t{0});
      return out;
    }
    for (int64_t i = 0; i < rows_; ++i) {
      auto same = std::find_if(out.begin(), out.end(), [&](const auto& g) {
        return std::all_of(spec_.keys.begin(), spec_.keys.end(), [&](const auto& k) { return column::equal_rows(at(k), g[0], at(k), i); });
      });
      if (same == out.end()) {
        out.push_back({i});
      } else {
        same->push_back(i);
      }
    }
    return out;
  }

  // A cast around a column is left out: number() computes in float64 anyway.
  const Column& at(const expr::BoundPtr& e) const {
    return columns_[static_cast<size_t>(e->kind == expr::BoundKind::kCall ? e->args[0]->input : e->input)];
  }

  std::string value(const expr::BoundAggregate& a, const std::vector<int64_t>& group) const {
    std::vector<int64_t> rows;
    for (const int64_t i : group) {
      if (a.filter && (column::is_null_at(at(a.filter), i) || column::value_text(at(a.filter), i) != "true")) continue;
      rows.push_back(i);
    }
    if (a.function == "count" && a.args.empty()) return std::to_string(rows.size());
    const Column* x = columns_.empty() ? nullptr : &at(a.args[0]);
    if (a.function == "first") return rows.empty() ? "null" : cell(*x, rows.front());
    if (a.function == "last") return rows.empty() ? "null" : cell(*x, rows.back());
    std::erase_if(rows, [&](int64_t i) { return column::is_null_at(*x, i); });
    if (a.function == "count") return std::to_string(rows.size());
    if (rows.empty()) return "null";
    if (a.function == "min" || a.function == "max") return extreme(*x, rows, a.function == "max");
    return number(a, *x, rows);
  }

 private:
  static std::string extreme(const Column& x, const std::vector<int64_t>& rows, bool greatest) {
    int64_t best = rows[0];
    for (const int64_t i : rows) {
      const int c = column::compare_rows(x, i, x, best);
      if (greatest ? c > 0 : c < 0) best = i;
    }
    if (x.type()->id() == arrow::Type::DOUBLE) return double_cell(canonical(column::values_of<double>(*x.values)[best]));
    if (x.type()->id() == arrow::Type::FLOAT) return float_cell(static_cast<float>(canonical(column::values_of<float>(*x.values)[best])));
    return cell(x, best);
  }

  static std::string number(const expr::BoundAggregate& a, const Column& x, const std::vector<int64_t>& rows) {
    const auto n = static_cast<int64_t>(rows.size());
    int ddof = 1;
    for (const auto& o : a.options) ddof = static_cast<const arrow::Int32Scalar&>(*o.value).value;
    column::WideSum sum, squares;
    __int128 whole = 0;
    const column::Physical p = column::physical_unchecked(*x.type());
    for (const int64_t i : rows) {
      column::visit_number(p, [&]<typename T>() {
        const T v = column::values_of<T>(*x.values)[i];
        if constexpr (std::is_floating_point_v<T>) {
          sum.add(v);
        } else {
          whole += v;
        }
        squares.add_product(static_cast<double>(v), static_cast<double>(v));
        if constexpr (!std::is_floating_point_v<T>) sum.add(static_cast<double>(v));
      });
    }
    if (a.function == "var" || a.function == "std") {
      if (n <= ddof) return "null";
      if (!sum.is_finite()) return double_cell(std::numeric_limits<double>::quiet_NaN());
      const auto count = column::exact_number(n, 0);
      const auto top =
          column::exact_subtract(column::exact_multiply(count, squares.number()), column::exact_multiply(sum.number(), sum.number()));
      const auto bottom = column::exact_multiply(count, column::exact_number(n - ddof, 0));
      return double_cell(a.function == "var" ? column::rounded_quotient(top, bottom) : column::rounded_root(top, bottom));
    }
    if (column::is_float(*x.type())) return double_cell(a.function == "sum" ? sum.value() : sum.value_over(n));
    const int scale = column::is_decimal(*x.type()) ? static_cast<const arrow::DecimalType&>(*x.type()).scale() : 0;
    if (a.function == "mean") {
      auto bottom = column::exact_number(n, 0);
      for (int s = 0; s < scale; ++s) bottom = column::exact_multiply(bottom, column::exact_number(10, 0));
      return double_cell(column::rounded_quotient(column::exact_number(whole, 0), bottom));
    }
    const auto data = column::make_array(a.type, 1, nullptr, 0, ok(column::allocate_zeroed(16, column::testing::pool())));
    std::memcpy(data->buffers[1]->mutable_data(), &whole, static_cast<size_t>(column::byte_width(column::physical_unchecked(*a.type))));
    return column::value_text(Column::flat(data), 0);
  }

  const AggregateSpec& spec_;
  std::vector<Column> columns_;
  int64_t rows_ = 0;
};

inline Morsels random_morsels(RandomColumns& random, const std::vector<TypePtr>& types, int64_t most_rows, int count) {
  Morsels out;
  for (int m = 0; m < count; ++m) out.push_back(random.batch(types, 1 + random.below(most_rows)));
  return out;
}

// The reference's output as text, in order of first rows.
inline Table expected(const AggregateSpec& spec, const Morsels& morsels) {
  const Reference reference(spec, morsels);
  Table out;
  for (const auto& group : reference.groups()) {
    std::vector<std::string> row;
    for (size_t k = 0; k < spec.keys.size(); ++k) {
      const Column& c = reference.at(spec.keys[k]);
      std::string text = column::is_null_at(c, group[0]) ? "null" : cell(c, group[0]);
      // Keys are written in their canonical form.
      if (text != "null" && c.type()->id() == arrow::Type::DOUBLE)
        text = double_cell(canonical(column::values_of<double>(*c.values)[group[0]]));
      if (text != "null" && c.type()->id() == arrow::Type::FLOAT) {
        text = float_cell(static_cast<float>(canonical(column::values_of<float>(*c.values)[group[0]])));
      }
      row.push_back(std::move(text));
    }
    for (const auto& a : spec.aggregates) row.push_back(reference.value(a, group));
    out.push_back(std::move(row));
  }
  return out;
}

inline void check(const AggregateSpec& spec, const Morsels& morsels, const RunConfig& config) {
  const QueryContext context = context_of(config);
  const auto batches = ok(run(spec, morsels, config, context));
  const Table actual = cells(batches);
  const Table wanted = expected(spec, morsels);
  ASSERT_EQ(actual.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) ASSERT_EQ(actual[i], wanted[i]) << "group " << i;
}

inline std::vector<RunConfig> configs(uint64_t seed) {
  return {
      {.seed = seed},
      {.seed = seed, .workers = 1, .cut_rows = 1, .batch_rows = 1},
      {.seed = seed, .workers = 3, .cut_rows = 7, .batch_rows = 5},
      {.seed = seed, .workers = 4, .cut_rows = 100},
      {.seed = seed, .workers = 2, .cut_rows = 33, .eager = true},
      {.seed = seed, .workers = 1, .eager = true},
  };
}

}  // namespace gristmill::exec::testing
