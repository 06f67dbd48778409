// Kernels that look at one row after the other: binding by a short pattern, and loops that write text, numbers or lists.
//
// The row's function returns nothing, a bool (false: the result is NULL) or an arrow::Status; it is called for selected
// rows without NULL arguments only, in ascending order, so the first row that fails is the one to blame.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "column/array_kernels.h"
#include "expr/kernel.h"
#include "expr/promotion.h"
#include "expr/text_out.h"

namespace gristmill::expr {

template <size_t N>
struct Words {
  char text[N];
  constexpr Words(const char (&s)[N]) {  // NOLINT: a literal is meant
    for (size_t i = 0; i < N; ++i) text[i] = s[i];
  }
};

// Checks arguments against a pattern such as "ti?t>t!": the kinds of the arguments, those behind '?' may be left out, the kind of
// the result behind '>', then '!' if a row may fail and '~' if a result may be NULL without a NULL argument. Kinds: t text,
// b bytes or text as bytes, i int64, f float64, o bool, n int32, d date.
arrow::Result<Signature> bind_pattern(std::string_view name, std::string_view pattern, std::span<const ArgumentInfo> args);

template <Words kName, Words kPattern>
arrow::Result<Signature> bind_as(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return bind_pattern(kName.text, kPattern.text, args);
}

inline column::Column with_validity(std::shared_ptr<arrow::ArrayData> data, std::shared_ptr<arrow::Buffer> validity) {
  data->buffers[0] = std::move(validity);
  data->SetNullCount(data->buffers[0] ? arrow::kUnknownNullCount : 0);
  return column::Column::flat(std::move(data));
}

// Calls f for every row that counts; gives the validity of the results, or null when f cannot give NULL.
template <bool kSkipNulls = true, typename F>
arrow::Result<std::shared_ptr<arrow::Buffer>> each_row(const KernelCall& call, F&& f) {
  using Answer = std::invoke_result_t<F, int64_t>;
  std::shared_ptr<arrow::Buffer> valid;
  uint8_t* bits = nullptr;
  if constexpr (std::is_same_v<Answer, bool>) {
    ARROW_ASSIGN_OR_RAISE(valid, column::allocate_bits(call.rows, call.pool));
    bits = valid->mutable_data();
  }
  arrow::Status status;
  const AllValid all(call);
  for_selected(call, [&](int64_t i) {
    if (kSkipNulls && !all(i)) return;
    if constexpr (std::is_same_v<Answer, bool>) {
      if (f(i)) bits[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
    } else if constexpr (std::is_same_v<Answer, arrow::Status>) {
      if (status.ok()) status = f(i);
    } else {
      f(i);
    }
  });
  ARROW_RETURN_NOT_OK(status);
  return valid;
}

// f(row, text to fill) as above; `made` comes empty.
template <bool kSkipNulls = true, typename F>
arrow::Result<column::Column> text_rows(const KernelCall& call, F&& f) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(call.rows, call.pool));
  std::string made;
  arrow::Status full;
  const auto store = [&](int64_t i) { full &= out.set(i, made); };
  ARROW_ASSIGN_OR_RAISE(auto valid, each_row<kSkipNulls>(call, [&](int64_t i) {
                          using Answer = std::invoke_result_t<F, int64_t, std::string&>;
                          made.clear();
                          if constexpr (std::is_void_v<Answer>) {
                            f(i, made);
                            store(i);
                          } else if constexpr (std::is_same_v<Answer, bool>) {
                            const bool there = f(i, made);
                            if (there) store(i);
                            return there;
                          } else {
                            arrow::Status s = f(i, made);
                            if (s.ok()) store(i);
                            return s.ok() ? full : s;
                          }
                        }));
  ARROW_RETURN_NOT_OK(full);
  return with_validity(out.finish(call.type), std::move(valid));
}

// f(row, number to set) as above.
template <typename T, bool kSkipNulls = true, typename F>
arrow::Result<column::Column> number_rows(const KernelCall& call, F&& f) {
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_zeroed(call.rows * static_cast<int64_t>(sizeof(T)), call.pool));
  auto* out = reinterpret_cast<Stored<T>*>(values->mutable_data());
  ARROW_ASSIGN_OR_RAISE(auto valid, each_row<kSkipNulls>(call, [&](int64_t i) {
                          T v{};
                          if constexpr (std::is_void_v<std::invoke_result_t<F, int64_t, T&>>) {
                            f(i, v);
                            out[i] = one_nan<T>(v);
                          } else {
                            auto answer = f(i, v);
                            out[i] = one_nan<T>(v);
                            return answer;
                          }
                        }));
  return with_validity(column::make_array(call.type, call.rows, nullptr, 0, std::move(values)), std::move(valid));
}

// f(row, bool to set) as above.
template <bool kSkipNulls = true, typename F>
arrow::Result<column::Column> bool_results(const KernelCall& call, F&& f) {
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_bits(call.rows, call.pool));
  uint8_t* bits = values->mutable_data();
  ARROW_ASSIGN_OR_RAISE(auto valid, each_row<kSkipNulls>(call, [&](int64_t i) {
                          bool v = false;
                          if constexpr (std::is_void_v<std::invoke_result_t<F, int64_t, bool&>>) {
                            f(i, v);
                            bits[i >> 3] |= static_cast<uint8_t>(v << (i & 7));
                          } else {
                            auto answer = f(i, v);
                            bits[i >> 3] |= static_cast<uint8_t>(v << (i & 7));
                            return answer;
                          }
                        }));
  return with_validity(column::make_array(call.type, call.rows, nullptr, 0, std::move(values)), std::move(valid));
}

// A list column of `rows` rows from the end of each row's entries among `entries`; rows must come in order.
class ListEnds {
 public:
  static arrow::Result<ListEnds> make(int64_t rows, arrow::MemoryPool* pool);
  // Rows up to and with `row` end at `end` entries.
  arrow::Status close(int64_t row, int64_t end);
  column::Column finish(const column::TypePtr& type, std::shared_ptr<arrow::ArrayData> entries, std::shared_ptr<arrow::Buffer> validity);

 private:
  std::shared_ptr<arrow::Buffer> buffer_;
  int32_t* ends_ = nullptr;
  int64_t rows_ = 0, next_ = 0, last_ = 0;
};

// f(row, entries to append texts to) as above; the texts are copied before the next call.
class TextList {
 public:
  void add(std::string_view s) {
    bytes_.append(s);
    ends_.push_back(bytes_.size());
  }
  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  arrow::Result<std::shared_ptr<arrow::ArrayData>> finish(const column::TypePtr& type, arrow::MemoryPool* pool) const;

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

template <typename F>
arrow::Result<column::Column> text_list_rows(const KernelCall& call, F&& f) {
  ARROW_ASSIGN_OR_RAISE(ListEnds ends, ListEnds::make(call.rows, call.pool));
  TextList entries;
  arrow::Status full;
  ARROW_ASSIGN_OR_RAISE(auto valid, each_row(call, [&](int64_t i) {
                          const auto close = [&] { full &= ends.close(i, entries.size()); };
                          if constexpr (std::is_void_v<std::invoke_result_t<F, int64_t, TextList&>>) {
                            f(i, entries);
                            close();
                          } else {
                            auto answer = f(i, entries);
                            close();
                            return answer;
                          }
                        }));
  ARROW_RETURN_NOT_OK(full);
  ARROW_ASSIGN_OR_RAISE(auto child, entries.finish(call.type->field(0)->type(), call.pool));
  return ends.finish(call.type, std::move(child), std::move(valid));
}

}  // namespace gristmill::expr
