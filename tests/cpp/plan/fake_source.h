// A source without data for tests of plans: a name, a schema string and a row count.
#pragma once

#include <optional>
#include <string>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "plan/expressions.h"
#include "plan/logical.h"

namespace gristmill::plan::testing {

class FakeSource final : public TableSource {
 public:
  FakeSource(std::string name, std::shared_ptr<arrow::Schema> schema, std::optional<int64_t> rows)
      : name_(std::move(name)), schema_(std::move(schema)), rows_(rows) {}

  std::string kind() const override { return "fake"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  TableEstimate estimate() const override { return {rows_, rows_.has_value(), {}}; }
  std::string to_json() const override { return "{\"name\":\"" + name_ + "\"}"; }
  arrow::Result<std::shared_ptr<Scan>> open(const ScanRequest&) const override { return base::internal_error("a fake source has no rows"); }

 private:
  std::string name_;
  std::shared_ptr<arrow::Schema> schema_;
  std::optional<int64_t> rows_;
};

// "a:int64 b:string!", text as utf8.
inline std::shared_ptr<arrow::Schema> border_schema(const std::string& text) {
  arrow::FieldVector fields = column::parse_schema(text).ValueOrDie()->fields();
  for (auto& f : fields) f = f->WithType(border_type(f->type()));
  return arrow::schema(std::move(fields));
}

inline TableSourcePtr fake(const std::string& name, const std::string& schema, std::optional<int64_t> rows = {}) {
  return std::make_shared<FakeSource>(name, border_schema(schema), rows);
}

inline PlanPtr scan(const std::string& name, const std::string& schema, std::optional<int64_t> rows = {}) {
  return make_scan(fake(name, schema, rows)).ValueOrDie();
}

// Short forms of expressions. a + b of integers may overflow: the standard fallible expression; ratio() is infallible.
inline expr::NodePtr c(const std::string& name) { return expr::column(name); }
inline expr::NodePtr lit(int64_t v) { return expr::literal(v); }
inline expr::NodePtr text(std::string_view v) { return expr::literal(v); }
inline expr::NodePtr gt(expr::NodePtr a, expr::NodePtr b) { return expr::call("gt", {std::move(a), std::move(b)}); }
inline expr::NodePtr eq(expr::NodePtr a, expr::NodePtr b) { return expr::call("eq", {std::move(a), std::move(b)}); }
inline expr::NodePtr add(expr::NodePtr a, expr::NodePtr b) { return expr::call("add", {std::move(a), std::move(b)}); }
inline expr::NodePtr ratio(expr::NodePtr a, expr::NodePtr b) { return expr::call("div", {std::move(a), std::move(b)}); }
inline expr::NodePtr both(expr::NodePtr a, expr::NodePtr b) { return expr::call("and", {std::move(a), std::move(b)}); }
inline expr::NodePtr agg(const std::string& f, expr::NodePtr x) { return expr::aggregate(f, {std::move(x)}); }
inline expr::NodePtr as(expr::NodePtr e, const std::string& name) { return expr::alias(std::move(e), name); }

inline std::string message_of(const arrow::Status& status) { return base::describe_error(status); }

}  // namespace gristmill::plan::testing
