// Lists made of numbers, and lists made longer or shorter.

#include "column/bits.h"
#include "expr/functions/list_range.h"
#include "expr/list_argument.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

constexpr int64_t kMostEntries = INT32_MAX;

arrow::Result<Signature> bind_range(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 3) return wrong_count("list.range", 3, args.size());
  Signature s;
  for (const ArgumentInfo& a : args) {
    if (!column::is_integer(*a.type) && a.type->id() != Type::NA) return bad_arguments("list.range", "integers", args);
    s.casts.push_back(arrow::int64());
  }
  s.type = arrow::list(arrow::int64());
  s.fallible = true;
  return s;
}

// How many numbers lie between both ends (the last one counts).
int64_t count_of(int64_t start, int64_t stop, int64_t step) {
  if (step > 0 ? start > stop : start < stop) return 0;
  const __int128 distance = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  const __int128 stride = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  const __int128 count = distance / stride + 1;
  return count > kMostEntries ? kMostEntries + 1 : static_cast<int64_t>(count);
}

arrow::Result<Column> run_range(const KernelCall& call) {
  const Argument<int64_t> start(call.args[0]), stop(call.args[1]), step(call.args[2]);
  ARROW_ASSIGN_OR_RAISE(ListEnds ends, ListEnds::make(call.rows, call.pool));
  std::vector<int64_t> numbers;
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) -> arrow::Status {
                        if (step[i] == 0) return base::data_error("the step of a range must not be zero", "0", i);
                        const int64_t n = count_of(start[i], stop[i], step[i]);
                        if (n > kMostEntries) return base::data_error("a range of more than 2147483647 numbers", {}, i);
                        const auto first = static_cast<uint64_t>(start[i]), by = static_cast<uint64_t>(step[i]);
                        for (int64_t k = 0; k < n; ++k) numbers.push_back(static_cast<int64_t>(first + static_cast<uint64_t>(k) * by));
                        return ends.close(i, static_cast<int64_t>(numbers.size()));
                      }).status());
  const auto count = static_cast<int64_t>(numbers.size());
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer(count * static_cast<int64_t>(sizeof(int64_t)), call.pool));
  std::copy(numbers.begin(), numbers.end(), reinterpret_cast<int64_t*>(values->mutable_data()));
  return ends.finish(call.type, column::make_array(arrow::int64(), count, nullptr, 0, std::move(values)), nullptr);
}

arrow::Result<Signature> bind_resize(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("list.resize", 2, args.size());
  if (!column::is_integer(*args[1].type) && args[1].type->id() != Type::NA)
    return bad_arguments("list.resize", "a list and an integer", args);
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values("list.resize", args));
  s.type = arrow::list(values);
  s.casts = {args[0].type->id() == Type::NA ? s.type : args[0].type, arrow::int64()};
  return s;
}

arrow::Result<Column> run_resize(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Argument<int64_t> length(call.args[1]);
  return list_of_picked(call, list.entries(), [&](int64_t i, std::vector<int64_t>& out) {
    const column::ListRange r = list[i];
    for (int64_t k = 0; k < length[i]; ++k) out.push_back(r.begin + k < r.end ? r.begin + k : -1);
  });
}

}  // namespace

std::vector<Function> list_range_functions() {
  return {
      {"list.range", "list", "the integers from a first to a last one by a step, both ends included; a step of zero is an error",
       "call('list.range', 1, 7, 3) -> [1, 4, 7]", NullRule::kPropagate, true, bind_range, run_range},
      {"list.resize", "list", "the first entries of a list, so many of them; NULL where it has no more",
       "call('list.resize', list_(1, 2), 3) -> [1, 2, null]", NullRule::kPropagate, true, bind_resize, run_resize},
  };
}

}  // namespace gristmill::expr
