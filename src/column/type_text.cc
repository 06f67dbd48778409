// The schema strings of YAML, tests and Python: types to text and back, parse_type(type_text(t)) == canonical t.
//
// "string" and "binary" parse to the view types, so a parsed type is canonical.

#include <arrow/status.h>
#include <arrow/type.h>

#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "column/types.h"

namespace gristmill::column {
namespace {

const char* unit_text(arrow::TimeUnit::type u) {
  switch (u) {
    case arrow::TimeUnit::SECOND: return "s";
    case arrow::TimeUnit::MILLI: return "ms";
    case arrow::TimeUnit::MICRO: return "us";
    case arrow::TimeUnit::NANO: return "ns";
  }
  return "us";
}

bool plain_name(const std::string& s) {
  if (s.empty()) return false;
  for (unsigned char c : s) {
    if (std::isspace(c) || std::string_view(",:<>()!\"").find(static_cast<char>(c)) != std::string_view::npos) return false;
  }
  return true;
}

std::string name_text(const std::string& s) {
  if (plain_name(s)) return s;
  std::string out = "\"";
  for (char c : s) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

struct PlainType {
  const char* name;
  TypePtr (*make)();
};

const PlainType kPlainTypes[] = {
    {"null", [] { return arrow::null(); }},        {"bool", [] { return arrow::boolean(); }},
    {"int8", [] { return arrow::int8(); }},        {"int16", [] { return arrow::int16(); }},
    {"int32", [] { return arrow::int32(); }},      {"int64", [] { return arrow::int64(); }},
    {"uint8", [] { return arrow::uint8(); }},      {"uint16", [] { return arrow::uint16(); }},
    {"uint32", [] { return arrow::uint32(); }},    {"uint64", [] { return arrow::uint64(); }},
    {"float32", [] { return arrow::float32(); }},  {"float64", [] { return arrow::float64(); }},
    {"string", [] { return arrow::utf8_view(); }}, {"binary", [] { return arrow::binary_view(); }},
    {"date", [] { return arrow::date32(); }},      {"date64", [] { return arrow::date64(); }},
};

// What other libraries call them; not read, only explained.
std::string other_name(const std::string& word) {
  static constexpr std::pair<std::string_view, const char*> kOthers[] = {{"double", "float64"},
                                                                         {"float", "float64 or float32"},
                                                                         {"real", "float32"},
                                                                         {"int", "int64"},
                                                                         {"integer", "int64"},
                                                                         {"long", "int64"},
                                                                         {"bigint", "int64"},
                                                                         {"smallint", "int16"},
                                                                         {"str", "string"},
                                                                         {"text", "string"},
                                                                         {"utf8", "string"},
                                                                         {"varchar", "string"},
                                                                         {"boolean", "bool"},
                                                                         {"datetime", "timestamp"},
                                                                         {"timestamptz", "timestamp(us,UTC)"},
                                                                         {"bytes", "binary"},
                                                                         {"date32", "date"},
                                                                         {"numeric", "decimal(p,s)"}};
  std::string low = word.substr(0, word.find('['));
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [name, ours] : kOthers) {
    if (low == name) return std::string("; it is called ") + ours;
  }
  if (low == "timestamp" || low == "time" || low == "duration") return "; its unit stands in round brackets: " + low + "(us)";
  for (const PlainType& p : kPlainTypes) {
    if (low == p.name) return std::string("; it is called ") + p.name;
  }
  return {};
}

// Recursive descent over the text; position() tells where it stopped.
class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool done() {
    skip_blanks();
    return at_ == text_.size();
  }
  bool accept(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  arrow::Status expect(char c) { return accept(c) ? arrow::Status::OK() : fail(std::string("expected '") + c + "'"); }
  arrow::Status fail(const std::string& what) const {
    return base::plan_error("cannot read the type \"" + std::string(text_) + "\": at character " + std::to_string(at_ + 1) + ", " + what,
                            "types are written like int64, decimal(12,2), timestamp(us,UTC), list<string>, struct<a:int64>");
  }

  arrow::Result<std::string> name() {
    skip_blanks();
    std::string out;
    if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] == '"') {
          if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') break;
          ++at_;
        }
        out += text_[at_];
      }
      if (at_ == text_.size()) return fail("a name without its closing quote");
      ++at_;
      return out;
    }
    while (at_ < text_.size() && !std::isspace(static_cast<unsigned char>(text_[at_])) &&
           std::string_view(",:<>()!").find(text_[at_]) == std::string_view::npos) {
      out += text_[at_++];
    }
    if (out.empty()) return fail("expected a name");
    return out;
  }

  arrow::Result<int> number() {
    skip_blanks();
    const size_t start = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    const std::string digits(text_.substr(start, at_ - start));
    if (digits.empty() || digits == "-" || digits.size() > 5) return fail("expected a number");
    return std::stoi(digits);
  }

  arrow::Result<TypePtr> type() {
    ARROW_ASSIGN_OR_RAISE(std::string word, name());
    for (const PlainType& p : kPlainTypes) {
      if (word == p.name) return p.make();
    }
    if (word == "decimal") return decimal();
    if (word == "timestamp") return timestamp();
    if (word == "time") {
      ARROW_ASSIGN_OR_RAISE(auto unit, unit_argument());
      const bool fine = unit == arrow::TimeUnit::MICRO || unit == arrow::TimeUnit::NANO;
      return fine ? arrow::time64(unit) : arrow::time32(unit);
    }
    if (word == "duration") {
      ARROW_ASSIGN_OR_RAISE(auto unit, unit_argument());
      return arrow::duration(unit);
    }
    if (word == "list" || word == "large_list") {
      ARROW_RETURN_NOT_OK(expect('<'));
      ARROW_ASSIGN_OR_RAISE(TypePtr item, type());
      ARROW_RETURN_NOT_OK(expect('>'));
      return canonical_type(word == "list" ? arrow::list(item) : arrow::large_list(item));
    }
    if (word == "map") {
      ARROW_RETURN_NOT_OK(expect('<'));
      ARROW_ASSIGN_OR_RAISE(TypePtr key, type());
      ARROW_RETURN_NOT_OK(expect(','));
      ARROW_ASSIGN_OR_RAISE(TypePtr item, type());
      ARROW_RETURN_NOT_OK(expect('>'));
      return canonical_type(arrow::map(key, item));
    }
    if (word == "struct") return structure();
    return fail("\"" + word + "\" is not a type" + other_name(word));
  }

 private:
  arrow::Result<arrow::TimeUnit::type> unit() {
    ARROW_ASSIGN_OR_RAISE(std::string u, name());
    if (u == "s") return arrow::TimeUnit::SECOND;
    if (u == "ms") return arrow::TimeUnit::MILLI;
    if (u == "us") return arrow::TimeUnit::MICRO;
    if (u == "ns") return arrow::TimeUnit::NANO;
    return fail("\"" + u + "\" is not a unit (s, ms, us, ns)");
  }
  arrow::Result<arrow::TimeUnit::type> unit_argument() {  // "(ns)", or nothing: microseconds
    if (!accept('(')) return arrow::TimeUnit::MICRO;
    ARROW_ASSIGN_OR_RAISE(auto u, unit());
    ARROW_RETURN_NOT_OK(expect(')'));
    return u;
  }
  arrow::Result<TypePtr> decimal() {
    ARROW_RETURN_NOT_OK(expect('('));
    ARROW_ASSIGN_OR_RAISE(int precision, number());
    int scale = 0;
    if (accept(',')) {
      ARROW_ASSIGN_OR_RAISE(scale, number());
    }
    ARROW_RETURN_NOT_OK(expect(')'));
    if (precision < 1 || precision > 38) return fail("a decimal has 1 to 38 digits");
    if (scale < 0 || scale > precision) return fail("the scale of a decimal lies between 0 and its digits");
    return arrow::decimal128(precision, scale);
  }
  arrow::Result<TypePtr> timestamp() {
    if (!accept('(')) return arrow::timestamp(arrow::TimeUnit::MICRO);
    ARROW_ASSIGN_OR_RAISE(auto u, unit());
    std::string zone;
    if (accept(',')) {
      skip_blanks();
      while (at_ < text_.size() && text_[at_] != ')') zone += text_[at_++];
      while (!zone.empty() && std::isspace(static_cast<unsigned char>(zone.back()))) zone.pop_back();
      if (zone.empty()) return fail("expected a time zone");
    }
    ARROW_RETURN_NOT_OK(expect(')'));
    return arrow::timestamp(u, zone);
  }
  arrow::Result<TypePtr> structure() {
    ARROW_RETURN_NOT_OK(expect('<'));
    arrow::FieldVector fields;
    if (accept('>')) return arrow::struct_(fields);
    do {
      ARROW_ASSIGN_OR_RAISE(std::string field_name, name());
      ARROW_RETURN_NOT_OK(expect(':'));
      ARROW_ASSIGN_OR_RAISE(TypePtr t, type());
      fields.push_back(arrow::field(std::move(field_name), std::move(t)));
    } while (accept(','));
    ARROW_RETURN_NOT_OK(expect('>'));
    return arrow::struct_(std::move(fields));
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::string struct_text(const arrow::DataType& t) {
  std::string out = "struct<";
  for (const auto& f : t.fields()) {
    if (out.back() != '<') out += ",";
    out += name_text(f->name()) + ":" + type_text(*f->type());
  }
  return out + ">";
}

}  // namespace

std::string type_text(const arrow::DataType& t) {
  using arrow::Type;
  switch (t.id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW: return "string";
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW: return "binary";
    case Type::FLOAT: return "float32";
    case Type::DOUBLE: return "float64";
    case Type::DATE32: return "date";
    case Type::DATE64: return "date64";
    case Type::TIME32:
    case Type::TIME64: {
      const auto unit = static_cast<const arrow::TimeType&>(t).unit();
      return unit == arrow::TimeUnit::MICRO ? "time" : std::string("time(") + unit_text(unit) + ")";
    }
    case Type::DURATION: {
      const auto unit = static_cast<const arrow::DurationType&>(t).unit();
      return unit == arrow::TimeUnit::MICRO ? "duration" : std::string("duration(") + unit_text(unit) + ")";
    }
    case Type::TIMESTAMP: {
      const auto& ts = static_cast<const arrow::TimestampType&>(t);
      return std::string("timestamp(") + unit_text(ts.unit()) + (ts.timezone().empty() ? "" : "," + ts.timezone()) + ")";
    }
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      const auto& d = static_cast<const arrow::DecimalType&>(t);
      return "decimal(" + std::to_string(d.precision()) + "," + std::to_string(d.scale()) + ")";
    }
    case Type::DICTIONARY: return type_text(*static_cast<const arrow::DictionaryType&>(t).value_type());
    case Type::LIST: return "list<" + type_text(*t.field(0)->type()) + ">";
    case Type::LARGE_LIST: return "large_list<" + type_text(*t.field(0)->type()) + ">";
    case Type::STRUCT: return struct_text(t);
    case Type::MAP: {
      const auto& m = static_cast<const arrow::MapType&>(t);
      return "map<" + type_text(*m.key_type()) + "," + type_text(*m.item_type()) + ">";
    }
    default: return t.ToString();
  }
}

arrow::Result<TypePtr> parse_type(std::string_view text) {
  TypeParser parser(text);
  ARROW_ASSIGN_OR_RAISE(TypePtr t, parser.type());
  if (!parser.done()) return parser.fail("text after the type");
  return t;
}

arrow::Result<std::shared_ptr<arrow::Schema>> parse_schema(std::string_view text) {
  TypeParser parser(text);
  arrow::FieldVector fields;
  while (!parser.done()) {
    ARROW_ASSIGN_OR_RAISE(std::string name, parser.name());
    ARROW_RETURN_NOT_OK(parser.expect(':'));
    ARROW_ASSIGN_OR_RAISE(TypePtr type, parser.type());
    const bool required = parser.accept('!');
    fields.push_back(arrow::field(std::move(name), std::move(type), !required));
    parser.accept(',');
  }
  return arrow::schema(std::move(fields));
}

}  // namespace gristmill::column
