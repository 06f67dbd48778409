// The one table of functions. A family is a file in functions/; adding a function is an entry in its table.
//
// bind() checks and chooses types: it may ask for casts of its arguments (`casts[i]`, canonical), and prepares state.
// run() gets arguments already cast, flat or constant (never all constant: the framework then asks for one row), `rows` rows,
// and returns a column of `rows` rows of `type`.
// With nulls == kPropagate the framework handles all-null constants and the kernel's result validity is the
// intersection of its arguments' (run() may leave it to the framework by returning a column without validity; one that
// it returns is intersected too).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "expr/node.h"

namespace gristmill::expr {

struct FunctionState {
  virtual ~FunctionState() = default;
};

struct Signature {
  column::TypePtr type;
  std::vector<column::TypePtr> casts;  // one per argument; null = as it is
  std::shared_ptr<const FunctionState> state;
  bool fallible = false;
  bool introduces_nulls = false;  // NULL is possible without a NULL argument
};

struct ArgumentInfo {
  column::TypePtr type;
  std::shared_ptr<arrow::Scalar> constant;  // when known at bind time
  bool untyped_literal = false;
};

struct KernelCall {
  std::span<const column::Column> args;
  int64_t rows = 0;
  const column::Selection* selection = nullptr;  // rows that count for errors
  const FunctionState* state = nullptr;
  column::TypePtr type;
  arrow::MemoryPool* pool = nullptr;
};

enum class NullRule : uint8_t { kPropagate, kOwn };

// What the evaluator does itself, on masks and narrowed selections.
enum class Special : uint8_t {
  kNone,
  kAnd,
  kOr,
  kNot,
  kCompare,
  kDistinct,
  kBetween,
  kIsNull,
  kIsNotNull,
  kIsIn,
  kCase,
  kCoalesce,
  kNullIf,
};

struct Function {
  std::string name;     // "add", "str.upper"
  std::string family;   // file name in functions/
  std::string summary;  // one line; nulls and errors included
  std::string example;  // an expression of the Python face and its result: "lit(1) + 2 -> 3"
  NullRule nulls = NullRule::kPropagate;
  bool deterministic = true;
  arrow::Result<Signature> (*bind)(std::span<const ArgumentInfo> args, std::span<const Option> options) = nullptr;
  arrow::Result<column::Column> (*run)(const KernelCall& call) = nullptr;  // null: the evaluator handles it (`special`)
  Special special = Special::kNone;
};

const Function* find_function(std::string_view name);
std::vector<const Function*> all_functions();  // by name

}  // namespace gristmill::expr
