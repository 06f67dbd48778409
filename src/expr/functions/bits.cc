// Whole numbers as bits and factors: and, or, xor, shifts, gcd, lcm, factorial; hashes; clip.
//
// Bit functions keep the integer type their arguments meet in.

#include <cmath>
#include <numeric>

#include "expr/functions/families.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

enum class Bit { kAnd, kOr, kXor, kNot, kLeft, kRight };
constexpr const char* kNames[] = {"bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right"};

template <Bit kBit>
arrow::Result<Signature> bind_bits(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kNames[static_cast<int>(kBit)];
  constexpr size_t kCount = kBit == Bit::kNot ? 1 : 2;
  if (args.size() != kCount) return wrong_count(name, kCount, args.size());
  for (const ArgumentInfo& a : args) {
    if (!column::is_integer(*a.type) && a.type->id() != Type::NA) return bad_arguments(name, "integers", args);
  }
  const bool shift = kBit == Bit::kLeft || kBit == Bit::kRight;
  Signature s;
  if (shift || kCount == 1) {
    s.type = args[0].type;
  } else {
    ARROW_ASSIGN_OR_RAISE(s.type, common_type_of(args, false, name));
  }
  if (s.type->id() == Type::NA) s.type = arrow::int64();
  if (!column::is_integer(*s.type)) return bad_arguments(name, "integers that fit one type", args);
  s.casts.assign(kCount, s.type);
  if (shift) s.casts[1] = arrow::int64();
  s.fallible = shift;
  return s;
}

template <Bit kBit, typename T>
arrow::Result<Column> shift_rows(const KernelCall& call) {
  const Argument<T> a(call.args[0]);
  const Argument<int64_t> by(call.args[1]);
  return number_rows<T>(call, [&](int64_t i, T& out) -> arrow::Status {
    constexpr int64_t kBits = 8 * sizeof(T);
    if (by[i] < 0 || by[i] >= kBits)
      return base::data_error("a shift by " + std::to_string(by[i]) + " is outside 0 to " + std::to_string(kBits - 1), std::to_string(by[i]), i);
    if constexpr (kBit == Bit::kLeft)
      out = static_cast<T>(static_cast<uint64_t>(a[i]) << by[i]);
    else
      out = static_cast<T>(a[i] >> by[i]);
    return arrow::Status::OK();
  });
}

template <Bit kBit>
arrow::Result<Column> run_bits(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*call.type), [&]<typename T>() -> arrow::Result<Column> {
    if constexpr (std::is_floating_point_v<T> || sizeof(T) > 8) {
      return base::internal_error("bits of a number that is no integer");
    } else if constexpr (kBit == Bit::kLeft || kBit == Bit::kRight) {
      return shift_rows<kBit, T>(call);
    } else if constexpr (kBit == Bit::kNot) {
      return map_one<T, T>(call, [](T a) GRISTMILL_INLINE { return static_cast<T>(~a); });
    } else {
      return map_two<T, T, T>(call, [](T a, T b) GRISTMILL_INLINE {
        return static_cast<T>(kBit == Bit::kAnd ? a & b : kBit == Bit::kOr ? a | b : a ^ b);
      });
    }
  });
}

// Factors -------------------------------------------------------------------------------------------------------

uint64_t magnitude(int64_t v) { return v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); }

template <bool kLeastMultiple>
arrow::Result<Column> run_factors(const KernelCall& call) {
  const Argument<int64_t> a(call.args[0]), b(call.args[1]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
    const uint64_t x = magnitude(a[i]), y = magnitude(b[i]), divisor = std::gcd(x, y);
    unsigned __int128 r = divisor;
    if (kLeastMultiple) r = divisor == 0 ? 0 : static_cast<unsigned __int128>(x / divisor) * y;
    if (r > static_cast<unsigned __int128>(INT64_MAX)) {
      const std::string v = (kLeastMultiple ? "lcm(" : "gcd(") + row_text(call, 0, i) + ", " + row_text(call, 1, i) + ")";
      return base::data_error("integer overflow: " + v, v, i);
    }
    out = static_cast<int64_t>(r);
    return arrow::Status::OK();
  });
}

arrow::Result<Column> run_factorial(const KernelCall& call) {
  const Argument<int64_t> a(call.args[0]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
    if (a[i] < 0 || a[i] > 20) {
      const char* why = a[i] < 0 ? "there is no factorial of " : "integer overflow: the factorial of ";
      return base::data_error(why + std::to_string(a[i]), std::to_string(a[i]), i);
    }
    out = 1;
    for (int64_t k = 2; k <= a[i]; ++k) out *= k;
    return arrow::Status::OK();
  });
}

// Hash and clip -------------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_hash(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("hash", 1, 0);
  Signature s;
  s.type = arrow::uint64();
  return s;
}

arrow::Result<Column> run_hash(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<uint64_t>(call));
  column::hash_rows(call.args, call.rows, call.selection ? *call.selection : column::Selection(), out.values);
  return finish_output(call, std::move(out.buffer));
}

arrow::Result<Signature> bind_clip(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 3) return wrong_count("clip", 3, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, common_type_of(args, false, "clip"));
  s.casts.assign(3, s.type);
  s.introduces_nulls = true;
  return s;
}

template <typename T>
void forget_nans(const Column& c, int64_t rows, column::Mask& mask) {
  const Argument<T> v(c);
  for (int64_t i = 0; i < rows; ++i) {
    if (v[i] != v[i]) mask.words[static_cast<size_t>(i >> 6)] &= ~(uint64_t{1} << (i & 63));
  }
}

// A bound that is NULL does not bind; NaN stays.
arrow::Result<Column> run_clip(const KernelCall& call) {
  if (call.type->id() == Type::NA) return column::null_column(call.type, call.pool);
  const Column &x = call.args[0], &low = call.args[1], &high = call.args[2];
  ARROW_ASSIGN_OR_RAISE(column::Mask below, column::compare(column::CompareOp::kLt, x, low, call.rows));
  ARROW_ASSIGN_OR_RAISE(column::Mask above, column::compare(column::CompareOp::kGt, x, high, call.rows));
  if (call.type->id() == Type::DOUBLE) forget_nans<double>(x, call.rows, above);
  if (call.type->id() == Type::FLOAT) forget_nans<float>(x, call.rows, above);
  std::vector<int64_t> pick(static_cast<size_t>(call.rows));
  for (int64_t r = 0; r < call.rows; ++r)
    pick[static_cast<size_t>(r)] = r + (above.get(r) ? 2 * call.rows : below.get(r) ? call.rows : 0);
  const int64_t lengths[] = {call.rows, call.rows, call.rows};
  ARROW_ASSIGN_OR_RAISE(Column all, column::concat(call.args, lengths, call.pool));
  return column::take(all, std::span<const int64_t>(pick), call.pool);
}

template <Bit kBit>
Function bits(const char* summary, const char* example) {
  return {kNames[static_cast<int>(kBit)], "bits", summary, example, NullRule::kPropagate, true, bind_bits<kBit>, run_bits<kBit>};
}

}  // namespace

std::vector<Function> bit_functions() {
  const auto pass = NullRule::kPropagate;
  return {
      bits<Bit::kAnd>("the bits that both integers have", "lit(12).bit_and(10) -> 8"),
      bits<Bit::kOr>("the bits that one of the integers has", "lit(12).bit_or(10) -> 14"),
      bits<Bit::kXor>("the bits that only one of the integers has", "lit(12).bit_xor(10) -> 6"),
      bits<Bit::kNot>("every bit turned over", "lit(5).bit_not() -> -6"),
      bits<Bit::kLeft>("bits moved up, those beyond the type are lost; a shift by less than 0 or the type's width is an error",
                       "lit(1).shift_left(4) -> 16"),
      bits<Bit::kRight>("bits moved down, the sign stays; a shift by less than 0 or the type's width is an error",
                        "lit(-16).shift_right(2) -> -4"),
      {"gcd", "math", "the greatest common divisor; beyond int64 is an error", "lit(12).gcd(18) -> 6", pass, true, bind_as<"gcd", "ii>i!">,
       run_factors<false>},
      {"lcm", "math", "the least common multiple; beyond int64 is an error", "lit(4).lcm(6) -> 12", pass, true, bind_as<"lcm", "ii>i!">,
       run_factors<true>},
      {"factorial", "math", "the product of 1 to n; below 0 and beyond 20 are errors", "lit(5).factorial() -> 120", pass, true,
       bind_as<"factorial", "i>i!">, run_factorial},
      {"clip", "math", "x, but at least the first and at most the second bound; a NULL bound does not bind, NaN stays",
       "lit(7).clip(0, 5) -> 5", NullRule::kOwn, true, bind_clip, run_clip},
      {"hash", "bits", "a 64-bit hash of the values, the same in every run; equal keys hash alike, NULL has one too",
       "lit(1).hash() == lit(1).hash() -> true", NullRule::kOwn, true, bind_hash, run_hash},
  };
}

}  // namespace gristmill::expr
