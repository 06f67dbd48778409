// Bad rows are found exactly, in few evaluations, whatever their number.

#include "job/evaluate_rows.h"

#include <random>

#include <arrow/builder.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "expr/bind.h"
#include "expr/node.h"

namespace gristmill::job {
namespace {

class Collected final : public RowErrors {
 public:
  explicit Collected(bool all) : all_(all) {}
  void reject(int64_t row, arrow::Status) override { rows.push_back(row); }
  bool wants_all() const override { return all_; }
  std::vector<int64_t> rows;

 private:
  const bool all_;
};

column::Batch texts(const std::vector<bool>& bad) {
  EXPECT_TRUE(arrow::compute::Initialize().ok());
  arrow::StringBuilder b;
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_TRUE(b.Append(bad[i] ? "x" : std::to_string(i)).ok());
  auto array = *b.Finish();
  auto rows = arrow::RecordBatch::Make(arrow::schema({arrow::field("t", arrow::utf8())}), array->length(), {array});
  return *column::import_batch(*rows, arrow::default_memory_pool());
}

TEST(EvaluateRows, FindsEveryBadRowAndComputesTheOthers) {
  const auto schema = arrow::schema({arrow::field("t", arrow::utf8())});
  const auto number = *expr::bind(expr::cast(expr::column("t"), arrow::int64()), *schema);
  std::mt19937 random(7);
  for (const double share : {0.0, 0.0005, 0.02, 0.5, 1.0}) {
    for (const int n : {1, 63, 64, 65, 5000}) {
      std::vector<bool> bad(static_cast<size_t>(n)), live(static_cast<size_t>(n));
      for (int i = 0; i < n; ++i) {
        bad[static_cast<size_t>(i)] = std::uniform_real_distribution<>(0, 1)(random) < share;
        live[static_cast<size_t>(i)] = random() % 3 != 0;
      }
      column::Batch batch = texts(bad);
      column::Mask mask(n, false);
      std::vector<int64_t> expected;
      for (int i = 0; i < n; ++i) {
        if (!live[static_cast<size_t>(i)]) continue;
        mask.set(i);
        if (bad[static_cast<size_t>(i)]) expected.push_back(i);
      }
      batch.selection = column::Selection::from_mask(mask);
      for (const bool all : {true, false}) {
        column::Batch rows = batch;
        Collected errors(all);
        RowEvaluator evaluator(arrow::default_memory_pool());
        const auto columns = evaluator.evaluate({number}, rows, errors);
        ASSERT_TRUE(columns.ok()) << columns.status();
        if (all) {
          EXPECT_EQ(errors.rows, expected);
        } else {
          EXPECT_EQ(errors.rows, std::vector<int64_t>(expected.begin(), expected.begin() + (expected.empty() ? 0 : 1)));
        }
        const int64_t end = all || expected.empty() ? n : expected[0];
        for (int i = 0; i < n; ++i) {
          const bool kept = i < end && live[static_cast<size_t>(i)] && !bad[static_cast<size_t>(i)];
          EXPECT_EQ(rows.selection.contains(i) && i < rows.rows, kept);
          if (kept) {
            EXPECT_EQ(column::value_text((*columns)[0], i), std::to_string(i));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gristmill::job
