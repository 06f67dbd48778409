// User functions of the public C++ API: callables over Arrow arrays as the engine's UserFunction.

#include "gristmill/udf.h"

#include "base/status.h"
#include "expr/user_function.h"

namespace gristmill {
namespace {

class Callable final : public expr::UserFunction {
 public:
  Callable(std::string name, std::shared_ptr<arrow::DataType> returns, VectorFunction function, UdfOptions options)
      : UserFunction(std::move(name), std::move(returns)), function_(std::move(function)), options_(std::move(options)) {}

  arrow::Result<std::shared_ptr<arrow::Array>> call(const Arrays& args, int64_t) const override {
    auto result = function_(args);
    if (result.ok() || base::error_detail(result.status())) return result;
    return row_error(result.status().message(), 0);
  }
  bool skips_nulls() const override { return !options_.call_with_nulls; }
  bool deterministic() const override { return options_.deterministic; }
  int64_t batch_rows() const override { return options_.batch_rows; }
  std::vector<std::shared_ptr<arrow::DataType>> argument_types() const override { return options_.arguments; }
  int num_args() const override { return options_.arguments.empty() ? -1 : static_cast<int>(options_.arguments.size()); }

 private:
  VectorFunction function_;
  UdfOptions options_;
};

}  // namespace

Expr Udf::call(std::vector<Expr> args) const {
  std::vector<expr::NodePtr> nodes;
  for (const Expr& e : args) nodes.push_back(e.node());
  return Expr(expr::user_call(function_, std::move(nodes)));
}

Udf udf_vector(std::string name, std::shared_ptr<arrow::DataType> returns, VectorFunction function, UdfOptions options) {
  return Udf(std::make_shared<Callable>(std::move(name), std::move(returns), std::move(function), std::move(options)));
}

arrow::Status register_function(const Udf& udf) { return expr::register_user_function(udf.function()); }

arrow::Status row_error(std::string message, int64_t row) { return base::data_error(std::move(message), {}, row); }

}  // namespace gristmill
