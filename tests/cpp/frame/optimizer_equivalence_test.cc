// The optimiser changes nothing but the time: random plans over small random tables give the same rows, or the same
// error, whether they were optimised or lowered as written.

#include <cstdlib>
#include <random>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "exec/collect.h"
#include "exec/lower.h"
#include "frame/memory_table.h"
#include "plan/random_plan.h"
#include "sched/task.h"

namespace gristmill {
namespace {

using plan::PlanPtr;
using plan::testing::RandomPlan;

class RandomTable {
 public:
  explicit RandomTable(uint64_t seed) : rng_(seed) {}

  PlanPtr make(const std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>>& columns, int64_t rows) {
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::ChunkedArray>> arrays;
    for (const auto& [name, type] : columns) {
      fields.push_back(arrow::field(name, type));
      arrays.push_back(chunks(column(type, rows)));
    }
    auto source = frame::make_memory_table(arrow::Table::Make(arrow::schema(fields), arrays)).ValueOrDie();
    return plan::make_scan(source).ValueOrDie();
  }

 private:
  uint64_t below(uint64_t n) { return rng_() % n; }

  std::shared_ptr<arrow::ChunkedArray> chunks(const std::shared_ptr<arrow::Array>& whole) {
    const int64_t cut = static_cast<int64_t>(below(static_cast<uint64_t>(whole->length()) + 1));
    return std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{whole->Slice(0, cut), whole->Slice(cut)}, whole->type());
  }

  std::shared_ptr<arrow::Array> column(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    auto builder = arrow::MakeBuilder(type).ValueOrDie();
    for (int64_t i = 0; i < rows; ++i) append(*builder);
    return builder->Finish().ValueOrDie();
  }

  void append(arrow::ArrayBuilder& b) {
    static constexpr int64_t kIntegers[] = {0, 1, 2, 3, 5, -1, 100, INT64_MAX, INT64_MIN};
    static constexpr double kFloats[] = {0.0, -0.0, 1.5, -2.25, 1e300, 1e-300, 3.0};
    static constexpr const char* kTexts[] = {"", "a", "b", "x", "zone", "longer than twelve bytes"};
    if (below(8) == 0) {
      ASSERT_TRUE(b.AppendNull().ok());
      return;
    }
    switch (b.type()->id()) {
      // The last two integers make sums and products overflow; they are rare.
      case arrow::Type::INT64: static_cast<arrow::Int64Builder&>(b).Append(kIntegers[below(60) == 0 ? 7 + below(2) : below(7)]).ok(); break;
      case arrow::Type::INT32: static_cast<arrow::Int32Builder&>(b).Append(static_cast<int32_t>(below(6))).ok(); break;
      case arrow::Type::DOUBLE: static_cast<arrow::DoubleBuilder&>(b).Append(kFloats[below(7)]).ok(); break;
      case arrow::Type::STRING: static_cast<arrow::StringBuilder&>(b).Append(kTexts[below(6)]).ok(); break;
      case arrow::Type::BOOL: static_cast<arrow::BooleanBuilder&>(b).Append(below(2) == 0).ok(); break;
      case arrow::Type::LIST: {
        auto& list = static_cast<arrow::ListBuilder&>(b);
        list.Append().ok();
        for (uint64_t n = below(3); n > 0; --n) append(*list.value_builder());
        break;
      }
      default: b.AppendEmptyValue().ok();
    }
  }

  std::mt19937_64 rng_;
};

// Message, row and value. The column is left out: a merged projection knows it under the name it has further down.
std::string error_text(const arrow::Status& status) {
  const auto detail = base::error_detail(status);
  const std::string message = "error " + status.message();
  return detail ? message + " row " + std::to_string(detail->row) + " value " + detail->value : message;
}

// The rows as text, exact, or the error.
std::string outcome(const PlanPtr& p) {
  auto context = std::make_shared<exec::QueryContext>();
  context->memory = base::QueryMemory::make(0);
  context->morsel_rows = 7;
  context->batch_rows = context->scan_batch_rows = 5;
  auto sink = exec::make_collect_sink(p->schema);
  auto query = exec::lower(p, sink, context);
  if (!query.ok()) return error_text(query.status());
  exec::RunSettings settings;
  settings.options.inline_on_caller = true;
  settings.options.workers = 1;
  const auto status = exec::run(*query, settings, sched::Scheduler::process());
  if (!status.ok()) return error_text(status);
  const auto table = arrow::Table::FromRecordBatches(p->schema, sink->take()).ValueOrDie();
  std::string out = std::to_string(table->num_rows()) + " rows\n";
  for (int c = 0; c < table->num_columns(); ++c) {
    out += table->field(c)->ToString() + ":";
    for (int64_t i = 0; i < table->num_rows(); ++i) {
      out.append(" ").append(table->column(c)->GetScalar(i).ValueOrDie()->ToString());
    }
    out += "\n";
  }
  return out;
}

TEST(Optimizer, ChangesNeitherRowsNorOrderNorErrors) {
  int errors = 0, rows = 0;
  const char* more = std::getenv("GRISTMILL_TEST_SEEDS");
  const uint64_t seeds = more ? std::strtoull(more, nullptr, 10) : 1500;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    RandomTable tables(seed);
    const std::vector<PlanPtr> inputs = {
        tables.make({{"a", arrow::int64()},
                     {"b", arrow::int32()},
                     {"f", arrow::float64()},
                     {"s", arrow::utf8()},
                     {"t", arrow::boolean()},
                     {"l", arrow::list(arrow::int64())}},
                    static_cast<int64_t>(seed % 40)),
        tables.make({{"a", arrow::int64()}, {"s", arrow::utf8()}, {"g", arrow::float64()}}, 5),
        tables.make({{"b", arrow::int32()}, {"a", arrow::float64()}}, static_cast<int64_t>(seed % 3) * 60),
    };
    RandomPlan random(seed, inputs, seed % 3 != 0);
    const PlanPtr p = random.make(1 + static_cast<int>(seed % 7));
    const auto optimized = plan::optimize(p);
    ASSERT_TRUE(optimized.ok()) << "seed " << seed << ": " << base::describe_error(optimized.status());
    const std::string as_written = outcome(p);
    ASSERT_EQ(outcome(*optimized), as_written) << "seed " << seed << "\n" << plan::explain(*p) << "became\n" << plan::explain(**optimized);
    (as_written.rfind("error", 0) == 0 ? errors : rows) += 1;
  }
  EXPECT_GT(errors, 25) << "too few plans fail to say anything about errors";
  EXPECT_GT(rows, 700);
}

}  // namespace
}  // namespace gristmill
