// Reading schemas, naming types, writing schemas.

#include "io/avro_schema.h"

#include <map>

#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "expr/json.h"

namespace gristmill::io {
namespace {

namespace dom = simdjson::dom;

arrow::Status wrong(const std::string& what) { return base::plan_error("the Avro schema cannot be used: " + what); }

std::string text_at(const dom::object& o, std::string_view key) {
  std::string_view out;
  return o.at_key(key).get(out) == simdjson::SUCCESS ? std::string(out) : std::string{};
}

int64_t number_at(const dom::object& o, std::string_view key, int64_t fallback) {
  int64_t out = 0;
  return o.at_key(key).get(out) == simdjson::SUCCESS ? out : fallback;
}

class Parser {
 public:
  arrow::Result<AvroTypePtr> parse(const dom::element& e, const std::string& space, int depth) {
    if (depth > kMostAvroDepth) return wrong("its types lie more than " + std::to_string(kMostAvroDepth) + " deep in each other");
    std::string_view name;
    if (e.get(name) == simdjson::SUCCESS) return named(std::string(name), space);
    dom::array branches;
    if (e.get(branches) == simdjson::SUCCESS) return union_of(branches, space, depth);
    dom::object o;
    if (e.get(o) != simdjson::SUCCESS) return wrong("a type is a name, a list or an object");
    dom::element type;
    if (o.at_key("type").get(type) != simdjson::SUCCESS) return wrong("an object has no \"type\"");
    if (type.get(name) != simdjson::SUCCESS) return parse(type, space, depth + 1);
    if (name == "record" || name == "error") return record(o, space, depth);
    if (name == "enum") return enumeration(o, space);
    if (name == "fixed") return fixed(o, space);
    if (name == "array" || name == "map") return many(o, name == "map", space, depth);
    ARROW_ASSIGN_OR_RAISE(auto below, named(std::string(name), space));
    return with_logical(*below, o);
  }

 private:
  static AvroTypePtr simple(AvroKind kind, std::shared_ptr<arrow::DataType> to) {
    auto out = std::make_shared<AvroType>();
    out->kind = kind;
    out->to = std::move(to);
    return out;
  }

  arrow::Result<AvroTypePtr> named(const std::string& name, const std::string& space) {
    static const std::map<std::string, AvroTypePtr> kSimple = {
        {"null", simple(AvroKind::kNull, arrow::null())},      {"boolean", simple(AvroKind::kBoolean, arrow::boolean())},
        {"int", simple(AvroKind::kInt, arrow::int32())},       {"long", simple(AvroKind::kLong, arrow::int64())},
        {"float", simple(AvroKind::kFloat, arrow::float32())}, {"double", simple(AvroKind::kDouble, arrow::float64())},
        {"bytes", simple(AvroKind::kBytes, arrow::binary())},  {"string", simple(AvroKind::kString, arrow::utf8())},
    };
    if (const auto found = kSimple.find(name); found != kSimple.end()) return found->second;
    for (const std::string& full : {space.empty() || name.find('.') != std::string::npos ? name : space + "." + name, name}) {
      const auto found = types_.find(full);
      if (found == types_.end()) continue;
      if (found->second == nullptr) return wrong("the type \"" + full + "\" contains itself");
      return found->second;
    }
    return wrong("there is no type \"" + name + "\"");
  }

  // The full name, noted as begun, and the namespace within.
  arrow::Result<std::string> begin(const dom::object& o, const std::string& outer, std::string* space) {
    const std::string name = text_at(o, "name");
    if (name.empty()) return wrong("a record, enum or fixed has no name");
    const size_t dot = name.rfind('.');
    const std::string given = text_at(o, "namespace");
    *space = dot != std::string::npos ? name.substr(0, dot) : !given.empty() ? given : outer;
    const std::string full = dot != std::string::npos || space->empty() ? name : *space + "." + name;
    if (!types_.emplace(full, nullptr).second) return wrong("the type \"" + full + "\" is defined twice");
    return full;
  }

  arrow::Result<AvroTypePtr> record(const dom::object& o, const std::string& outer, int depth) {
    auto out = std::make_shared<AvroType>();
    out->kind = AvroKind::kRecord;
    std::string space;
    ARROW_ASSIGN_OR_RAISE(out->name, begin(o, outer, &space));
    dom::array fields;
    if (o.at_key("fields").get(fields) != simdjson::SUCCESS) return wrong("the record \"" + out->name + "\" has no fields");
    arrow::FieldVector to;
    for (const dom::element e : fields) {
      dom::object f;
      dom::element type;
      if (e.get(f) != simdjson::SUCCESS || f.at_key("type").get(type) != simdjson::SUCCESS || text_at(f, "name").empty()) {
        return wrong("a field of \"" + out->name + "\" has no name or no type");
      }
      ARROW_ASSIGN_OR_RAISE(auto part, parse(type, space, depth + 1));
      out->names.push_back(text_at(f, "name"));
      to.push_back(arrow::field(out->names.back(), part->to));
      out->parts.push_back(std::move(part));
    }
    out->to = arrow::struct_(to);
    return types_[out->name] = out;
  }

  arrow::Result<AvroTypePtr> enumeration(const dom::object& o, const std::string& outer) {
    auto out = std::make_shared<AvroType>();
    out->kind = AvroKind::kEnum;
    std::string space;
    ARROW_ASSIGN_OR_RAISE(out->name, begin(o, outer, &space));
    dom::array symbols;
    if (o.at_key("symbols").get(symbols) != simdjson::SUCCESS) return wrong("the enum \"" + out->name + "\" has no symbols");
    for (const dom::element e : symbols) {
      std::string_view symbol;
      if (e.get(symbol) != simdjson::SUCCESS) return wrong("a symbol of \"" + out->name + "\" is no text");
      out->names.emplace_back(symbol);
    }
    out->to = arrow::utf8();
    return types_[out->name] = out;
  }

  arrow::Result<AvroTypePtr> fixed(const dom::object& o, const std::string& outer) {
    auto out = std::make_shared<AvroType>();
    out->kind = AvroKind::kFixed;
    std::string space;
    ARROW_ASSIGN_OR_RAISE(out->name, begin(o, outer, &space));
    out->size = number_at(o, "size", -1);
    if (out->size < 0 || out->size > INT32_MAX) return wrong("the size of \"" + out->name + "\" is no size");
    out->to = arrow::binary();
    const std::string name = out->name;
    ARROW_ASSIGN_OR_RAISE(auto finished, with_logical(*out, o));
    return types_[name] = finished;
  }

  arrow::Result<AvroTypePtr> many(const dom::object& o, bool map, const std::string& space, int depth) {
    dom::element item;
    if (o.at_key(map ? "values" : "items").get(item) != simdjson::SUCCESS) return wrong("an array has no items, or a map no values");
    auto out = std::make_shared<AvroType>();
    out->kind = map ? AvroKind::kMap : AvroKind::kArray;
    ARROW_ASSIGN_OR_RAISE(auto part, parse(item, space, depth + 1));
    out->to = map ? arrow::map(arrow::utf8(), part->to) : arrow::list(part->to);
    out->parts.push_back(std::move(part));
    return AvroTypePtr(out);
  }

  arrow::Result<AvroTypePtr> union_of(const dom::array& branches, const std::string& space, int depth) {
    auto out = std::make_shared<AvroType>();
    out->kind = AvroKind::kUnion;
    arrow::FieldVector members;
    for (const dom::element e : branches) {
      ARROW_ASSIGN_OR_RAISE(auto part, parse(e, space, depth + 1));
      if (part->kind == AvroKind::kUnion) return wrong("a union lies in a union");
      const int at = static_cast<int>(out->parts.size());
      if (part->kind == AvroKind::kNull) {
        out->null_at = at;
      } else {
        out->value_at = at;
        members.push_back(arrow::field("member" + std::to_string(members.size()), part->to));
      }
      out->parts.push_back(std::move(part));
    }
    if (out->parts.empty()) return wrong("a union of nothing");
    if (members.size() > 1) {
      out->value_at = -1;
      out->to = arrow::struct_(members);
    } else {
      out->to = members.empty() ? arrow::null() : members[0]->type();
      if (members.empty()) out->value_at = out->null_at;
    }
    return AvroTypePtr(out);
  }

  static arrow::Result<AvroTypePtr> with_logical(const AvroType& below, const dom::object& o) {
    auto out = std::make_shared<AvroType>(below);
    const std::string logical = text_at(o, "logicalType");
    const bool wide = below.kind == AvroKind::kLong;
    if (logical == "decimal" && (below.kind == AvroKind::kBytes || below.kind == AvroKind::kFixed)) {
      const int64_t precision = number_at(o, "precision", 0), scale = number_at(o, "scale", 0);
      if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
        return wrong("a decimal of precision " + std::to_string(precision) + " and scale " + std::to_string(scale) +
                     "; 38 digits are carried");
      }
      out->logical = AvroLogical::kDecimal;
      out->precision = static_cast<int>(precision);
      out->scale = static_cast<int>(scale);
      out->to = arrow::decimal128(out->precision, out->scale);
    } else if (logical == "date" && below.kind == AvroKind::kInt) {
      out->logical = AvroLogical::kDate;
      out->to = arrow::date32();
    } else if (logical == "time-millis" && below.kind == AvroKind::kInt) {
      out->logical = AvroLogical::kTimeMillis;
      out->to = arrow::time32(arrow::TimeUnit::MILLI);
    } else if (logical == "time-micros" && wide) {
      out->logical = AvroLogical::kTimeMicros;
      out->to = arrow::time64(arrow::TimeUnit::MICRO);
    } else if (logical == "duration" && below.kind == AvroKind::kFixed && below.size == 12) {
      out->logical = AvroLogical::kDuration;
      out->to = arrow::struct_(
          {arrow::field("months", arrow::uint32()), arrow::field("days", arrow::uint32()), arrow::field("milliseconds", arrow::uint32())});
    } else if (wide) {
      for (const auto& [ending, unit] : {std::pair{"timestamp-millis", arrow::TimeUnit::MILLI},
                                         {"timestamp-micros", arrow::TimeUnit::MICRO},
                                         {"timestamp-nanos", arrow::TimeUnit::NANO}}) {
        const bool local = logical == std::string("local-") + ending;
        if (!local && logical != ending) continue;
        out->logical = local ? AvroLogical::kLocalTimestamp : AvroLogical::kTimestamp;
        out->to = local ? arrow::timestamp(unit) : arrow::timestamp(unit, "UTC");
      }
    }
    return AvroTypePtr(out);
  }

  std::map<std::string, AvroTypePtr> types_;  // null: begun
};

// Of a column; nothing: Avro has none.
std::string avro_text(const arrow::DataType& t, const std::string& path) {
  const auto nullable = [](const std::string& text) { return "[\"null\"," + text + "]"; };
  const auto logical = [](const char* below, const std::string& name) {
    return std::string("{\"type\":\"") + below + "\",\"logicalType\":\"" + name + "\"}";
  };
  switch (t.id()) {
    case arrow::Type::BOOL: return "\"boolean\"";
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16: return "\"int\"";
    case arrow::Type::UINT32:
    case arrow::Type::INT64: return "\"long\"";
    case arrow::Type::FLOAT: return "\"float\"";
    case arrow::Type::DOUBLE: return "\"double\"";
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW: return "\"string\"";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::BINARY_VIEW: return "\"bytes\"";
    case arrow::Type::DICTIONARY: return avro_text(*static_cast<const arrow::DictionaryType&>(t).value_type(), path);
    case arrow::Type::DATE32: return logical("int", "date");
    case arrow::Type::TIME32: return logical("int", "time-millis");
    case arrow::Type::TIME64: return logical("long", "time-micros");
    case arrow::Type::TIMESTAMP: {
      const auto& s = static_cast<const arrow::TimestampType&>(t);
      const char* unit = s.unit() == arrow::TimeUnit::NANO ? "nanos" : s.unit() == arrow::TimeUnit::MICRO ? "micros" : "millis";
      return logical("long", (s.timezone().empty() ? std::string("local-timestamp-") : std::string("timestamp-")) + unit);
    }
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& d = static_cast<const arrow::DecimalType&>(t);
      if (d.scale() < 0 || d.scale() > d.precision()) return {};
      return "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":" + std::to_string(d.precision()) +
             ",\"scale\":" + std::to_string(d.scale()) + "}";
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST: {
      const std::string item = avro_text(*t.field(0)->type(), path + "_item");
      return item.empty() ? item : "{\"type\":\"array\",\"items\":" + nullable(item) + "}";
    }
    case arrow::Type::STRUCT: {
      std::string fields;
      for (const auto& f : t.fields()) {
        const std::string type = avro_text(*f->type(), path + "_" + f->name());
        if (type.empty()) return {};
        fields += (fields.empty() ? "" : ",") + std::string("{\"name\":") + expr::json_string(f->name()) + ",\"type\":" + nullable(type) +
                  ",\"default\":null}";
      }
      return "{\"type\":\"record\",\"name\":" + expr::json_string(path) + ",\"fields\":[" + fields + "]}";
    }
    default: return {};
  }
}

}  // namespace

arrow::Result<AvroTypePtr> parse_avro(const std::string& json) {
  dom::parser parser;
  dom::element root;
  const auto error = parser.parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS) return wrong(std::string("it is no JSON: ") + simdjson::error_message(error));
  return Parser().parse(root, "", 0);
}

std::shared_ptr<arrow::Schema> avro_columns(const AvroType& type) {
  if (type.kind == AvroKind::kRecord) return arrow::schema(type.to->fields());
  return arrow::schema({arrow::field("value", type.to)});
}

arrow::Result<std::string> avro_schema_for(const arrow::Schema& schema, const std::string& name) {
  for (const auto& f : schema.fields()) {
    if (!avro_text(*f->type(), f->name()).empty()) continue;
    return base::plan_error("column \"" + f->name() + "\" of type " + f->type()->ToString() + " cannot be written as Avro",
                            "cast it, or write JSON or IPC");
  }
  return avro_text(*arrow::struct_(schema.fields()), name);
}

}  // namespace gristmill::io
