// JSON as typed values, and values as JSON.
//
// json.parse: objects become structs (fields that are missing are NULL, others are left out) or maps, arrays lists, strings text,
// dates, timestamps and decimals; numbers what holds them exactly. What does not fit is an error that shows it, or NULL when lenient.

#include <simdjson.h>

#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/util/decimal.h>

#include "expr/functions/families.h"
#include "expr/functions/json_state.h"
#include "expr/parse_text.h"
#include "expr/row_kernel.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;
using simdjson::dom::element;
using simdjson::dom::element_type;

// Each place(element, builder) checks when the builder is null and appends when not; false: the element does not fit the type.
bool place(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status);

bool whole_number(element e, __int128& out) {
  if (e.type() == element_type::INT64) {
    out = int64_t(e);
  } else if (e.type() == element_type::UINT64) {
    out = uint64_t(e);
  } else if (e.type() == element_type::DOUBLE) {
    const double v = e;
    if (!(std::fabs(v) < 1e18) || v != std::trunc(v)) return false;
    out = static_cast<int64_t>(v);
  } else {
    return false;
  }
  return true;
}

bool place_number(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  if (column::is_integer(t)) {
    __int128 v;
    if (!whole_number(e, v) || !fits_integer(v, t)) return false;
    if (!to) return true;
    column::visit_number(column::physical_unchecked(t), [&]<typename T>() {
      if constexpr (std::is_integral_v<T> && sizeof(T) <= 8)
        status &= static_cast<arrow::NumericBuilder<typename arrow::CTypeTraits<T>::ArrowType>*>(to)->Append(static_cast<T>(v));
    });
    return true;
  }
  double v;
  if (e.get(v)) return false;
  if (!to) return true;
  if (t.id() == Type::FLOAT)
    status &= static_cast<arrow::FloatBuilder*>(to)->Append(static_cast<float>(v));
  else
    status &= static_cast<arrow::DoubleBuilder*>(to)->Append(v);
  return true;
}

bool place_decimal(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  std::string text;
  if (e.type() == element_type::BOOL || e.type() == element_type::ARRAY || e.type() == element_type::OBJECT) return false;
  append_json_text(e, text);
  __int128 v;
  if (!parse_decimal(text, decimal_precision(t), decimal_scale(t), v)) return false;
  const Packed128 packed(v);
  if (to) status &= static_cast<arrow::Decimal128Builder*>(to)->Append(arrow::Decimal128(static_cast<int64_t>(packed.high), packed.low));
  return true;
}

bool place_time(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  if (e.type() != element_type::STRING) return false;
  const std::string_view text = e;
  int64_t v;
  if (t.id() == Type::DATE32) {
    if (!parse_date(text, v) || v != static_cast<int32_t>(v)) return false;
    if (to) status &= static_cast<arrow::Date32Builder*>(to)->Append(static_cast<int32_t>(v));
    return true;
  }
  if (!parse_timestamp(text, units_per_second(static_cast<const arrow::TimestampType&>(t).unit()), v)) return false;
  if (to) status &= static_cast<arrow::TimestampBuilder*>(to)->Append(v);
  return true;
}

bool place_list(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  simdjson::dom::array array;
  if (e.get(array)) return false;
  auto* list = static_cast<arrow::ListBuilder*>(to);
  if (list) status &= list->Append();
  for (element child : array) {
    if (!place(child, *t.field(0)->type(), list ? list->value_builder() : nullptr, status)) return false;
  }
  return true;
}

bool place_struct(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  simdjson::dom::object object;
  if (e.get(object)) return false;
  auto* fields = static_cast<arrow::StructBuilder*>(to);
  if (fields) status &= fields->Append();
  for (int f = 0; f < t.num_fields(); ++f) {
    element child;
    arrow::ArrayBuilder* field = fields ? fields->field_builder(f) : nullptr;
    if (object.at_key(t.field(f)->name()).get(child)) {
      if (field) status &= field->AppendNull();
    } else if (!place(child, *t.field(f)->type(), field, status)) {
      return false;
    }
  }
  return true;
}

bool place_map(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  simdjson::dom::object object;
  if (e.get(object)) return false;
  auto* map = static_cast<arrow::MapBuilder*>(to);
  if (map) status &= map->Append();
  for (auto [key, child] : object) {
    if (map) status &= static_cast<arrow::StringViewBuilder*>(map->key_builder())->Append(key);
    if (!place(child, *static_cast<const arrow::MapType&>(t).item_type(), map ? map->item_builder() : nullptr, status)) return false;
  }
  return true;
}

bool place(element e, const arrow::DataType& t, arrow::ArrayBuilder* to, arrow::Status& status) {
  if (e.is_null()) {
    if (to) status &= to->AppendNull();
    return true;
  }
  switch (t.id()) {
    case Type::BOOL: {
      bool v;
      if (e.get(v)) return false;
      if (to) status &= static_cast<arrow::BooleanBuilder*>(to)->Append(v);
      return true;
    }
    case Type::STRING_VIEW: {
      std::string text;
      append_json_text(e, text);
      if (to) status &= static_cast<arrow::StringViewBuilder*>(to)->Append(text);
      return true;
    }
    case Type::DECIMAL128: return place_decimal(e, t, to, status);
    case Type::DATE32:
    case Type::TIMESTAMP: return place_time(e, t, to, status);
    case Type::LIST: return place_list(e, t, to, status);
    case Type::STRUCT: return place_struct(e, t, to, status);
    case Type::MAP: return place_map(e, t, to, status);
    default: return place_number(e, t, to, status);
  }
}

// A type that JSON can become; the message names the one that it cannot.
arrow::Status check_type(const arrow::DataType& t) {
  const bool known = t.id() == Type::BOOL || t.id() == Type::STRING_VIEW || column::is_integer(t) || column::is_float(t) ||
                     t.id() == Type::DECIMAL128 || t.id() == Type::DATE32 || t.id() == Type::TIMESTAMP || t.id() == Type::LIST ||
                     t.id() == Type::STRUCT || t.id() == Type::MAP;
  if (!known || t.id() == Type::HALF_FLOAT) return base::plan_error("json.parse cannot make " + column::type_text(t));
  if (t.id() == Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(t);
    if (!column::is_text(*map.key_type())) return base::plan_error("the keys of a JSON object are text, not " + column::type_text(*map.key_type()));
    return check_type(*map.item_type());
  }
  for (const auto& f : t.fields()) ARROW_RETURN_NOT_OK(check_type(*f->type()));
  return arrow::Status::OK();
}

template <bool kLenient>
arrow::Result<Signature> bind_parse(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kLenient ? "json.try_parse" : "json.parse";
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern(name, kLenient ? "tt?t>t~" : "tt?t>t!~", args));
  const auto type = args[1].constant ? text_value(*args[1].constant) : std::nullopt;
  if (!type) return base::plan_error(std::string(name) + " takes a constant type such as 'struct<a:int64,b:list<string>>'");
  auto state = std::make_shared<JsonState>();
  ARROW_ASSIGN_OR_RAISE(state->type, column::parse_type(*type));
  ARROW_RETURN_NOT_OK(check_type(*state->type));
  ARROW_ASSIGN_OR_RAISE(state->path, json_path_argument(name, args, 2));
  state->lenient = kLenient;
  s.type = state->type;
  s.state = std::move(state);
  return s;
}

// Rows that do not count, and those without a value, are NULL.
arrow::Result<Column> run_parse(const KernelCall& call) {
  const auto& state = static_cast<const JsonState&>(*call.state);
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(call.pool, call.type, &builder));
  const TextArgument text(call.args[0]);
  simdjson::dom::parser parser;
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) -> arrow::Status {
                        ARROW_RETURN_NOT_OK(builder->AppendNulls(i - builder->length()));
                        element root, e;
                        if (const auto error = parser.parse(text[i].data(), text[i].size()).get(root))
                          return state.lenient ? builder->AppendNull() : bad_json(text[i], error, i);
                        arrow::Status status;
                        if (!state.path.find(root, e)) return builder->AppendNull();
                        if (place(e, *call.type, nullptr, status)) {
                          place(e, *call.type, builder.get(), status);
                          return status;
                        }
                        if (state.lenient) return builder->AppendNull();
                        std::string value;
                        append_json(e, value);
                        if (value.size() > 200) value.resize(200);
                        return base::data_error("JSON " + value + " is not " + column::type_text(*call.type), value, i);
                      }).status());
  ARROW_RETURN_NOT_OK(builder->AppendNulls(call.rows - builder->length()));
  ARROW_ASSIGN_OR_RAISE(auto array, builder->Finish());
  ARROW_ASSIGN_OR_RAISE(Column out, column::import_array(array->data(), call.pool));
  return column::flatten(out, call.rows, call.pool);
}

// Values as JSON ------------------------------------------------------------------------------------------------

void append_value(const arrow::ArrayData& d, int64_t i, std::string& out);

void append_nested(const arrow::ArrayData& d, int64_t i, std::string& out) {
  if (d.type->id() == Type::STRUCT) {
    for (int f = 0; f < d.type->num_fields(); ++f) {
      out += f ? "," : "{";
      append_json_string(d.type->field(f)->name(), out);
      out += ':';
      append_value(*column::struct_field(d, f), i, out);
    }
    out += d.type->num_fields() ? "}" : "{}";
    return;
  }
  const bool map = d.type->id() == Type::MAP;
  const column::ListRange r = column::list_range(d, i);
  const arrow::ArrayData& entries = *d.child_data[0];
  out += map ? '{' : '[';
  for (int64_t k = r.begin; k < r.end; ++k) {
    if (k > r.begin) out += ',';
    if (map) {
      append_json_string(column::value_text(Column::flat(column::struct_field(entries, 0)), k), out);
      out += ':';
      append_value(*column::struct_field(entries, 1), k, out);
    } else {
      append_value(entries, k, out);
    }
  }
  out += map ? '}' : ']';
}

void append_time(const arrow::ArrayData& d, int64_t i, std::string& out) {
  char text[64];
  if (d.type->id() == Type::DATE32) {
    append_json_string(write_date(column::values_of<int32_t>(d)[i], text), out);
  } else if (d.type->id() == Type::TIMESTAMP) {
    const auto& t = static_cast<const arrow::TimestampType&>(*d.type);
    append_json_string(write_timestamp(column::values_of<int64_t>(d)[i], units_per_second(t.unit()), !t.timezone().empty(), text), out);
  } else if (d.type->id() == Type::DURATION) {
    out += std::to_string(column::values_of<int64_t>(d)[i]);
  } else {
    append_json_string(column::value_text(Column::flat(std::make_shared<arrow::ArrayData>(d)), i), out);
  }
}

void append_number(const arrow::ArrayData& d, int64_t i, std::string& out) {
  char digits[64];
  column::visit_number(column::physical_unchecked(*d.type), [&]<typename T>() {
    if constexpr (sizeof(T) == 16) {
      const auto* v = reinterpret_cast<const Packed128*>(d.buffers[1]->data()) + d.offset;
      out += write_decimal(v[i], decimal_scale(*d.type), digits);
    } else {
      const T v = column::values_of<T>(d)[i];
      if constexpr (std::is_floating_point_v<T>)
        out += std::isfinite(v) ? write_float(v, digits) : std::string_view("null");
      else
        out += write_integer(v, digits, sizeof digits);
    }
  });
}

void append_value(const arrow::ArrayData& d, int64_t i, std::string& out) {
  if (d.type->id() == Type::NA || !column::validity_of(d).valid(i)) {
    out += "null";
    return;
  }
  if (arrow::is_temporal(d.type->id())) return append_time(d, i, out);
  switch (column::physical_unchecked(*d.type)) {
    case column::Physical::kBool: out += column::bit_at(d.buffers[1]->data(), d.offset + i) ? "true" : "false"; return;
    case column::Physical::kNested: return append_nested(d, i, out);
    case column::Physical::kView:
      if (column::is_text(*d.type))
        append_json_string(column::view_at(d, i), out);
      else
        append_json_string(column::value_text(Column::flat(std::make_shared<arrow::ArrayData>(d)), i), out);
      return;
    default: return append_number(d, i, out);
  }
}

arrow::Result<Signature> bind_to_json(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("to_json", 1, args.size());
  Signature s;
  s.type = arrow::utf8_view();
  s.casts = {nullptr};
  return s;
}

arrow::Result<Column> run_to_json(const KernelCall& call) {
  const Column& a = call.args[0];
  return text_rows(call, [&](int64_t i, std::string& out) { append_value(*a.values, a.is_constant() ? 0 : i, out); });
}

}  // namespace

std::vector<Function> json_value_functions() {
  const auto pass = NullRule::kPropagate;
  return {
      {"json.parse", "json", "JSON, or what a path in it leads to, as a value of a type; what does not fit is an error, nothing is NULL",
       "lit('{\"a\": 1, \"b\": [\"x\"]}').json.parse('struct<a:int64,b:list<string>>') -> {'a': 1, 'b': ['x']}", pass, true, bind_parse<false>,
       run_parse},
      {"json.try_parse", "json", "as json.parse, but NULL for what is no JSON and what does not fit",
       "lit('{\"a\": \"x\"}').json.try_parse('int64', '$.a') -> null", pass, true, bind_parse<true>, run_parse},
      {"to_json", "json", "the value as JSON; NaN and infinities are null, times text, durations counts, bytes hex",
       "struct(a=1, b='x').to_json() -> '{\"a\":1,\"b\":\"x\"}'", pass, true, bind_to_json, run_to_json},
  };
}

}  // namespace gristmill::expr
