// What the evaluator promises beside values: constants stay constants, dictionaries are asked once per entry, unselected rows
// are nobody's business, errors say where.

#include <gtest/gtest.h>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "expr/bind.h"
#include "expr/evaluate.h"
#include "expression_text.h"

namespace gristmill::expr::testing {
namespace {

BoundPtr bound(const Table& t, const std::string& e) { return expr::bind(read_expression(e).ValueOrDie(), *t.schema).ValueOrDie(); }

Table numbers() { return read_table("a:int64 s:string", {"1 '10'", "2 'x'", "3 '30'", "4 null"}).ValueOrDie(); }

TEST(Evaluator, ReturnsConstantsAsConstants) {
  const Table t = numbers();
  Evaluator e(arrow::default_memory_pool());
  EXPECT_TRUE(e.evaluate(*bound(t, "(add 1 2)"), t.batch)->is_constant());
  EXPECT_TRUE(e.evaluate(*bound(t, "(add a null)"), t.batch)->is_constant());
  column::Batch same = t.batch;
  same.columns[0] = column::Column::constant(column::slice(t.batch.columns[0], 1, 1).values);
  auto c = e.evaluate(*bound(t, "(add a 1)"), same);
  ASSERT_TRUE(c.ok());
  EXPECT_TRUE(c->is_constant());
  EXPECT_EQ(column::value_text(*c, 3), "3");
}

TEST(Evaluator, PassesInputsThroughUntouched) {
  const Table t = numbers();
  Evaluator e(arrow::default_memory_pool());
  EXPECT_EQ(e.evaluate(*bound(t, "a"), t.batch)->values, t.batch.columns[0].values);
}

TEST(Evaluator, NamesRowColumnAndValueOfAnError) {
  const Table t = numbers();
  Evaluator e(arrow::default_memory_pool());
  const auto status = e.evaluate(*bound(t, "(cast s int64)"), t.batch).status();
  EXPECT_EQ(status.message(), "cannot cast \"x\" to int64");
  const auto detail = base::error_detail(status);
  ASSERT_TRUE(detail);
  EXPECT_EQ(detail->kind, base::ErrorKind::kData);
  EXPECT_EQ(detail->batch_row, 1);
  EXPECT_EQ(detail->column, "s");
  EXPECT_EQ(detail->value, "x");
}

TEST(Evaluator, DoesNotFailForUnselectedRows) {
  Table t = numbers();
  column::Mask m(4, true);
  m.clear(1);
  t.batch.selection = column::Selection::from_mask(m);
  Evaluator e(arrow::default_memory_pool());
  auto c = e.evaluate(*bound(t, "(cast s int64)"), t.batch);
  ASSERT_TRUE(c.ok()) << c.status().ToString();
  EXPECT_EQ(column::value_text(*c, 2), "30");
  auto none = t.batch;
  none.selection = column::Selection::from_mask(column::Mask(4, false));
  EXPECT_TRUE(e.evaluate(*bound(t, "(sql_div a 0)"), none).ok());
  EXPECT_EQ(e.mask(*bound(t, "(gt (sql_div a 0) 1)"), none)->count(), 0);
}

// A dictionary of ten entries, the last one unusable, under rows that never use it.
TEST(Evaluator, GoesRowByRowWhenAnEntryNobodyUsesFails) {
  const Table entries = read_table("s:string", {"'0'", "'1'", "'2'", "'bad'"}).ValueOrDie();
  auto indices = column::allocate_zeroed(8 * 4, arrow::default_memory_pool()).ValueOrDie();
  auto* index = reinterpret_cast<int32_t*>(indices->mutable_data());
  for (int i = 0; i < 8; ++i) index[i] = i % 3;
  column::Batch batch;
  batch.rows = 8;
  batch.columns = {column::Column::dict(column::make_array(arrow::int32(), 8, nullptr, 0, indices), entries.batch.columns[0].values)};
  Evaluator e(arrow::default_memory_pool());
  const BoundPtr cast = bound(entries, "(cast s int64)");
  for (int round = 0; round < 2; ++round) {
    auto c = e.evaluate(*cast, batch);
    ASSERT_TRUE(c.ok()) << c.status().ToString();
    EXPECT_EQ(column::value_text(*c, 5), "2");
  }
  index[6] = 3;
  const auto status = e.evaluate(*cast, batch).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(base::error_detail(status)->batch_row, 6);
}

TEST(Evaluator, ForgetsWhatItKnewOfAnotherDictionary) {
  Evaluator e(arrow::default_memory_pool());
  const Table first = read_table("s:string", {"'a'", "'b'"}).ValueOrDie(), second = read_table("s:string", {"'c'", "'d'"}).ValueOrDie();
  const BoundPtr upper = bound(first, "(str.upper s)");
  auto indices = column::allocate_zeroed(2 * 4, arrow::default_memory_pool()).ValueOrDie();
  for (const Table* t : {&first, &second, &first}) {
    column::Batch batch;
    batch.rows = 2;
    batch.columns = {column::Column::dict(column::make_array(arrow::int32(), 2, nullptr, 0, indices), t->batch.columns[0].values)};
    EXPECT_EQ(column::value_text(*e.evaluate(*upper, batch), 1), t == &first ? "A" : "C");
    EXPECT_EQ(e.mask(*bound(first, "(eq (str.upper s) 'C')"), batch)->count(), t == &second ? 2 : 0);
  }
}

// Floats that only the expression knows are written over; columns, constants and integers, which may have to be looked at again, are not.
TEST(Evaluator, WritesOverFloatsThatNobodyElseKnows) {
  const Table t = read_table("a:int64 x:float64 y:float64", {"1 1.5 2", "2 null 3", "3 -0.25 null", "4 8 5"}).ValueOrDie();
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Evaluator e(&pool);
  const auto allocations = [&](const std::string& expression) {
    const BoundPtr b = bound(t, expression);
    const int64_t before = pool.num_allocations();
    auto c = e.evaluate(*b, t.batch);
    EXPECT_TRUE(c.ok()) << c.status().ToString();
    return pool.num_allocations() - before;
  };
  const int64_t one = allocations("(mul a 2.0)");
  EXPECT_EQ(allocations("(add (mul (div a 3) 2.0) 1.0)"), one);
  EXPECT_EQ(allocations("(sub 1.0 (mul (div a 3) 2.0))"), one);
  EXPECT_GT(allocations("(mul (add a 1) 2)"), allocations("(add a 1)"));
  const auto value = [&](const std::string& expression, int64_t row) {
    return column::value_text(*e.evaluate(*bound(t, expression), t.batch), row);
  };
  for (int round = 0; round < 2; ++round) {  // the columns are as they were
    EXPECT_EQ(value("(add (mul x 2.0) (mul x y))", 0), "6");
    EXPECT_EQ(value("(add (mul x 2.0) (mul x y))", 1), "null");
    EXPECT_EQ(value("(add (mul x 2.0) (mul x y))", 2), "null");
    EXPECT_EQ(value("(sub (mul y 2.0) (add (mul x y) (mul x 2.0)))", 3), "-46");
    EXPECT_EQ(value("(add x y)", 3), "13");
    EXPECT_EQ(value("(mul (case (gt x 0.0) x y) 2.0)", 0), "3");
    EXPECT_EQ(value("(mul (case (gt x 0.0) x y) 2.0)", 2), "null");
  }
}

TEST(Evaluator, TakesBatchesOfManyRows) {
  constexpr int64_t kRows = column::kMaxBatchRows;
  auto values = column::allocate_buffer(kRows * 8, arrow::default_memory_pool()).ValueOrDie();
  auto* v = reinterpret_cast<int64_t*>(values->mutable_data());
  for (int64_t i = 0; i < kRows; ++i) v[i] = i;
  column::Batch batch;
  batch.rows = kRows;
  batch.columns = {column::Column::flat(column::make_array(arrow::int64(), kRows, nullptr, 0, values))};
  const Table t = read_table("a:int64", {"1"}).ValueOrDie();
  Evaluator e(arrow::default_memory_pool());
  EXPECT_EQ(e.mask(*bound(t, "(and (ge a 100) (lt (mod a 10) 5))"), batch)->count(), (kRows - 100) / 10 * 5 + 5);
  auto c = e.evaluate(*bound(t, "(case (lt a 60000) (mul a 2) (neg a))"), batch);
  ASSERT_TRUE(c.ok());
  EXPECT_EQ(column::value_text(*c, 59999), "119998");
  EXPECT_EQ(column::value_text(*c, 65535), "-65535");
}

}  // namespace
}  // namespace gristmill::expr::testing
