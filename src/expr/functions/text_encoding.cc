// Bytes as text and back: hex and base64.

#include <algorithm>
#include <array>

#include <arrow/scalar.h>

#include "expr/functions/families.h"
#include "expr/row_kernel.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using column::Column;

constexpr char kHex[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct EncodingState final : FunctionState {
  bool hex = true;
};

template <bool kDecode>
arrow::Result<Signature> bind_encoding(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kDecode ? "decode" : "encode";
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern(name, kDecode ? "tt>b!" : "bt>t", args));
  const auto format = args[1].constant ? text_value(*args[1].constant) : std::nullopt;
  if (!format || (*format != "hex" && *format != "base64"))
    return base::plan_error(std::string(name) + " takes 'hex' or 'base64', got " + (format ? "'" + *format + "'" : "no constant"));
  auto state = std::make_shared<EncodingState>();
  state->hex = *format == "hex";
  s.state = std::move(state);
  return s;
}

void to_hex(std::string_view bytes, std::string& out) {
  for (char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    out += kHex[b >> 4];
    out += kHex[b & 15];
  }
}

void to_base64(std::string_view bytes, std::string& out) {
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t here = std::min<size_t>(3, bytes.size() - i);
    uint32_t w = 0;
    for (size_t k = 0; k < 3; ++k) w = (w << 8) | (k < here ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= here ? kBase64[(w >> (18 - 6 * k)) & 63] : '=';
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool of_hex(std::string_view s, std::string& out) {
  if (s.size() % 2) return false;
  for (size_t i = 0; i < s.size(); i += 2) {
    const int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);
    if (high < 0 || low < 0) return false;
    out += static_cast<char>(high << 4 | low);
  }
  return true;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// With its padding; bits beyond the last byte must be zero.
bool of_base64(std::string_view s, std::string& out) {
  if (s.size() % 4) return false;
  for (size_t i = 0; i < s.size(); i += 4) {
    const bool last = i + 4 == s.size();
    const size_t digits = last && s[i + 2] == '=' && s[i + 3] == '=' ? 2 : last && s[i + 3] == '=' ? 3 : 4;
    uint32_t w = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int d = k < digits ? base64_digit(s[i + k]) : 0;
      if (d < 0) return false;
      w = (w << 6) | static_cast<uint32_t>(d);
    }
    if (digits < 4 && (w & ((1u << (digits == 2 ? 16 : 8)) - 1)) != 0) return false;
    for (size_t k = 0; k + 1 < digits; ++k) out += static_cast<char>(w >> (16 - 8 * k));
  }
  return true;
}

const EncodingState& encoding_of(const KernelCall& call) { return static_cast<const EncodingState&>(*call.state); }

arrow::Result<Column> run_encode(const KernelCall& call) {
  const TextArgument bytes(call.args[0]);
  const bool hex = encoding_of(call).hex;
  return text_rows(call, [&](int64_t i, std::string& out) { hex ? to_hex(bytes[i], out) : to_base64(bytes[i], out); });
}

arrow::Result<Column> run_decode(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  const bool hex = encoding_of(call).hex;
  return text_rows(call, [&](int64_t i, std::string& out) -> arrow::Status {
    if (hex ? of_hex(text[i], out) : of_base64(text[i], out)) return arrow::Status::OK();
    const std::string value(text[i]);
    return base::data_error(std::string("not ") + (hex ? "hex" : "base64") + ": \"" + value + "\"", value, i);
  });
}

}  // namespace

std::vector<Function> text_encoding_functions() {
  return {
      {"str.encode", "text", "text or bytes written as 'hex' (lower case) or 'base64' (one line)", "lit('hi').str.encode('hex') -> '6869'",
       NullRule::kPropagate, true, bind_encoding<false>, run_encode},
      {"str.decode", "text", "the bytes that 'hex' or 'base64' text stands for; other text is an error",
       "lit('aGk=').str.decode('base64') -> b'hi'", NullRule::kPropagate, true, bind_encoding<true>, run_decode},
  };
}

}  // namespace gristmill::expr
