// Classifying values, and the sample.

#include "io/csv_infer.h"

#include <algorithm>

#include <arrow/type.h>

#include "column/buffers.h"
#include "expr/parse_text.h"
#include "io/csv_fields.h"
#include "io/text_values.h"

namespace gristmill::io {
namespace {

bool digits_only(std::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

bool same_word(std::string_view s, std::string_view word) {
  return s.size() == word.size() && std::equal(s.begin(), s.end(), word.begin(), [](char a, char b) { return (a | 0x20) == b; });
}

bool looks_like_clock(std::string_view s) {
  int64_t seconds;
  if (s.size() < 8 || s.size() > 18) return false;
  char padded[32] = {};
  s.copy(padded, s.size());
  if (!fast_clock(padded, seconds)) return false;
  if (s.size() == 8) return true;
  return s[8] == '.' && s.size() > 9 && s.size() <= 15 && s.find_first_not_of("0123456789", 9) == std::string_view::npos;
}

}  // namespace

uint8_t TypeGuess::kinds_of(std::string_view s, const CsvValues& values, bool dates, bool& nanos) {
  const auto in = [&](const std::vector<std::string>& words) { return std::find(words.begin(), words.end(), s) != words.end(); };
  uint8_t kinds = same_word(s, "true") || same_word(s, "false") || in(values.trues) || in(values.falses) ? kBool : 0;
  if (s.empty()) return kinds;
  const char c = s[0];
  if (c >= '0' && c <= '9' && dates && s.size() >= 8) {
    int64_t value;
    if (s.size() == 10 && expr::parse_date(s, value)) return kinds | kDate | kLocal;
    if (looks_like_clock(s)) return kinds | kTime;
    if (s.size() >= 16 && s[4] == '-' && s[7] == '-') {
      const bool fine = expr::parse_timestamp(s, 1000000, value);
      if (!fine && expr::parse_timestamp(s, 1000000000, value)) nanos = true;
      if (fine || nanos) {
        const bool zoned = s.back() == 'Z' || s.back() == 'z' || s.find_first_of("+-", 11) != std::string_view::npos;
        return kinds | (zoned ? kZoned : kLocal);
      }
    }
  }
  int64_t integer;
  if (digits_only(s)) return expr::parse_integer(s, integer) ? kinds | kInteger | kFloat : kinds;  // more digits than numbers keep: text
  std::string with_point;
  if (values.decimal_comma) {
    with_point = s;
    for (char& x : with_point) x = x == ',' ? '.' : x == '.' ? '!' : x;
    s = with_point;
  }
  double number;
  return expr::parse_float(s, number) ? kinds | kFloat : kinds;
}

void TypeGuess::add(std::string_view text, const CsvValues& values, bool dates) {
  seen_ = true;
  if (kinds_ != 0) kinds_ &= kinds_of(text, values, dates, nanos_);
}

column::TypePtr TypeGuess::type() const {
  if (!seen_) return arrow::utf8_view();
  if (kinds_ & kBool) return arrow::boolean();
  if (kinds_ & kInteger) return arrow::int64();
  if (kinds_ & kFloat) return arrow::float64();
  if (kinds_ & kDate) return arrow::date32();
  if (kinds_ & kTime) return arrow::time64(arrow::TimeUnit::MICRO);
  const auto unit = nanos_ ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO;
  if (kinds_ & kLocal) return arrow::timestamp(unit);
  if (kinds_ & kZoned) return arrow::timestamp(unit, "UTC");
  return arrow::utf8_view();
}

arrow::Result<std::vector<TypeGuess>> guess_types(const CsvPlan& plan, const CsvFile& file, const BlockRules& rules) {
  std::vector<TypeGuess> guesses(static_cast<size_t>(file.fields));
  auto* pool = arrow::default_memory_pool();
  BlockRules looking = rules;
  looking.only_look = true;
  BlockCutter cutter({file.file}, looking, pool);
  FieldTable fields(pool);
  std::string room;
  int64_t left = plan.options.infer_rows.value_or(INT64_MAX);
  while (left > 0) {
    const auto block = cutter.next();
    if (!block.has_value()) break;
    if (!block->error.ok()) break;  // the scan will say so, in its place
    ARROW_RETURN_NOT_OK(fields.find(*block, rules.dialect, file.fields));
    const int64_t rows = std::min(fields.rows(), left);
    left -= rows;
    for (int c = 0; c < file.fields; ++c) {
      if (guesses[c].is_text() && guesses[c].seen()) continue;
      const ColumnFields column = fields.column(c);
      for (int64_t r = 0; r < rows; ++r) {
        const RawField raw = column.at(r);
        if (raw.size <= 0) continue;
        const std::string_view text = expr::trimmed(field_value(raw.view(), rules.dialect, room).text);
        if (!text.empty() && !plan.values.is_null(text)) guesses[c].add(text, plan.values, plan.options.try_parse_dates);
      }
    }
  }
  return guesses;
}

}  // namespace gristmill::io
