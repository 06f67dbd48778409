// Runs tests/cpp/expr/cases/*.test: tables, expressions, expected values, in every shape a batch can take.
//
//   data a:int64 b:float64        a table; its rows follow, one a line
//   1 2.5
//
//   (add a b)                     an expression; after "=>" its values, row by row, or
//   => 3.5 null                   "error ROW TEXT" (row -: a plan error; TEXT must be within the message), or "type T"
//
// Lines beginning with # are comments.

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/status.h"
#include "column/column.h"
#include "expr/bind.h"
#include "expr/evaluate.h"
#include "expr/json.h"
#include "expression_text.h"
#include "shapes.h"

namespace gristmill::expr::testing {
namespace {

std::string values_text(const std::vector<std::string>& v) {
  std::string out;
  for (const std::string& s : v) out += (out.empty() ? "" : " | ") + s;
  return out;
}

class Cases {
 public:
  explicit Cases(std::string file) : file_(std::move(file)) {}

  void run() {
    std::ifstream in(file_);
    ASSERT_TRUE(in.good()) << file_;
    std::string line;
    std::string schema;
    std::vector<std::string> rows;
    bool in_data = false;
    while (std::getline(in, line)) {
      ++number_;
      if (!line.empty() && line[0] == '#') continue;
      if (line.starts_with("data ")) {
        schema = line.substr(5);
        rows.clear();
        in_data = true;
      } else if (line.find_first_not_of(" \t") == std::string::npos) {
        if (in_data) ASSERT_NO_FATAL_FAILURE(set_table(schema, rows));
        in_data = false;
      } else if (in_data) {
        rows.push_back(line);
      } else if (line.starts_with("=>")) {
        expect(line.substr(2));
      } else {
        expression_ = line;
      }
    }
    EXPECT_GT(checked_, 0) << file_ << " holds no case";
  }

 private:
  std::string where() const { return file_ + ":" + std::to_string(number_) + " " + expression_; }

  void set_table(const std::string& schema, const std::vector<std::string>& rows) {
    auto t = read_table(schema, rows);
    ASSERT_TRUE(t.ok()) << where() << ": " << t.status().ToString();
    table_ = std::move(*t);
  }

  void expect(const std::string& expected) {
    ++checked_;
    auto node = read_expression(expression_);
    ASSERT_TRUE(node.ok()) << where() << ": " << node.status().ToString();
    const std::string json = to_json(**node);
    auto back = from_json(json);
    ASSERT_TRUE(back.ok()) << where() << ": " << back.status().ToString() << " in " << json;
    EXPECT_TRUE(equal(**node, **back)) << where() << ": " << json;

    std::vector<std::string> want = split_values(expected);
    auto bound = expr::bind(*node, *table_.schema);
    if (want[0] == "error" && want.size() > 1 && want[1] == "-") {
      ASSERT_FALSE(bound.ok()) << where() << ": no plan error";
      EXPECT_EQ(base::error_kind(bound.status()), base::ErrorKind::kPlan) << where();
      EXPECT_NE(bound.status().message().find(rest_of(expected, 2)), std::string::npos) << where() << ": " << bound.status().message();
      return;
    }
    ASSERT_TRUE(bound.ok()) << where() << ": " << bound.status().ToString();
    if (want[0] == "type") {
      EXPECT_EQ(column::type_text(*(*bound)->type), rest_of(expected, 1)) << where();
      return;
    }
    for (const Shape& shape : every_shape(table_.batch)) {
      if (want[0] == "error")
        check_error(**bound, shape, std::stoll(want.at(1)), rest_of(expected, 2));
      else
        check_values(**bound, shape, want);
    }
  }

  // What follows `words` words.
  static std::string rest_of(const std::string& text, int words) {
    size_t at = text.find_first_not_of(' ');
    for (int w = 0; w < words; ++w) {
      at = text.find(' ', at);
      if (at == std::string::npos) return {};
      at = text.find_first_not_of(' ', at);
    }
    return text.substr(at);
  }

  void check_error(const Bound& e, const Shape& shape, int64_t row, const std::string& text) {
    int64_t at = -1;  // where the failing row is in this shape
    for (size_t i = 0; i < shape.source.size() && at < 0; ++i) {
      if (shape.source[i] == row) at = static_cast<int64_t>(i);
    }
    Evaluator evaluator(arrow::default_memory_pool());
    auto result = evaluator.evaluate(e, shape.batch);
    if (at < 0) return;  // a shape without the failing row: may fail at a later one
    ASSERT_FALSE(result.ok()) << where() << " as " << shape.name << ": no error";
    const auto detail = base::error_detail(result.status());
    ASSERT_TRUE(detail) << where() << ": " << result.status().ToString();
    EXPECT_EQ(detail->batch_row, at) << where() << " as " << shape.name;
    EXPECT_NE(result.status().message().find(text), std::string::npos)
        << where() << " as " << shape.name << ": " << result.status().message();
    EXPECT_FALSE(detail->value.empty()) << where();
  }

  void check_values(const Bound& e, const Shape& shape, const std::vector<std::string>& want) {
    Evaluator evaluator(arrow::default_memory_pool());
    for (int round = 0; round < 2; ++round) {  // the second time through the evaluator's caches
      auto result = evaluator.evaluate(e, shape.batch);
      ASSERT_TRUE(result.ok()) << where() << " as " << shape.name << ": " << result.status().ToString();
      EXPECT_TRUE(result->type()->Equals(*e.type)) << where() << ": " << result->type()->ToString() << " is not " << e.type->ToString();
      std::vector<std::string> got, wanted;
      bool truths = e.type->id() == arrow::Type::BOOL;
      column::Mask mask;
      if (truths) {
        auto m = evaluator.mask(e, shape.batch);
        ASSERT_TRUE(m.ok()) << where() << " as " << shape.name << ": " << m.status().ToString();
        mask = std::move(*m);
      }
      for (size_t i = 0; i < shape.source.size(); ++i) {
        if (shape.source[i] < 0) {
          if (truths) {
            EXPECT_FALSE(mask.get(static_cast<int64_t>(i))) << where() << " as " << shape.name << ": a row outside the selection is true";
          }
          continue;
        }
        ASSERT_LT(static_cast<size_t>(shape.source[i]), want.size()) << where() << ": too few expected values";
        std::string w = want[static_cast<size_t>(shape.source[i])];
        if (w[0] == '\'') w = w.substr(1);
        got.push_back(column::value_text(*result, static_cast<int64_t>(i)));
        wanted.push_back(w);
        if (truths) {
          EXPECT_EQ(mask.get(static_cast<int64_t>(i)), w == "true") << where() << " as " << shape.name << " row " << i;
        }
        if (!e.nullable) {
          EXPECT_NE(got.back(), "null") << where() << ": null although not nullable";
        }
      }
      EXPECT_EQ(values_text(got), values_text(wanted)) << where() << " as " << shape.name;
    }
  }

  std::string file_;
  std::string expression_;
  Table table_;
  int number_ = 0;
  int checked_ = 0;
};

class CaseFile : public ::testing::TestWithParam<std::string> {};

TEST_P(CaseFile, GivesTheSameAnswerInEveryShape) { Cases(GetParam()).run(); }

std::vector<std::string> case_files() {
  std::vector<std::string> out;
  for (const auto& f : std::filesystem::directory_iterator(std::string(GRISTMILL_SOURCE_DIR) + "/tests/cpp/expr/cases"))
    out.push_back(f.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Expr, CaseFile, ::testing::ValuesIn(case_files()),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

}  // namespace
}  // namespace gristmill::expr::testing
