// What kernels share: typed arguments, output buffers, loops over one or two arguments, and the row to blame.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <type_traits>

#include <arrow/result.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/column.h"
#include "column/kernels.h"
#include "expr/level.h"
#include "expr/registry.h"

namespace gristmill::expr {

// 16-byte integers lie in memory without alignment.
struct Packed128 {
  uint64_t low, high;
  operator __int128() const { return static_cast<__int128>((static_cast<unsigned __int128>(high) << 64) | low); }
  Packed128() = default;
  Packed128(__int128 v) : low(static_cast<uint64_t>(v)), high(static_cast<uint64_t>(v >> 64)) {}
};
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, __int128>, Packed128, T>;

// Row i of a flat or constant argument.
template <typename T>
struct Argument {
  const Stored<T>* values;
  bool constant;
  explicit Argument(const column::Column& c)
      : values(reinterpret_cast<const Stored<T>*>(c.values->buffers[1]->data()) + c.values->offset), constant(c.is_constant()) {}
  T operator[](int64_t i) const { return values[constant ? 0 : i]; }
};

struct TextArgument {
  const arrow::ArrayData& data;
  bool constant;
  explicit TextArgument(const column::Column& c) : data(*c.values), constant(c.is_constant()) {}
  std::string_view operator[](int64_t i) const { return column::view_at(data, constant ? 0 : i); }
};

struct BoolArgument {
  const arrow::ArrayData& data;
  bool constant;
  explicit BoolArgument(const column::Column& c) : data(*c.values), constant(c.is_constant()) {}
  bool operator[](int64_t i) const { return column::bit_at(data.buffers[1]->data(), data.offset + (constant ? 0 : i)); }
};

inline bool all_valid(const KernelCall& call, int64_t row) {
  for (const column::Column& a : call.args) {
    if (column::is_null_at(a, row)) return false;
  }
  return true;
}

// The same question row after row.
class AllValid {
 public:
  explicit AllValid(const KernelCall& call) {
    for (const column::Column& a : call.args) {
      const column::ValidityBits v = column::validity_of(*a.values);
      if (v.bits && !a.is_constant()) bits_.push_back(v);
      never_ |= a.is_constant() && !v.valid(0);
    }
  }
  bool operator()(int64_t i) const {
    for (const column::ValidityBits& v : bits_) {
      if (!v.valid(i)) return false;
    }
    return !never_;
  }

 private:
  std::vector<column::ValidityBits> bits_;
  bool never_ = false;
};

// f(row) for every selected row, ascending.
template <typename F>
void for_selected(const KernelCall& call, F&& f) {
  if (!call.selection || call.selection->all()) {
    for (int64_t i = 0; i < call.rows; ++i) f(i);
  } else {
    for (uint16_t i : call.selection->indices(call.rows)) f(static_cast<int64_t>(i));
  }
}

// The data error of the first selected row without null arguments that is bad, or OK. `describe` gives message and value.
struct Complaint {
  std::string message;
  std::string value;
};
template <typename Bad, typename Describe>
arrow::Status blame(const KernelCall& call, Bad&& bad, Describe&& describe) {
  int64_t first = -1;
  for_selected(call, [&](int64_t i) {
    if (first < 0 && bad(i) && all_valid(call, i)) first = i;
  });
  if (first < 0) return arrow::Status::OK();
  Complaint c = describe(first);
  return base::data_error(std::move(c.message), std::move(c.value), first);
}

template <typename T>
struct Output {
  std::shared_ptr<arrow::Buffer> buffer;
  Stored<T>* values = nullptr;
};
template <typename T>
arrow::Result<Output<T>> make_output(const KernelCall& call) {
  Output<T> out;
  ARROW_ASSIGN_OR_RAISE(out.buffer, column::allocate_buffer(call.rows * static_cast<int64_t>(sizeof(T)), call.pool));
  out.values = reinterpret_cast<Stored<T>*>(out.buffer->mutable_data());
  return out;
}
inline column::Column finish_output(const KernelCall& call, std::shared_ptr<arrow::Buffer> values) {
  return column::Column::flat(column::make_array(call.type, call.rows, nullptr, 0, std::move(values)));
}

// The one NaN: which operand's payload an operation keeps depends on the order the compiler chose.
template <typename T>
GRISTMILL_INLINE inline T one_nan(T v) {
  if constexpr (std::is_floating_point_v<T>) return v != v ? static_cast<T>(__builtin_nan("")) : v;
  return v;
}

// out[i] = op(a[i]). `op` must not fail.
template <typename A, typename Out, typename Op>
arrow::Result<column::Column> map_one(const KernelCall& call, Op op) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<Out>(call));
  const Stored<A>* a = Argument<A>(call.args[0]).values;
  Stored<Out>* o = out.values;
  const int64_t n = call.rows;
  at_best_level([=]() GRISTMILL_INLINE {
    for (int64_t i = 0; i < n; ++i) o[i] = one_nan<Out>(op(static_cast<A>(a[i])));
  });
  return finish_output(call, std::move(out.buffer));
}

// out[i] = op(a[i], b[i]); either may be constant.
template <typename A, typename B, typename Out, typename Op>
arrow::Result<column::Column> map_two(const KernelCall& call, Op op) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<Out>(call));
  const Argument<A> a(call.args[0]);
  const Argument<B> b(call.args[1]);
  Stored<Out>* o = out.values;
  const int64_t n = call.rows;
  const Stored<A>* x = a.values;
  const Stored<B>* y = b.values;
  if (a.constant) {
    const A c = a[0];
    at_best_level([=]() GRISTMILL_INLINE {
      for (int64_t i = 0; i < n; ++i) o[i] = one_nan<Out>(op(c, static_cast<B>(y[i])));
    });
  } else if (b.constant) {
    const B c = b[0];
    at_best_level([=]() GRISTMILL_INLINE {
      for (int64_t i = 0; i < n; ++i) o[i] = one_nan<Out>(op(static_cast<A>(x[i]), c));
    });
  } else {
    at_best_level([=]() GRISTMILL_INLINE {
      for (int64_t i = 0; i < n; ++i) o[i] = one_nan<Out>(op(static_cast<A>(x[i]), static_cast<B>(y[i])));
    });
  }
  return finish_output(call, std::move(out.buffer));
}

// A bool column from rows of f(i): only selected rows are asked when the selection is sparse.
template <typename F>
arrow::Result<column::Column> bool_rows(const KernelCall& call, F&& f) {
  ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(call.rows, call.pool));
  uint64_t* words = reinterpret_cast<uint64_t*>(bits->mutable_data());
  if (call.selection && !call.selection->all()) {
    for (uint16_t i : call.selection->indices(call.rows))
      words[i >> 6] |= static_cast<uint64_t>(static_cast<bool>(f(static_cast<int64_t>(i)))) << (i & 63);
  } else {
    for (int64_t at = 0; at < call.rows; at += 64) {
      const int64_t here = call.rows - at < 64 ? call.rows - at : 64;
      uint64_t w = 0;
      for (int64_t j = 0; j < here; ++j) w |= static_cast<uint64_t>(static_cast<bool>(f(at + j))) << j;
      words[at >> 6] = w;
    }
  }
  return finish_output(call, std::move(bits));
}

inline std::string row_text(const KernelCall& call, size_t arg, int64_t row) { return column::value_text(call.args[arg], row); }

}  // namespace gristmill::expr
