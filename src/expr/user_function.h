// Functions that users wrote, in C++ or Python, as part of an expression.
//
// A node of kind kCall that has `user` set calls it: on dense arrays of border types holding only rows that count, so a user's
// code never sees a row that a filter or an untaken branch has refused (a deterministic one may see a dictionary's entries instead of
// rows). Each row's result depends on that row alone, but for functions over batches. Always fallible; never called at planning time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/cancellation.h"
#include "column/column.h"
#include "expr/node.h"

namespace gristmill::expr {

class UserFunction {
 public:
  UserFunction(std::string name, std::shared_ptr<arrow::DataType> returns) : name_(std::move(name)), returns_(std::move(returns)) {}
  virtual ~UserFunction() = default;

  // One value a row, `rows` of them (an array, of returns()). A failing row is batch_row of the error, counted in these arrays.
  // Called by several workers at once. Text comes as utf8, lists as lists of border types.
  virtual arrow::Result<std::shared_ptr<arrow::Array>> call(const std::vector<std::shared_ptr<arrow::Array>>& args, int64_t rows) const = 0;
  // True: rows with a NULL argument give NULL and the function does not see them.
  virtual bool skips_nulls() const = 0;
  // True: equal arguments give equal results, so it may be called once for rows that are alike.
  virtual bool deterministic() const { return true; }
  // More than 0: the results of rows depend on one another. It is called on batches of so many rows, cut by the number of rows that get
  // to it, the last one shorter, one after the other; an expression with it is taken apart like one with a window function.
  virtual int64_t batch_rows() const { return 0; }
  virtual int num_args() const { return -1; }  // -1: any
  // What arguments are cast to; a null pointer, or none: as they are.
  virtual std::vector<std::shared_ptr<arrow::DataType>> argument_types() const { return {}; }

  const std::string& name() const { return name_; }
  const std::shared_ptr<arrow::DataType>& returns() const { return returns_; }

 private:
  std::string name_;
  std::shared_ptr<arrow::DataType> returns_;
};
using UserFunctionPtr = std::shared_ptr<const UserFunction>;

// On rows that belong together. The batch_row of an error is one of these rows.
arrow::Result<column::Column> call_user_function(const UserFunctionPtr& function, const std::vector<column::Column>& args, int64_t rows,
                                                 const column::TypePtr& type, arrow::MemoryPool* pool);

NodePtr user_call(UserFunctionPtr function, std::vector<NodePtr> args);
bool calls_user_function(const Node& n);

// For SQL and call(): functions by name, process-wide; a second one of a name replaces the first. Names are not case-sensitive.
arrow::Status register_user_function(UserFunctionPtr function);
UserFunctionPtr find_user_function(std::string_view name);

// While one lives, calls on this thread stop between pieces of a batch once the query is cancelled.
class CancelScope {
 public:
  explicit CancelScope(const base::CancelToken& token);
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

 private:
  const base::CancelToken* before_;
};

struct Function;
// What a bound call of a user's function points to; its state holds the function.
const Function& user_function_entry(bool deterministic);
struct Signature;
struct ArgumentInfo;
arrow::Result<Signature> bind_user_function(const UserFunctionPtr& function, const std::vector<ArgumentInfo>& args);

}  // namespace gristmill::expr
