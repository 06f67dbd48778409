// Calling what users wrote: the rows that count are gathered, the result is put back where they were.
//
// Invariant: the function sees selected rows only, in order, and without those that have a NULL where it skips them; what it
// returns is checked for length and type before anybody looks at it.

#include "expr/user_function.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/compute/cast.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "expr/kernel.h"
#include "expr/registry.h"
#include "expr/window.h"

namespace gristmill::expr {
namespace {

using column::Column;
using column::TypePtr;

struct UserState final : FunctionState {
  UserFunctionPtr function;
};

// What a user's code gets: text as utf8, not the engine's views.
TypePtr shown_type(const TypePtr& t) {
  switch (t->id()) {
    case arrow::Type::STRING_VIEW: return arrow::utf8();
    case arrow::Type::BINARY_VIEW: return arrow::binary();
    case arrow::Type::LIST: return arrow::list(t->field(0)->WithType(shown_type(t->field(0)->type())));
    case arrow::Type::LARGE_LIST: return arrow::large_list(t->field(0)->WithType(shown_type(t->field(0)->type())));
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& f : t->fields()) fields.push_back(f->WithType(shown_type(f->type())));
      return arrow::struct_(std::move(fields));
    }
    case arrow::Type::MAP: {
      const auto& m = static_cast<const arrow::MapType&>(*t);
      return arrow::map(shown_type(m.key_type()), m.item_field()->WithType(shown_type(m.item_type())));
    }
    default: return t;
  }
}

// Physical rows the function is to see.
std::vector<int64_t> wanted_rows(const KernelCall& call, bool skip_nulls) {
  std::vector<int64_t> out;
  const AllValid valid(call);
  for_selected(call, [&](int64_t i) {
    if (!skip_nulls || valid(i)) out.push_back(i);
  });
  return out;
}

arrow::Result<std::shared_ptr<arrow::Array>> gathered(const Column& c, const std::vector<int64_t>& rows, bool all,
                                                      arrow::MemoryPool* pool) {
  Column dense = c;
  if (!all && !c.is_constant()) {
    ARROW_ASSIGN_OR_RAISE(dense, column::take(c, std::span<const int64_t>(rows), pool));
  }
  ARROW_ASSIGN_OR_RAISE(auto data, column::export_array(dense, static_cast<int64_t>(rows.size()), shown_type(c.type()), pool));
  return arrow::MakeArray(std::move(data));
}

arrow::Result<std::shared_ptr<arrow::Array>> checked(const UserFunction& f, std::shared_ptr<arrow::Array> result, int64_t rows,
                                                     arrow::MemoryPool* pool) {
  if (!result || result->length() != rows) {
    return base::data_error("user function \"" + f.name() + "\" returned " + std::to_string(result ? result->length() : 0) +
                            " values for " + std::to_string(rows) + " rows");
  }
  if (result->type()->Equals(*f.returns())) return result;
  arrow::compute::ExecContext context(pool);
  auto cast = arrow::compute::Cast(*result, f.returns(), arrow::compute::CastOptions::Safe(), &context);
  if (cast.ok()) return cast;
  return base::data_error("user function \"" + f.name() + "\" returned " + result->type()->ToString() + ", which is not " +
                          f.returns()->ToString() + ": " + cast.status().message());
}

arrow::Status at_physical_row(const arrow::Status& status, const std::vector<int64_t>& rows) {
  auto detail = base::error_detail(status);
  if (!detail) {  // an Arrow error of the user's own: the batch fails at its first row
    arrow::Status error = base::data_error(status.message());
    detail = base::error_detail(error);
    base::ErrorDetail first = *detail;
    first.batch_row = rows[0];
    return base::with_detail(error, std::move(first));
  }
  base::ErrorDetail placed = *detail;
  if (placed.kind != base::ErrorKind::kData) return status;
  placed.batch_row = rows[static_cast<size_t>(std::clamp<int64_t>(placed.batch_row, 0, std::ssize(rows) - 1))];
  return base::with_detail(status, std::move(placed));
}

thread_local const base::CancelToken* current_query = nullptr;

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;

// Row-wise functions are called on pieces that take some milliseconds, so that a slow one can be stopped.
arrow::Result<std::shared_ptr<arrow::Array>> call_in_pieces(const UserFunction& f, const Arrays& args, int64_t rows,
                                                            arrow::MemoryPool* pool) {
  constexpr int64_t kFirstPiece = 64;
  constexpr auto kEnough = std::chrono::milliseconds(10);
  Arrays done;
  for (int64_t from = 0, piece = f.batch_rows() > 0 ? rows : kFirstPiece; from < rows;) {
    const int64_t n = std::min(piece, rows - from);
    Arrays part;
    for (const auto& a : args) part.push_back(a->Slice(from, n));
    if (current_query) ARROW_RETURN_NOT_OK(current_query->check());
    const auto start = std::chrono::steady_clock::now();
    auto result = f.call(part, n);
    if (result.ok()) result = checked(f, std::move(*result), n, pool);
    if (!result.ok()) {
      auto detail = base::error_detail(result.status());
      // Ctrl-C inside the function is nobody's row: rows before it are not waited for.
      if (detail && detail->kind == base::ErrorKind::kCancelled && current_query) current_query->cancel(result.status());
      if (!detail || detail->kind != base::ErrorKind::kData) return result;
      base::ErrorDetail placed = *detail;
      placed.batch_row = std::max<int64_t>(placed.batch_row, 0) + from;
      return base::with_detail(result.status(), std::move(placed));
    }
    done.push_back(std::move(*result));
    if (std::chrono::steady_clock::now() - start < kEnough) piece *= 2;
    from += n;
  }
  return done.size() == 1 ? done[0] : arrow::Concatenate(done, pool);
}

arrow::Result<Column> run_user(const KernelCall& call) {
  const UserFunction& f = *static_cast<const UserState&>(*call.state).function;
  const std::vector<int64_t> rows = wanted_rows(call, f.skips_nulls());
  if (rows.empty()) {
    ARROW_ASSIGN_OR_RAISE(Column none, column::null_column(call.type, call.pool));
    return f.batch_rows() > 0 ? column::flatten(none, call.rows, call.pool) : arrow::Result<Column>(std::move(none));
  }
  const bool all = std::ssize(rows) == call.rows;
  std::vector<std::shared_ptr<arrow::Array>> args;
  for (const Column& c : call.args) {
    ARROW_ASSIGN_OR_RAISE(auto array, gathered(c, rows, all, call.pool));
    args.push_back(std::move(array));
  }
  auto result = call_in_pieces(f, args, std::ssize(rows), call.pool);
  if (!result.ok()) return at_physical_row(result.status(), rows);
  ARROW_ASSIGN_OR_RAISE(Column out, column::import_array((*result)->data(), call.pool));
  if (all) return out;
  std::vector<int64_t> back(static_cast<size_t>(call.rows), column::kNullIndex);
  for (size_t i = 0; i < rows.size(); ++i) back[static_cast<size_t>(rows[i])] = static_cast<int64_t>(i);
  return column::take(out, std::span<const int64_t>(back), call.pool);
}

arrow::Result<Signature> refuse_unbound(std::span<const ArgumentInfo>, std::span<const Option>) {
  return base::internal_error("a user function without its code");
}

struct NameLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](unsigned char x, unsigned char y) { return std::tolower(x) < std::tolower(y); });
  }
};

struct UserRegistry {
  std::mutex mutex;
  std::map<std::string, UserFunctionPtr, NameLess> functions;
};
// Never destroyed: functions written in Python cannot be let go of when the process ends.
UserRegistry& user_registry() {
  static auto& registry = *std::make_unique<UserRegistry>().release();
  return registry;
}

}  // namespace

CancelScope::CancelScope(const base::CancelToken& token) : before_(std::exchange(current_query, &token)) {}
CancelScope::~CancelScope() { current_query = before_; }

arrow::Result<Column> call_user_function(const UserFunctionPtr& function, const std::vector<Column>& args, int64_t rows,
                                         const TypePtr& type, arrow::MemoryPool* pool) {
  UserState state;
  state.function = function;
  return run_user({args, rows, nullptr, &state, type, pool});
}

NodePtr user_call(UserFunctionPtr function, std::vector<NodePtr> args) {
  if (function->batch_rows() > 0) {
    auto n = std::make_shared<Node>(*window(function->name(), std::move(args), {}, {}));
    n->user = std::move(function);
    return n;
  }
  auto n = std::make_shared<Node>();
  n->kind = NodeKind::kCall;
  n->name = function->name();
  n->args = std::move(args);
  n->user = std::move(function);
  return n;
}

bool calls_user_function(const Node& n) {
  return n.user || std::any_of(n.args.begin(), n.args.end(), [](const NodePtr& a) { return calls_user_function(*a); }) ||
         (n.filter && calls_user_function(*n.filter));
}

arrow::Status register_user_function(UserFunctionPtr function) {
  if (function->batch_rows() > 0) {
    return base::plan_error("the function \"" + function->name() + "\" over batches of rows cannot be registered",
                            "use it in frames, or leave out batch_rows");
  }
  if (find_function(function->name())) {
    return base::plan_error("there is a built-in function \"" + function->name() + "\"", "give the user function another name");
  }
  UserRegistry& r = user_registry();
  UserFunctionPtr old;  // outlives the lock: letting go of a Python function takes the GIL
  {
    std::lock_guard lock(r.mutex);
    old = std::exchange(r.functions[function->name()], function);
  }
  return arrow::Status::OK();
}

UserFunctionPtr find_user_function(std::string_view name) {
  UserRegistry& r = user_registry();
  std::lock_guard lock(r.mutex);
  const auto it = r.functions.find(name);
  return it == r.functions.end() ? nullptr : it->second;
}

const Function& user_function_entry(bool deterministic) {
  static const Function entries[] = {{"user function", "user", "", "", NullRule::kOwn, false, refuse_unbound, run_user},
                                     {"user function", "user", "", "", NullRule::kOwn, true, refuse_unbound, run_user}};
  return entries[deterministic ? 1 : 0];
}

arrow::Result<Signature> bind_user_function(const UserFunctionPtr& function, const std::vector<ArgumentInfo>& args) {
  if (function->num_args() >= 0 && std::ssize(args) != function->num_args()) {
    return base::plan_error("user function \"" + function->name() + "\" takes " + std::to_string(function->num_args()) +
                            " arguments, got " + std::to_string(args.size()));
  }
  Signature s;
  s.type = column::canonical_type(function->returns());
  ARROW_RETURN_NOT_OK(column::physical_of(*s.type));
  s.casts.resize(args.size());
  const auto wanted = function->argument_types();
  for (size_t i = 0; i < std::min(args.size(), wanted.size()); ++i) {
    if (wanted[i]) s.casts[i] = column::canonical_type(wanted[i]);
  }
  auto state = std::make_shared<UserState>();
  state->function = function;
  s.state = std::move(state);
  s.fallible = true;
  s.introduces_nulls = true;
  return s;
}

}  // namespace gristmill::expr
