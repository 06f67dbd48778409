// Merging what values are.

#include "io/json_infer.h"

#include <arrow/type.h>

#include "expr/parse_text.h"
#include "io/csv_infer.h"

namespace gristmill::io {

bool JsonGuess::add_object(JsonCursor& in, bool dates, int depth) {
  in.take('{');
  if (in.take('}')) return true;
  std::string room;
  size_t place = 0;
  do {
    std::string_view key;
    bool escaped;
    if (!in.take_text(key, escaped) || !in.take(':')) return false;
    if (escaped) {
      if (!JsonCursor::unescape(key, room)) return false;
      key = room;
    }
    // Objects mostly have their fields in one order.
    size_t i = place < fields_.size() && fields_[place].name == key ? place : 0;
    while (i < fields_.size() && fields_[i].name != key) ++i;
    if (i == fields_.size()) fields_.push_back({std::string(key), std::make_unique<JsonGuess>()});
    if (!fields_[i].guess->add(in, dates, depth + 1)) return false;
    ++place;
  } while (in.take(','));
  return in.take('}');
}

bool JsonGuess::add(JsonCursor& in, bool dates, int depth) {
  if (depth > JsonCursor::kMostDepth) return false;
  std::string_view text;
  bool flag;
  switch (in.peek()) {
    case JsonKind::kNull: return in.take_word("null");
    case JsonKind::kBool: kinds_ |= kBool; return in.take_word("true") || in.take_word("false");
    case JsonKind::kNumber: {
      int64_t value;
      if (!in.take_number(text, flag)) return false;
      kinds_ |= flag && expr::parse_integer(text, value) ? kInteger : kFloat;
      return true;
    }
    case JsonKind::kText:
      kinds_ |= kText;
      if (!in.take_text(text, flag)) return false;
      if (dates && moments_ != 0) {
        static const CsvValues kPlain;
        moments_ &=
            TypeGuess::kinds_of(text, kPlain, true, nanos_) & (TypeGuess::kDate | TypeGuess::kTime | TypeGuess::kLocal | TypeGuess::kZoned);
      }
      return true;
    case JsonKind::kList:
      kinds_ |= kList;
      in.take('[');
      if (in.take(']')) return true;
      if (item_ == nullptr) item_ = std::make_unique<JsonGuess>();
      do {
        if (!item_->add(in, dates, depth + 1)) return false;
      } while (in.take(','));
      return in.take(']');
    case JsonKind::kObject: kinds_ |= kObject; return add_object(in, dates, depth);
    case JsonKind::kWrong: return false;
  }
  return false;
}

column::TypePtr JsonGuess::type() const {
  switch (kinds_) {
    case kBool: return arrow::boolean();
    case kInteger: return arrow::int64();
    case kFloat:
    case kInteger | kFloat: return arrow::float64();
    case kList: return arrow::list(item_ == nullptr ? arrow::utf8_view() : item_->type());
    case kObject: {
      if (fields_.empty()) return arrow::utf8_view();  // {} only: there is no struct of nothing
      arrow::FieldVector fields;
      for (const Field& f : fields_) fields.push_back(arrow::field(f.name, f.guess->type()));
      return arrow::struct_(std::move(fields));
    }
    case kText: {
      const auto unit = nanos_ ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO;
      if (moments_ == 0xff) return arrow::utf8_view();
      if (moments_ & TypeGuess::kDate) return arrow::date32();
      if (moments_ & TypeGuess::kTime) return arrow::time64(arrow::TimeUnit::MICRO);
      if (moments_ & TypeGuess::kLocal) return arrow::timestamp(unit);
      if (moments_ & TypeGuess::kZoned) return arrow::timestamp(unit, "UTC");
      return arrow::utf8_view();
    }
    default: return arrow::utf8_view();
  }
}

}  // namespace gristmill::io
