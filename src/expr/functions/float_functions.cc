// Roots, logarithms, angles and their kin of float64, one value at a time through the C library.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "expr/decimal_digits.h"
#include "expr/functions/families.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using column::Column;

// Only rows that count are computed: the C library is slow.
template <double (*kFunction)(double)>
arrow::Result<Column> run_one(const KernelCall& call) {
  const Argument<double> a(call.args[0]);
  return number_rows<double>(call, [&](int64_t i, double& out) { out = kFunction(a[i]); });
}

template <double (*kFunction)(double, double)>
arrow::Result<Column> run_two(const KernelCall& call) {
  const Argument<double> a(call.args[0]), b(call.args[1]);
  return number_rows<double>(call, [&](int64_t i, double& out) { out = kFunction(a[i], b[i]); });
}

double log_to(double x, double base) {
  if (base == 2) return std::log2(x);
  if (base == 10) return std::log10(x);
  return std::log(x) / std::log(base);
}
// The C library's root may be off by one in the last place; one step of Newton's gives 3 for 27.
double cube_root(double x) {
  const double r = std::cbrt(x), square = r * r;
  return std::isfinite(x) && square > 1e-200 && square < 1e200 ? r - (square * r - x) / (3 * square) : r;
}
double degrees(double x) { return x * (180.0 / std::numbers::pi); }
double radians(double x) { return x * (std::numbers::pi / 180.0); }
double cotangent(double x) { return 1.0 / std::tan(x); }

// As people and %.15g count digits; what is too great or too small for whole numbers goes by way of the decimal text.
arrow::Result<Column> run_significant(const KernelCall& call) {
  const Argument<double> a(call.args[0]);
  const Argument<int64_t> digits(call.args[1]);
  return number_rows<double>(call, [&](int64_t i, double& out) {
    out = a[i];
    if (!std::isfinite(out) || out == 0) return;
    const auto n = static_cast<int>(std::clamp<int64_t>(digits[i], 1, 17));
    DecimalDigits exact;
    if (n <= decimal_digits::kMostDigits && round_to_digits(std::abs(out), n, exact)) {
      out = std::copysign(exact.value(), out);
      return;
    }
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, out, std::chars_format::scientific, n - 1).ptr;
    double rounded = out;
    const std::errc fits = std::from_chars(text, end, rounded).ec;
    if (fits == std::errc{}) out = rounded;
    if (fits == std::errc::result_out_of_range && std::abs(out) > 1) out = std::copysign(HUGE_VAL, out);  // up, beyond the greatest float
  });
}

arrow::Result<Column> run_pi(const KernelCall& call) {
  return number_rows<double>(call, [](int64_t, double& out) { out = std::numbers::pi; });
}

arrow::Result<Signature> bind_infinite(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return bind_pattern("is_infinite", "f>o", args);
}

arrow::Result<Column> run_infinite(const KernelCall& call) {
  const Argument<double> a(call.args[0]);
  return bool_results(call, [&](int64_t i, bool& out) { out = std::isinf(a[i]); });
}

template <Words kName, double (*kFunction)(double)>
Function one(const char* summary, const char* example) {
  return {kName.text, "math", summary, example, NullRule::kPropagate, true, bind_as<kName, "f>f">, run_one<kFunction>};
}

template <Words kName, double (*kFunction)(double, double)>
Function two(const char* summary, const char* example) {
  return {kName.text, "math", summary, example, NullRule::kPropagate, true, bind_as<kName, "ff>f">, run_two<kFunction>};
}

}  // namespace

std::vector<Function> float_functions() {
  return {
      one<"cbrt", cube_root>("the cube root", "lit(27).cbrt() -> 3.0"),
      one<"log2", std::log2>("the logarithm to base 2; -inf at zero, NaN below", "lit(8).log2() -> 3.0"),
      one<"log1p", std::log1p>("the natural logarithm of 1 + x, exact for small x", "lit(0).log1p() -> 0.0"),
      one<"expm1", std::expm1>("e to the power of x, less 1, exact for small x", "lit(0).expm1() -> 0.0"),
      two<"log", log_to>("the logarithm of x to a base", "lit(81).log(3) -> 4.0"),
      one<"asin", std::asin>("the arc sine in radians; NaN beyond -1 and 1", "lit(0).asin() -> 0.0"),
      one<"acos", std::acos>("the arc cosine in radians; NaN beyond -1 and 1", "lit(1).acos() -> 0.0"),
      one<"atan", std::atan>("the arc tangent in radians", "lit(0).atan() -> 0.0"),
      two<"atan2", std::atan2>("the angle of the point (x, y) in radians; y comes first", "atan2(0, 1) -> 0.0"),
      one<"cot", cotangent>("the cotangent of radians", "lit(float('inf')).cot() -> nan"),
      one<"sinh", std::sinh>("the hyperbolic sine", "lit(0).sinh() -> 0.0"),
      one<"cosh", std::cosh>("the hyperbolic cosine", "lit(0).cosh() -> 1.0"),
      one<"tanh", std::tanh>("the hyperbolic tangent", "lit(0).tanh() -> 0.0"),
      one<"asinh", std::asinh>("the inverse hyperbolic sine", "lit(0).asinh() -> 0.0"),
      one<"acosh", std::acosh>("the inverse hyperbolic cosine; NaN below 1", "lit(1).acosh() -> 0.0"),
      one<"atanh", std::atanh>("the inverse hyperbolic tangent; NaN beyond -1 and 1", "lit(0).atanh() -> 0.0"),
      one<"degrees", degrees>("radians as degrees", "lit(0).degrees() -> 0.0"),
      one<"radians", radians>("degrees as radians", "lit(0).radians() -> 0.0"),
      {"round_significant", "math", "a float rounded to so many significant decimal digits, 1 to 17",
       "call('round_significant', 2.0, 1) -> 2.0", NullRule::kPropagate, true, bind_as<"round_significant", "fi>f">, run_significant},
      {"pi", "math", "the number pi", "pi() -> 3.141592653589793", NullRule::kPropagate, true, bind_as<"pi", ">f">, run_pi},
      {"is_infinite", "math", "whether a number is infinite", "lit(float('-inf')).is_infinite() -> true", NullRule::kPropagate, true,
       bind_infinite, run_infinite},
  };
}

}  // namespace gristmill::expr
