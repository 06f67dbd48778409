// Structs and maps: their fields, keys and values, packed and merged.
//
// A field, the keys and the values of a map share the memory of what they are part of. Keys of a map are equal as keys are
// everywhere; the last of several equal ones counts.

#include <algorithm>

#include <arrow/scalar.h>

#include "expr/functions/families.h"
#include "expr/list_argument.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::ListRange;
using column::TypePtr;

// Structs -------------------------------------------------------------------------------------------------------

struct FieldState final : FunctionState {
  int field = 0;
};

arrow::Result<Signature> bind_field(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("struct.field", 2, args.size());
  if (args[0].type->id() != Type::STRUCT) return bad_arguments("struct.field", "a struct and a field's name", args);
  const auto name = args[1].constant ? text_value(*args[1].constant) : std::nullopt;
  const int at = name ? static_cast<const arrow::StructType&>(*args[0].type).GetFieldIndex(*name) : -1;
  if (at < 0) {
    std::vector<std::string> known;
    for (const auto& f : args[0].type->fields()) known.push_back(f->name());
    return base::plan_error("the struct has no field \"" + name.value_or("") + "\"" + base::suggest_name(name.value_or(""), known));
  }
  auto state = std::make_shared<FieldState>();
  state->field = at;
  Signature s;
  s.type = args[0].type->field(at)->type();
  s.casts = {args[0].type, nullptr};
  s.introduces_nulls = true;
  s.state = std::move(state);
  return s;
}

arrow::Result<Column> run_field(const KernelCall& call) {
  return Column::flat(column::struct_field(*call.args[0].values, static_cast<const FieldState&>(*call.state).field));
}

arrow::Result<Signature> bind_struct(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty() || args.size() % 2) return base::plan_error("struct.pack takes names and values in turn");
  arrow::FieldVector fields;
  for (size_t i = 0; i < args.size(); i += 2) {
    const auto name = args[i].constant ? text_value(*args[i].constant) : std::nullopt;
    if (!name) return base::plan_error("struct.pack takes names and values in turn; a name is a constant text");
    for (const auto& f : fields) {
      if (f->name() == *name) return base::plan_error("struct.pack got the field \"" + *name + "\" twice");
    }
    fields.push_back(arrow::field(*name, args[i + 1].type));
  }
  Signature s;
  s.type = arrow::struct_(fields);
  return s;
}

arrow::Result<Column> run_struct(const KernelCall& call) {
  auto data = arrow::ArrayData::Make(call.type, call.rows, {nullptr}, 0);
  for (size_t i = 1; i < call.args.size(); i += 2) {
    ARROW_ASSIGN_OR_RAISE(Column flat, column::flatten(call.args[i], call.rows, call.pool));
    data->child_data.push_back(flat.values);
  }
  return Column::flat(std::move(data));
}

// Maps ----------------------------------------------------------------------------------------------------------

struct MapArgument {
  ListArgument list;
  Column keys, values;
  explicit MapArgument(const Column& c)
      : list(c), keys(Column::flat(column::struct_field(*list.data.child_data[0], 0))), values(Column::flat(column::struct_field(*list.data.child_data[0], 1))) {}
  ListRange operator[](int64_t i) const { return list[i]; }
  // The last entry of row `i` whose key equals row `j` of `key`, or -1.
  int64_t find(int64_t i, const Column& key, int64_t j) const {
    const ListRange r = list[i];
    for (int64_t k = r.end; k > r.begin; --k) {
      if (column::equal_rows(keys, k - 1, key, j)) return k - 1;
    }
    return -1;
  }
};

TypePtr key_type(const TypePtr& map) { return static_cast<const arrow::MapType&>(*map).key_type(); }
TypePtr item_type(const TypePtr& map) { return static_cast<const arrow::MapType&>(*map).item_type(); }

template <Words kName, bool kItem>
arrow::Result<Signature> bind_look_up(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count(kName.text, 2, args.size());
  if (!is_map(*args[0].type)) return bad_arguments(kName.text, "a map and a key", args);
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr key, value_beside(kName.text, key_type(args[0].type), args[1]));
  s.type = kItem ? item_type(args[0].type) : arrow::boolean();
  s.casts = {args[0].type, key};
  s.introduces_nulls = kItem;
  return s;
}

arrow::Result<Column> run_get(const KernelCall& call) {
  const MapArgument map(call.args[0]);
  const Column& key = call.args[1];
  std::vector<int64_t> index(static_cast<size_t>(call.rows), column::kNullIndex);
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) { index[static_cast<size_t>(i)] = map.find(i, key, i); }).status());
  return picked(map.values, index, call.pool);
}

arrow::Result<Column> run_has_key(const KernelCall& call) {
  const MapArgument map(call.args[0]);
  return bool_results(call, [&](int64_t i, bool& out) { out = map.find(i, call.args[1], i) >= 0; });
}

enum class Part { kKeys, kValues };

template <Part kPart>
arrow::Result<Signature> bind_part(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kPart == Part::kKeys ? "map.keys" : "map.values";
  if (args.size() != 1) return wrong_count(name, 1, args.size());
  if (!is_map(*args[0].type)) return bad_arguments(name, "a map", args);
  Signature s;
  s.type = arrow::list(kPart == Part::kKeys ? key_type(args[0].type) : item_type(args[0].type));
  s.casts = {args[0].type};
  return s;
}

template <Part kPart>
arrow::Result<Column> run_part(const KernelCall& call) {
  auto data = std::make_shared<arrow::ArrayData>(*call.args[0].values);
  data->type = call.type;
  data->child_data = {column::struct_field(*data->child_data[0], kPart == Part::kKeys ? 0 : 1)};
  return Column::flat(std::move(data));
}

arrow::Result<Signature> bind_merge(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("map.merge", 2, args.size());
  if (!is_map(*args[0].type) || !args[0].type->Equals(*args[1].type)) return bad_arguments("map.merge", "two maps of one type", args);
  Signature s;
  s.type = args[0].type;
  s.casts = {s.type, s.type};
  return s;
}

// The first map's entries in their order, with the second's values; then the second's new ones.
arrow::Result<Column> run_merge(const KernelCall& call) {
  const MapArgument a(call.args[0]), b(call.args[1]);
  const Column parts[] = {a.list.entries(), b.list.entries()};
  const int64_t lengths[] = {parts[0].values->length, parts[1].values->length};
  ARROW_ASSIGN_OR_RAISE(Column all, column::concat(parts, lengths, call.pool));
  return list_of_picked(call, all, [&](int64_t i, std::vector<int64_t>& out) {
    for (int64_t k = a[i].begin; k < a[i].end; ++k) {
      if (a.find(i, a.keys, k) != k) continue;
      const int64_t newer = b.find(i, a.keys, k);
      out.push_back(newer < 0 ? k : lengths[0] + newer);
    }
    for (int64_t k = b[i].begin; k < b[i].end; ++k) {
      if (b.find(i, b.keys, k) == k && a.find(i, b.keys, k) < 0) out.push_back(lengths[0] + k);
    }
  });
}

arrow::Result<Signature> bind_map(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("map.pack", 2, args.size());
  if (!is_list(*args[0].type) || !is_list(*args[1].type)) return bad_arguments("map.pack", "a list of keys and a list of values", args);
  Signature s;
  s.type = arrow::map(args[0].type->field(0)->type(), args[1].type->field(0)->type());
  s.casts = {args[0].type, args[1].type};
  s.fallible = true;
  return s;
}

arrow::Status bad_map(const KernelCall& call, int64_t row, const char* why) {
  const std::string keys = row_text(call, 0, row);
  return base::data_error(std::string("a map of the keys ") + keys + ": " + why, keys, row);
}

arrow::Result<Column> run_map(const KernelCall& call) {
  const ListArgument keys(call.args[0]), values(call.args[1]);
  const Column key_entries = keys.entries(), value_entries = values.entries();
  std::vector<int64_t> key_index, value_index;
  ARROW_ASSIGN_OR_RAISE(ListEnds ends, ListEnds::make(call.rows, call.pool));
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) -> arrow::Status {
                        const ListRange k = keys[i], v = values[i];
                        if (k.end - k.begin != v.end - v.begin) return bad_map(call, i, "there are more or fewer values");
                        for (int64_t at = k.begin; at < k.end; ++at) {
                          if (column::is_null_at(key_entries, at)) return bad_map(call, i, "a key is NULL");
                          for (int64_t before = k.begin; before < at; ++before) {
                            if (column::equal_rows(key_entries, at, key_entries, before)) return bad_map(call, i, "a key comes twice");
                          }
                          key_index.push_back(at);
                          value_index.push_back(v.begin + (at - k.begin));
                        }
                        return ends.close(i, static_cast<int64_t>(key_index.size()));
                      }).status());
  ARROW_ASSIGN_OR_RAISE(Column key_column, picked(key_entries, key_index, call.pool));
  ARROW_ASSIGN_OR_RAISE(Column value_column, picked(value_entries, value_index, call.pool));
  const auto n = static_cast<int64_t>(key_index.size());
  auto entries = arrow::ArrayData::Make(call.type->field(0)->type(), n, {nullptr}, 0);
  entries->child_data = {key_column.values, value_column.values};
  return ends.finish(call.type, std::move(entries), nullptr);
}

Function nested(const char* name, const char* family, const char* summary, const char* example, decltype(Function::bind) bind,
                decltype(Function::run) run, NullRule nulls = NullRule::kPropagate) {
  return {name, family, summary, example, nulls, true, bind, run};
}

}  // namespace

std::vector<Function> nested_functions() {
  return {
      nested("struct.field", "struct", "a field by its name", "struct(a=1, b='x').struct.field('b') -> 'x'", bind_field, run_field),
      nested("struct.pack", "struct", "a struct of names and values in turn; never NULL itself", "struct(a=1, b='x') -> {'a': 1, 'b': 'x'}",
             bind_struct, run_struct, NullRule::kOwn),
      nested("map.get", "map", "the value of a key; NULL where there is none", "pack_map(list_('a'), list_(1)).map.get('a') -> 1",
             bind_look_up<"map.get", true>, run_get),
      nested("map.contains_key", "map", "whether there is a key", "pack_map(list_('a'), list_(1)).map.contains_key('b') -> false",
             bind_look_up<"map.contains_key", false>, run_has_key),
      nested("map.keys", "map", "the keys as a list", "pack_map(list_('a'), list_(1)).map.keys() -> ['a']", bind_part<Part::kKeys>,
             run_part<Part::kKeys>),
      nested("map.values", "map", "the values as a list", "pack_map(list_('a'), list_(1)).map.values() -> [1]", bind_part<Part::kValues>,
             run_part<Part::kValues>),
      nested("map.merge", "map", "the entries of both, the second's values where both have a key",
             "pack_map(list_('a'), list_(1)).map.merge(pack_map(list_('a', 'b'), list_(2, 3))) -> [('a', 2), ('b', 3)]", bind_merge, run_merge),
      nested("map.pack", "map", "a map of a list of keys and one of values; a NULL key, one that comes twice and lists of two lengths are errors",
             "pack_map(list_('a', 'b'), list_(1, None)) -> [('a', 1), ('b', null)]", bind_map, run_map),
  };
}

}  // namespace gristmill::expr
