// JSON in text columns: what a path leads to, its kind, keys and length.
//
// Text that is no JSON is an error naming it (json.is_valid asks first); numbers beyond 64 bits are none. Paths are constants.

#include <simdjson.h>

#include <arrow/scalar.h>

#include "expr/functions/families.h"
#include "expr/functions/json_state.h"
#include "expr/row_kernel.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {

using simdjson::dom::element;
using simdjson::dom::element_type;

arrow::Result<JsonPath> json_path_argument(std::string_view function, std::span<const ArgumentInfo> args, size_t i) {
  if (args.size() <= i) return JsonPath::make("$");
  const auto path = args[i].constant ? text_value(*args[i].constant) : std::nullopt;
  if (!path) return base::plan_error(std::string(function) + " takes a constant path such as '$.a[0].b'");
  return JsonPath::make(*path);
}

arrow::Status bad_json(std::string_view text, simdjson::error_code why, int64_t row) {
  const std::string value(text.size() <= 200 ? text : text.substr(0, 200));
  return base::data_error("not JSON: \"" + value + "\": " + simdjson::error_message(why), value, row);
}

namespace {

using column::Column;

const JsonPath& path_of(const KernelCall& call) { return static_cast<const JsonState&>(*call.state).path; }

template <Words kName, Words kPattern>
arrow::Result<Signature> bind_path(std::span<const ArgumentInfo> args, std::span<const Option>) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern(kName.text, kPattern.text, args));
  auto state = std::make_shared<JsonState>();
  ARROW_ASSIGN_OR_RAISE(state->path, json_path_argument(kName.text, args, 1));
  s.state = std::move(state);
  return s;
}

// make(call, each): `f(element, out)` gives whether there is a value; called where the path leads somewhere.
class Documents {
 public:
  explicit Documents(const KernelCall& call) : call_(call), text_(call.args[0]) {}

  // Whether the path leads somewhere in row i; an error that stays in status().
  bool find(int64_t i, element& out) {
    if (!status_.ok()) return false;
    element root;
    const std::string_view text = text_[i];
    if (const auto error = parser_.parse(text.data(), text.size()).get(root)) {
      status_ = bad_json(text, error, i);
      return false;
    }
    return path_of(call_).find(root, out);
  }
  const arrow::Status& status() const { return status_; }

 private:
  const KernelCall& call_;
  TextArgument text_;
  simdjson::dom::parser parser_;
  arrow::Status status_;
};

template <bool kText>
arrow::Result<Column> run_extract(const KernelCall& call) {
  Documents documents(call);
  auto out = text_rows(call, [&](int64_t i, std::string& made) {
    element e;
    if (!documents.find(i, e) || (kText && e.is_null())) return false;
    kText ? append_json_text(e, made) : append_json(e, made);
    return true;
  });
  ARROW_RETURN_NOT_OK(documents.status());
  return out;
}

const char* kind_of(element_type t) {
  switch (t) {
    case element_type::ARRAY: return "array";
    case element_type::OBJECT: return "object";
    case element_type::STRING: return "string";
    case element_type::BOOL: return "boolean";
    case element_type::NULL_VALUE: return "null";
    default: return "number";
  }
}

arrow::Result<Column> run_type(const KernelCall& call) {
  Documents documents(call);
  auto out = text_rows(call, [&](int64_t i, std::string& made) {
    element e;
    if (!documents.find(i, e)) return false;
    made = kind_of(e.type());
    return true;
  });
  ARROW_RETURN_NOT_OK(documents.status());
  return out;
}

arrow::Result<Column> run_array_length(const KernelCall& call) {
  Documents documents(call);
  auto out = number_rows<int64_t>(call, [&](int64_t i, int64_t& n) {
    element e;
    simdjson::dom::array array;
    if (!documents.find(i, e) || e.get(array)) return false;
    for ([[maybe_unused]] element child : array) ++n;
    return true;
  });
  ARROW_RETURN_NOT_OK(documents.status());
  return out;
}

arrow::Result<Column> run_keys(const KernelCall& call) {
  Documents documents(call);
  auto out = text_list_rows(call, [&](int64_t i, TextList& keys) {
    element e;
    simdjson::dom::object object;
    if (!documents.find(i, e) || e.get(object)) return false;
    for (auto [key, child] : object) keys.add(key);
    return true;
  });
  ARROW_RETURN_NOT_OK(documents.status());
  return out;
}

arrow::Result<Column> run_is_valid(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  simdjson::dom::parser parser;
  return bool_results(call, [&](int64_t i, bool& out) { out = parser.parse(text[i].data(), text[i].size()).error() == simdjson::SUCCESS; });
}

// Objects as maps -----------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_to_map(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  ARROW_ASSIGN_OR_RAISE(Signature s, (bind_path<"json.to_map", "t?t>t!~">(args, options)));
  s.type = arrow::map(arrow::utf8_view(), arrow::utf8_view());
  return s;
}

arrow::Result<Column> run_to_map(const KernelCall& call) {
  Documents documents(call);
  ARROW_ASSIGN_OR_RAISE(ListEnds ends, ListEnds::make(call.rows, call.pool));
  TextList keys, values;
  std::vector<bool> there;
  std::string made;
  arrow::Status full;
  ARROW_ASSIGN_OR_RAISE(auto valid, each_row(call, [&](int64_t i) {
                          element e;
                          simdjson::dom::object object;
                          const bool found = documents.find(i, e) && !e.get(object);
                          if (found) {
                            for (auto [key, child] : object) {
                              made.clear();
                              append_json_text(child, made);
                              keys.add(key);
                              values.add(made);
                              there.push_back(!child.is_null());
                            }
                          }
                          full &= ends.close(i, keys.size());
                          return found;
                        }));
  ARROW_RETURN_NOT_OK(documents.status());
  ARROW_RETURN_NOT_OK(full);
  ARROW_ASSIGN_OR_RAISE(auto key_data, keys.finish(arrow::utf8_view(), call.pool));
  ARROW_ASSIGN_OR_RAISE(auto value_data, values.finish(arrow::utf8_view(), call.pool));
  ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(keys.size(), call.pool));
  for (size_t k = 0; k < there.size(); ++k) bits->mutable_data()[k >> 3] |= static_cast<uint8_t>(there[k] << (k & 7));
  value_data->buffers[0] = std::move(bits);
  value_data->SetNullCount(arrow::kUnknownNullCount);
  auto entries = arrow::ArrayData::Make(call.type->field(0)->type(), keys.size(), {nullptr}, 0);
  entries->child_data = {std::move(key_data), std::move(value_data)};
  return ends.finish(call.type, std::move(entries), std::move(valid));
}

Function json(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "json", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> json_functions() {
  return {
      json("json.extract", "what the path leads to as text, strings without quotes; NULL for null and where there is nothing; no JSON is an error",
           "lit('{\"a\": [1, \"x\"]}').json.extract('$.a[1]') -> 'x'", bind_path<"json.extract", "tt>t!~">, run_extract<true>),
      json("json.raw", "what the path leads to as JSON without blanks; NULL where there is nothing",
           "lit('{\"a\": [1, \"x\"]}').json.raw('$.a') -> '[1,\"x\"]'", bind_path<"json.raw", "t?t>t!~">, run_extract<false>),
      json("json.type", "object, array, string, number, boolean or null; NULL where there is nothing", "lit('[1]').json.type('$[0]') -> 'number'",
           bind_path<"json.type", "t?t>t!~">, run_type),
      json("json.array_length", "the number of elements; NULL for what is no array", "lit('[1, 2]').json.array_length() -> 2",
           bind_path<"json.array_length", "t?t>i!~">, run_array_length),
      json("json.keys", "the keys of an object as a list; NULL for what is none", "lit('{\"b\": 1, \"a\": 2}').json.keys() -> ['b', 'a']",
           bind_path<"json.keys", "t?t>l!~">, run_keys),
      json("json.is_valid", "whether the text is JSON", "lit('{\"a\": }').json.is_valid() -> false", bind_as<"json.is_valid", "t>o">, run_is_valid),
      json("json.to_map", "an object as map<string,string>, its values as json.extract gives them; NULL for what is none",
           "lit('{\"a\": 1, \"b\": null}').json.to_map() -> [('a', '1'), ('b', null)]", bind_to_map, run_to_map),
  };
}

}  // namespace gristmill::expr
