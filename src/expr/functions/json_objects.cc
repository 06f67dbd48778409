// Objects of texts, as labels and tags are: read from JSON or from pairs, cut to some keys, merged.
//
// The result is JSON text in one form only (keys in byte order, each once, no blanks, values text or null), so equal sets of
// entries are equal texts: they group, join and sort as any text.

#include <algorithm>
#include <set>

#include <simdjson.h>

#include <arrow/scalar.h>

#include "expr/functions/families.h"
#include "expr/jsonb_text.h"
#include "expr/plain_object.h"
#include "expr/repeated_texts.h"
#include "expr/row_kernel.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using column::Column;

struct ObjectState final : FunctionState {
  std::set<std::string, std::less<>> keys;  // empty: all
  uint64_t key_sizes = 0;                   // a bit for each size that a key has, the highest for all greater ones
  std::string pair_separator, key_separator, removed;

  static uint64_t size_bit(size_t size) { return uint64_t{1} << std::min<size_t>(size, 63); }
  void keep(std::string key) {
    key_sizes |= size_bit(key.size());
    keys.insert(std::move(key));
  }
  bool keeps(std::string_view key) const { return (key_sizes & size_bit(key.size())) != 0 && keys.contains(key); }
};

// One parser and one padded copy for all rows.
class ObjectReader {
 public:
  arrow::Status read(std::string_view text, int64_t row, std::vector<TextEntry>& entries) {
    padded_.resize(std::max(padded_.size(), text.size() + simdjson::SIMDJSON_PADDING));
    if (!text.empty()) std::memcpy(padded_.data(), text.data(), text.size());
    std::memset(padded_.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
    simdjson::ondemand::document document;
    auto error = parser_.iterate(padded_.data(), text.size(), padded_.size()).get(document);
    if (!error) error = read_text_entries(document, entries);
    if (!error) return arrow::Status::OK();
    const std::string value(text.size() <= 200 ? text : text.substr(0, 200));
    return base::data_error("not a JSON object of texts: \"" + value + "\": " + simdjson::error_message(error), value, row);
  }

 private:
  simdjson::ondemand::parser parser_;
  std::vector<char> padded_;
};

arrow::Result<std::string> constant_text(const char* name, const ArgumentInfo& argument, const char* what) {
  auto text = argument.constant ? text_value(*argument.constant) : std::nullopt;
  if (!text) return base::plan_error(std::string(name) + ": " + what + " must be a constant text");
  return *std::move(text);
}

arrow::Result<Signature> bind_object(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("json.text_object", 1, 0);
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern("json.text_object", "t>t!", args.first(1)));
  auto state = std::make_shared<ObjectState>();
  for (const ArgumentInfo& key : args.subspan(1)) {
    ARROW_ASSIGN_OR_RAISE(std::string name, constant_text("json.text_object", key, "a key to keep"));
    state->keep(std::move(name));
    s.casts.push_back(nullptr);
  }
  s.state = std::move(state);
  return s;
}

// The entries of all texts of a row whose key is kept, as one object; each set of texts is read once a batch.
template <typename Keeps>
arrow::Result<Column> merged_rows(const KernelCall& call, std::span<const TextArgument> texts, Keeps&& keeps) {
  ObjectReader reader;
  RepeatedTexts repeated(texts, call.rows);
  std::vector<TextEntry> entries;
  std::vector<PlainEntry> plain;
  return text_rows(call, [&](int64_t i, std::string& made) -> arrow::Status {
    if (repeated.find(i, made)) return arrow::Status::OK();
    plain.clear();
    if (std::all_of(texts.begin(), texts.end(), [&](const TextArgument& text) { return read_plain_object(text[i], plain); })) {
      std::erase_if(plain, [&](const PlainEntry& e) { return !keeps(e.key); });
      sort_plain_entries(plain);
      append_plain_object(plain, made);
    } else {
      entries.clear();
      for (const TextArgument& text : texts) {
        if (text[i] == "{}") continue;
        ARROW_RETURN_NOT_OK(reader.read(text[i], i, entries));
      }
      std::erase_if(entries, [&](const TextEntry& e) { return !keeps(e.key); });
      sort_entries(entries);
      append_object(entries, made);
    }
    repeated.keep(made);
    return arrow::Status::OK();
  });
}

arrow::Result<Column> run_object(const KernelCall& call) {
  const auto& state = static_cast<const ObjectState&>(*call.state);
  const TextArgument text(call.args[0]);
  return merged_rows(call, {&text, 1}, [&](std::string_view key) { return state.keys.empty() || state.keeps(key); });
}

arrow::Result<Signature> bind_merge(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() < 2) return wrong_count("json.merge_objects", 2, args.size());
  return bind_pattern("json.merge_objects", std::string(args.size(), 't') + ">t!", args);
}

arrow::Result<Column> run_merge(const KernelCall& call) {
  std::vector<TextArgument> texts;
  for (const Column& c : call.args) texts.emplace_back(c);
  return merged_rows(call, texts, [](std::string_view) { return true; });
}

arrow::Result<Signature> bind_pairs(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() < 3 || args.size() > 4) return wrong_count("str.pairs_to_object", 3, args.size());
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern("str.pairs_to_object", "t>t", args.first(1)));
  auto state = std::make_shared<ObjectState>();
  ARROW_ASSIGN_OR_RAISE(state->pair_separator, constant_text("str.pairs_to_object", args[1], "what separates pairs"));
  ARROW_ASSIGN_OR_RAISE(state->key_separator, constant_text("str.pairs_to_object", args[2], "what separates key and value"));
  if (state->pair_separator.empty() || state->key_separator.empty()) return base::plan_error("str.pairs_to_object: a separator is empty");
  if (args.size() == 4) {
    ARROW_ASSIGN_OR_RAISE(state->removed, constant_text("str.pairs_to_object", args[3], "what is removed from keys"));
  }
  s.casts.resize(args.size());
  s.state = std::move(state);
  return s;
}

void remove_all(std::string& text, const std::string& part) {
  if (part.empty()) return;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) text.erase(at, part.size());
}

arrow::Result<Column> run_pairs(const KernelCall& call) {
  const auto& state = static_cast<const ObjectState&>(*call.state);
  const TextArgument text(call.args[0]);
  std::vector<TextEntry> entries;
  return text_rows(call, [&](int64_t i, std::string& made) {
    entries.clear();
    const std::string_view all = text[i];
    for (size_t from = 0; from <= all.size();) {
      const size_t to = std::min(all.find(state.pair_separator, from), all.size());
      const std::string_view piece = all.substr(from, to - from);
      const size_t colon = piece.find(state.key_separator);
      if (colon != std::string_view::npos &&
          piece.find(state.key_separator, colon + state.key_separator.size()) == std::string_view::npos) {
        TextEntry entry{std::string(piece.substr(0, colon)), std::string(piece.substr(colon + state.key_separator.size())), false};
        remove_all(entry.key, state.removed);
        entries.push_back(std::move(entry));
      }
      from = to + state.pair_separator.size();
    }
    sort_entries(entries);
    append_object(entries, made);
  });
}

Function object(const char* name, const char* family, const char* summary, const char* example, decltype(Function::bind) bind,
                decltype(Function::run) run) {
  return {name, family, summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> json_object_functions() {
  return {
      object("json.text_object", "json",
             "a JSON object with its values as text, as PostgreSQL's jsonb prints them, keys in byte order, the last of a repeated one; of "
             "the keys given only, if some are; what is no object is an error",
             "lit('{\"b\": 1e2, \"a\": [1, null]}').json.text_object() -> '{\"a\":\"[1, null]\",\"b\":\"100\"}'", bind_object, run_object),
      object("json.merge_objects", "json", "the entries of several objects as json.text_object, a later one's value where keys are equal",
             "lit('{\"a\": \"1\"}').json.merge_objects('{\"a\": \"2\", \"b\": null}') -> '{\"a\":\"2\",\"b\":null}'", bind_merge,
             run_merge),
      object("str.pairs_to_object", "string",
             "text such as 'k:v|k:v' as a JSON object: pairs and keys by constant separators, the last of a repeated key; pieces without "
             "exactly one key separator are passed over; a fourth text is removed from keys",
             "lit('b:2|x|a:1').str.pairs_to_object('|', ':') -> '{\"a\":\"1\",\"b\":\"2\"}'", bind_pairs, run_pairs),
  };
}

}  // namespace gristmill::expr
