// Runs a sort by hand, as the pipeline would: morsels dealt to workers in a seeded way or claimed by threads, phases piece by
// piece, the source morsel by morsel; and a naive reference: values read one by one, compared one by one, std::stable_sort.
//
// The reference shares nothing with the sort: it knows no encoded key and no prefix. The last column of the data is the number
// of the row in the whole input (unselected rows are numbered too), so a row that went astray has a name.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "../column/random_columns.h"
#include "base/memory_budget.h"
#include "exec/sort.h"
#include "expr/evaluate.h"

namespace gristmill::exec::sort_testing {

using column::Batch;
using column::Column;
using column::SortKey;
using column::TypePtr;
using column::testing::ok;
using column::testing::pool;
using column::testing::RandomColumns;

struct SortData {
  std::vector<Batch> morsels;
  std::vector<TypePtr> types;  // the last is the row number's
  int64_t rows = 0;            // selected or not

  arrow::Schema schema() const {
    arrow::FieldVector fields;
    for (size_t c = 0; c < types.size(); ++c) fields.push_back(arrow::field("c" + std::to_string(c), types[c]));
    return arrow::Schema(fields);
  }
};

// Gives the batch its row numbers and takes it in.
inline void add_morsel(SortData& data, Batch b) {
  auto numbers = ok(column::allocate_buffer(b.rows * 8, pool()));
  for (int64_t i = 0; i < b.rows; ++i) reinterpret_cast<int64_t*>(numbers->mutable_data())[i] = data.rows + i;
  b.columns.push_back(Column::flat(column::make_array(arrow::int64(), b.rows, nullptr, 0, numbers)));
  data.rows += b.rows;
  data.morsels.push_back(std::move(b));
}

inline SortData random_data(RandomColumns& random, std::vector<TypePtr> types, int morsels, int64_t rows, bool selections = true) {
  SortData out;
  for (int m = 0; m < morsels; ++m) add_morsel(out, random.batch(types, random.below(rows + 1), selections));
  out.types = std::move(types);
  out.types.push_back(arrow::int64());
  return out;
}

inline expr::BoundPtr bound(const SortData& data, const expr::NodePtr& e) { return ok(expr::bind(e, data.schema())); }
inline expr::BoundPtr input(const SortData& data, int c) { return bound(data, expr::column("c" + std::to_string(c))); }

inline SortSpec sort_by(const SortData& data, std::vector<expr::BoundPtr> keys, std::vector<SortKey> order,
                        std::optional<int64_t> top = {}) {
  SortSpec spec;
  spec.keys = std::move(keys);
  spec.order = std::move(order);
  spec.types = data.types;
  spec.top = top;
  spec.label = "test";
  return spec;
}

// A value on its own.
struct Value {
  bool null = false;
  __int128 whole = 0;         // bool, integers, decimals, times
  double real = 0;            // floats
  std::string text;           // string, binary
  std::vector<Value> inside;  // fields, elements, a map's (key, value) pairs by key
};

// Nulls equal and greatest; NaN equal and greatest; -0.0 = 0.0.
inline int compare(const Value& a, const Value& b) {
  if (a.null || b.null) return a.null - b.null;
  if (a.whole != b.whole) return a.whole < b.whole ? -1 : 1;
  if (std::isnan(a.real) != std::isnan(b.real)) return std::isnan(a.real) ? 1 : -1;
  if (a.real < b.real) return -1;
  if (a.real > b.real) return 1;
  if (a.text != b.text) {
    const bool before = std::lexicographical_compare(a.text.begin(), a.text.end(), b.text.begin(), b.text.end(), [](char x, char y) {
      return static_cast<unsigned char>(x) < static_cast<unsigned char>(y);
    });
    return before ? -1 : 1;
  }
  for (size_t i = 0; i < std::min(a.inside.size(), b.inside.size()); ++i) {
    if (const int c = compare(a.inside[i], b.inside[i])) return c;
  }
  return a.inside.size() < b.inside.size() ? -1 : a.inside.size() > b.inside.size();
}

template <typename Array>
std::vector<Value> elements(const arrow::Array& array, int64_t row);

inline Value read_value(const arrow::Array& a, int64_t i) {
  Value v;
  v.null = a.type_id() == arrow::Type::NA || a.IsNull(i);
  if (v.null) return v;
  const auto number = [&]<typename Array>(const Array& typed) { v.whole = typed.Value(i); };
  switch (a.type_id()) {
    case arrow::Type::BOOL: number(static_cast<const arrow::BooleanArray&>(a)); break;
    case arrow::Type::INT8: number(static_cast<const arrow::Int8Array&>(a)); break;
    case arrow::Type::INT16: number(static_cast<const arrow::Int16Array&>(a)); break;
    case arrow::Type::INT32: number(static_cast<const arrow::Int32Array&>(a)); break;
    case arrow::Type::INT64: number(static_cast<const arrow::Int64Array&>(a)); break;
    case arrow::Type::UINT8: number(static_cast<const arrow::UInt8Array&>(a)); break;
    case arrow::Type::UINT16: number(static_cast<const arrow::UInt16Array&>(a)); break;
    case arrow::Type::UINT32: number(static_cast<const arrow::UInt32Array&>(a)); break;
    case arrow::Type::UINT64: number(static_cast<const arrow::UInt64Array&>(a)); break;
    case arrow::Type::DATE32: number(static_cast<const arrow::Date32Array&>(a)); break;
    case arrow::Type::TIME64: number(static_cast<const arrow::Time64Array&>(a)); break;
    case arrow::Type::TIMESTAMP: number(static_cast<const arrow::TimestampArray&>(a)); break;
    case arrow::Type::DURATION: number(static_cast<const arrow::DurationArray&>(a)); break;
    case arrow::Type::DECIMAL128: std::memcpy(&v.whole, static_cast<const arrow::Decimal128Array&>(a).GetValue(i), 16); break;
    case arrow::Type::FLOAT: v.real = static_cast<const arrow::FloatArray&>(a).Value(i); break;
    case arrow::Type::DOUBLE: v.real = static_cast<const arrow::DoubleArray&>(a).Value(i); break;
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: v.text = std::string(static_cast<const arrow::BinaryViewArray&>(a).GetView(i)); break;
    case arrow::Type::LIST: v.inside = elements<arrow::ListArray>(a, i); break;
    case arrow::Type::LARGE_LIST: v.inside = elements<arrow::LargeListArray>(a, i); break;
    case arrow::Type::MAP:
      v.inside = elements<arrow::ListArray>(a, i);
      std::sort(v.inside.begin(), v.inside.end(), [](const Value& x, const Value& y) { return compare(x.inside[0], y.inside[0]) < 0; });
      break;
    case arrow::Type::STRUCT:
      for (const auto& f : static_cast<const arrow::StructArray&>(a).fields()) v.inside.push_back(read_value(*f, i));
      break;
    default: ADD_FAILURE() << "no order for " << a.type()->ToString();
  }
  return v;
}

template <typename Array>
std::vector<Value> elements(const arrow::Array& array, int64_t row) {
  const auto& list = static_cast<const Array&>(array);
  std::vector<Value> out;
  for (auto i = list.value_offset(row); i < list.value_offset(row + 1); ++i) out.push_back(read_value(*list.values(), i));
  return out;
}

inline std::shared_ptr<arrow::Array> array_of(const Column& c, int64_t rows) {
  return arrow::MakeArray(ok(column::flatten(c, rows, pool())).values);
}

// What must come out: numbers of the selected rows in order, and every row as text.
struct Expected {
  std::vector<int64_t> order;
  std::vector<std::vector<std::string>> rows;  // by number
};

inline Expected expect(const SortSpec& spec, const SortData& data) {
  Expected out;
  std::vector<std::vector<Value>> keys(static_cast<size_t>(data.rows));  // by number
  expr::Evaluator evaluator(pool());
  int64_t first = 0;
  for (const Batch& m : data.morsels) {
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const auto& k : spec.keys) arrays.push_back(array_of(ok(evaluator.evaluate(*k, m)), m.rows));
    for (int64_t i = 0; i < m.rows; ++i) {
      out.rows.emplace_back();
      for (const Column& c : m.columns) out.rows.back().push_back(column::value_text(c, i));
    }
    for (const uint16_t i : m.selection.indices(m.rows)) {
      out.order.push_back(first + i);
      for (const auto& a : arrays) keys[static_cast<size_t>(first + i)].push_back(read_value(*a, i));
    }
    first += m.rows;
  }
  std::stable_sort(out.order.begin(), out.order.end(), [&](int64_t a, int64_t b) {
    for (size_t k = 0; k < spec.keys.size(); ++k) {
      const Value &x = keys[static_cast<size_t>(a)][k], &y = keys[static_cast<size_t>(b)][k];
      if (x.null && y.null) continue;
      if (x.null || y.null) return x.null == spec.order[k].nulls_first;
      if (const int c = compare(x, y)) return spec.order[k].descending ? c > 0 : c < 0;
    }
    return false;
  });
  return out;
}

struct SortRun {
  uint64_t seed = 1;
  int workers = 1;
  bool threads = false;  // else the workers take turns
  int64_t cut_rows = 0;  // batches of at most this many rows; 0: a morsel is a batch
  int64_t batch_rows = column::kDefaultBatchRows;
  int64_t morsel_rows = 0;  // of the output
  int64_t cap = 0;
  bool eager = false;
};

inline std::ostream& operator<<(std::ostream& to, const SortRun& r) {
  return to << "seed " << r.seed << " workers " << r.workers << (r.threads ? " as threads" : "") << " cut " << r.cut_rows << " batch "
            << r.batch_rows << " morsel " << r.morsel_rows << " cap " << r.cap << (r.eager ? " eager" : "");
}

inline QueryContext context_of(const SortRun& run, base::ProcessBudget& process) {
  QueryContext c;
  c.memory = base::QueryMemory::make(run.cap, process);
  c.workers = run.workers;
  c.batch_rows = run.batch_rows;
  c.morsel_rows = run.morsel_rows;
  c.spill_eagerly = run.eager;
  return c;
}

// f(worker, piece) for every piece: backwards on this thread, or by whichever of the workers comes first.
inline arrow::Status each_piece(const SortRun& run, int64_t pieces, const std::function<arrow::Status(int, int64_t)>& f) {
  if (!run.threads) {
    for (int64_t p = pieces; p > 0; --p) ARROW_RETURN_NOT_OK(f(0, p - 1));
    return arrow::Status::OK();
  }
  std::atomic<int64_t> next{0};
  std::vector<arrow::Status> statuses(static_cast<size_t>(run.workers));
  std::vector<std::thread> threads;
  for (int w = 0; w < run.workers; ++w) {
    threads.emplace_back([&, w] {
      auto& status = statuses[static_cast<size_t>(w)];
      for (int64_t p = next++; p < pieces && status.ok(); p = next++) status = f(w, p);
    });
  }
  for (auto& t : threads) t.join();
  for (auto& s : statuses) ARROW_RETURN_NOT_OK(s);
  return arrow::Status::OK();
}

// One morsel, cut into batches. Under a limit the batches count in the account, as those of a reader do.
inline arrow::Status feed(Sink& sink, LocalState& local, const Batch& morsel, uint64_t seq, const SortRun& run,
                          const QueryContext& context) {
  const int64_t cut = run.cut_rows > 0 ? run.cut_rows : std::max<int64_t>(morsel.rows, 1);
  for (int64_t at = 0; at < morsel.rows; at += cut) {
    Batch part = column::slice(morsel, at, std::min(cut, morsel.rows - at));
    if (part.selected() == 0) continue;
    if (run.cap > 0) {
      // What is freed is of no interest: this is where a pipeline asks others to spill.
      const bool room = context.memory->ensure_headroom(1 << 16, "test").ok();
      static_cast<void>(room);
      std::vector<int64_t> all(static_cast<size_t>(part.rows));
      std::iota(all.begin(), all.end(), int64_t{0});
      for (Column& c : part.columns) {
        ARROW_ASSIGN_OR_RAISE(c, column::take(c, std::span<const int64_t>(all), context.pool()));
      }
    }
    ARROW_RETURN_NOT_OK(sink.consume(std::move(part), {seq, (seq << 32) + static_cast<uint64_t>(at)}, local));
  }
  return sink.end_morsel({seq, seq << 32}, local);
}

struct Sorted {
  std::vector<std::vector<Batch>> pieces;  // by the source's sequence
  int64_t spilled = 0;
};

// Batches are kept by piece, or given to `look` and let go.
using Look = std::function<void(int64_t piece, const Batch&)>;

inline arrow::Result<Sorted> run_sort(const SortSpec& spec, const SortData& data, const SortRun& run, const QueryContext& context,
                                      const Look& look = nullptr) {
  RandomColumns random(run.seed);
  ARROW_ASSIGN_OR_RAISE(Breaker breaker, make_sort(spec, context));
  std::vector<std::unique_ptr<LocalState>> locals(static_cast<size_t>(run.workers));
  for (auto& l : locals) {
    ARROW_ASSIGN_OR_RAISE(l, breaker.sink->make_local(context));
  }
  std::vector<size_t> turns(data.morsels.size());
  std::iota(turns.begin(), turns.end(), size_t{0});
  for (size_t i = turns.size(); run.workers > 1 && i > 1; --i)
    std::swap(turns[i - 1], turns[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  std::vector<size_t> dealt;
  for (size_t i = 0; i < turns.size(); ++i) dealt.push_back(static_cast<size_t>(random.below(run.workers)));
  ARROW_RETURN_NOT_OK(each_piece(run, static_cast<int64_t>(turns.size()), [&](int worker, int64_t p) {
    const auto i = static_cast<size_t>(p);
    return feed(*breaker.sink, *locals[run.threads ? static_cast<size_t>(worker) : dealt[i]], data.morsels[turns[i]], turns[i], run,
                context);
  }));
  for (size_t i = locals.size(); i > 0; --i) {
    ARROW_RETURN_NOT_OK(breaker.sink->combine(*locals[i - 1]));
    locals[i - 1].reset();
  }
  ARROW_RETURN_NOT_OK(breaker.sink->finalize());
  for (const auto& phase : breaker.phases) {
    ARROW_ASSIGN_OR_RAISE(const int64_t pieces, phase->start(context));
    ARROW_RETURN_NOT_OK(each_piece(run, pieces, [&](int, int64_t p) { return phase->run(p); }));
    ARROW_RETURN_NOT_OK(phase->finish());
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t count, breaker.source->start(context));
  std::vector<std::unique_ptr<LocalState>> readers(static_cast<size_t>(run.workers));
  for (auto& r : readers) {
    ARROW_ASSIGN_OR_RAISE(r, breaker.source->make_local(context));
  }
  Sorted out;
  out.pieces.resize(static_cast<size_t>(count));
  ARROW_RETURN_NOT_OK(each_piece(run, count, [&](int worker, int64_t p) {
    RowCounts counts;
    const auto emit = [&](Batch b) {
      if (look) {
        look(p, b);
      } else {
        out.pieces[static_cast<size_t>(p)].push_back(std::move(b));
      }
      return arrow::Status::OK();
    };
    return breaker.source->read(static_cast<uint64_t>(p), *readers[static_cast<size_t>(worker)], emit, counts);
  }));
  out.spilled = context.memory->spilled_bytes();
  return out;
}

// Row by row what is expected, in batches as wanted. A sort may give more than its top rows only when it went to disk.
inline void check_rows(const Sorted& sorted, const Expected& expected, const SortSpec& spec, const SortRun& run) {
  size_t at = 0;
  for (const auto& piece : sorted.pieces) {
    for (const Batch& b : piece) {
      ASSERT_GT(b.rows, 0);
      ASSERT_LE(b.rows, run.batch_rows);
      ASSERT_TRUE(b.selection.all());
      ASSERT_EQ(b.columns.size(), spec.types.size());
      for (size_t c = 0; c < b.columns.size(); ++c) ASSERT_TRUE(b.columns[c].type()->Equals(*spec.types[c]));
      for (int64_t i = 0; i < b.rows; ++i, ++at) {
        ASSERT_LT(at, expected.order.size()) << "too many rows";
        const std::vector<std::string>& row = expected.rows[static_cast<size_t>(expected.order[at])];
        for (size_t c = b.columns.size(); c > 0; --c) {
          ASSERT_EQ(column::value_text(b.columns[c - 1], i), row[c - 1]) << "place " << at << ", column " << c - 1;
        }
      }
    }
  }
  const size_t top = spec.top ? std::min(static_cast<size_t>(*spec.top), expected.order.size()) : expected.order.size();
  if (sorted.spilled > 0) {
    ASSERT_GE(at, top);
  } else {
    ASSERT_EQ(at, top);
  }
}

// One setting against what is expected; returns how many bytes went to disk.
inline int64_t check_run(const SortSpec& spec, const SortData& data, const Expected& expected, const SortRun& run) {
  ::testing::ScopedTrace trace(__FILE__, __LINE__, ::testing::PrintToString(run));
  base::ProcessBudget process(int64_t{4} << 30);
  const QueryContext context = context_of(run, process);
  const auto sorted = run_sort(spec, data, run, context);
  EXPECT_TRUE(sorted.ok()) << sorted.status().ToString();
  if (!sorted.ok()) return 0;
  check_rows(*sorted, expected, spec, run);
  return sorted->spilled;
}

}  // namespace gristmill::exec::sort_testing
