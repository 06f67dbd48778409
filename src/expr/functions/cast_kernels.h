// The kernels of casts, by the kind of source and target; cast.cc chooses.
#pragma once

#include "column/buffers.h"
#include "expr/kernel.h"
#include "expr/registry.h"

namespace gristmill::expr {

using Kernel = arrow::Result<column::Column> (*)(const KernelCall& call);

struct CastState final : FunctionState {
  column::TypePtr from, to;
  bool lenient = false;
  bool round = false;
  Kernel run = nullptr;
};
inline const CastState& cast_state(const KernelCall& call) { return static_cast<const CastState&>(*call.state); }

// `cannot cast "abc" to int64`
arrow::Status cannot_cast(const KernelCall& call, int64_t row);

// convert(row, out&) -> whether the value fits. Strict casts fail at the first selected row that does not; lenient ones
// give NULL. Values that do not fit must still be written.
template <typename Out, typename Convert>
arrow::Result<column::Column> cast_rows(const KernelCall& call, Convert convert) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<Out>(call));
  Stored<Out>* o = out.values;
  const int64_t n = call.rows;
  if (!cast_state(call).lenient) {
    bool fine = true;
    at_best_level([&, n, o]() GRISTMILL_INLINE {
      uint64_t misfits = 0;
      for (int64_t i = 0; i < n; ++i) {
        Out v{};
        misfits |= static_cast<uint64_t>(!convert(i, v));
        o[i] = v;
      }
      fine = misfits == 0;
    });
    if (!fine) {
      int64_t bad = -1;
      for_selected(call, [&](int64_t i) {
        Out v{};
        if (bad < 0 && !convert(i, v) && all_valid(call, i)) bad = i;
      });
      if (bad >= 0) return cannot_cast(call, bad);
    }
    return finish_output(call, std::move(out.buffer));
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, column::allocate_bits(n, call.pool));
  uint8_t* bits = validity->mutable_data();
  int64_t nulls = 0;
  for (int64_t i = 0; i < n; ++i) {
    Out v{};
    const bool fits = convert(i, v);
    o[i] = v;
    nulls += !fits;
    bits[i >> 3] |= static_cast<uint8_t>(fits << (i & 7));
  }
  return column::Column::flat(column::make_array(call.type, n, std::move(validity), nulls, std::move(out.buffer)));
}

// cast_number.cc; nullptr where the pair is not theirs. `fallible` is set.
Kernel number_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible);
// cast_text.cc
Kernel text_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible);
// cast_time.cc
Kernel time_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible);

}  // namespace gristmill::expr
