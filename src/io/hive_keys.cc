// Names of folders to values and back.

#include "io/hive_keys.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

constexpr std::string_view kNull = "__HIVE_DEFAULT_PARTITION__";

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u == 0x7f || std::string_view("\"#%'*/:=?\\{}[]^,&").find(c) != std::string_view::npos) {
      out += '%';
      out += kDigits[u >> 4];
      out += kDigits[u & 15];
    } else {
      out += c;
    }
  }
  // A folder that begins so would be passed over by readers.
  if (out.starts_with('.')) out = "%2E" + out.substr(1);
  return out;
}

bool is_int(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  return arrow::Scalar::Parse(arrow::date32(), text).ok();
}

}  // namespace

HiveKeys hive_keys(const std::string& path) {
  HiveKeys out;
  for (size_t begin = 0; begin < path.size();) {
    const size_t slash = path.find('/', begin);
    if (slash == std::string::npos) break;  // the rest is the file's own name
    const std::string_view part = std::string_view(path).substr(begin, slash - begin);
    const size_t equals = part.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      const std::string_view value = part.substr(equals + 1);
      const bool null = value.empty() || value == kNull;
      out.emplace_back(decoded(part.substr(0, equals)), null ? HiveValue() : HiveValue(decoded(value)));
    }
    begin = slash + 1;
  }
  return out;
}

arrow::Result<std::shared_ptr<arrow::Array>> hive_array(const std::string& path, const std::string& key, const HiveValue& value,
                                                        const std::shared_ptr<arrow::DataType>& type) {
  if (!value) return arrow::MakeArrayOfNull(type, 1);
  const auto parsed = arrow::Scalar::Parse(type, *value);
  if (parsed.ok()) return arrow::MakeArrayFromScalar(**parsed, 1);
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.file = path;
  d.column = key;
  d.value = *value;
  return base::with_detail(base::data_error("cannot read the folder's value as " + type->ToString()), d);
}

std::shared_ptr<arrow::DataType> hive_type(const std::vector<const HiveValue*>& values) {
  bool any = false, ints = true, dates = true;
  for (const HiveValue* v : values) {
    if (!v->has_value()) continue;
    any = true;
    ints = ints && is_int(**v);
    dates = dates && is_date(**v);
  }
  if (any && ints) return arrow::int64();
  if (any && dates) return arrow::date32();
  return arrow::utf8();
}

std::string hive_folder(const std::string& key, const HiveValue& value) {
  std::string name = encoded(key);
  if (name.starts_with('_')) name = "%5F" + name.substr(1);  // likewise
  return name + "=" + (value && !value->empty() ? encoded(*value) : std::string(kNull));
}

}  // namespace gristmill::io
