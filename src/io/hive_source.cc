// The wrapper: which files, which columns from where, and the part of the predicate that each side can use.

#include "io/hive_source.h"

#include <algorithm>
#include <map>

#include <arrow/array/array_base.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/evaluate.h"
#include "expr/registry.h"
#include "io/files.h"
#include "io/hive_keys.h"

namespace gristmill::io {
namespace {

constexpr size_t kFewFiles = 64;  // of these everything is known when the scan is made

struct HivePlan {
  std::vector<std::string> patterns;
  std::vector<std::string> paths;
  std::vector<std::string> keys;
  std::vector<std::shared_ptr<arrow::DataType>> types;  // of the keys, border types
  std::vector<std::vector<column::Column>> values;      // per file and key: constants
  MakeSource make;
  plan::TableSourcePtr inner;  // over all files, or over the first
  bool inner_is_all = false;
  std::shared_ptr<arrow::Schema> schema;
  std::vector<int> from;  // column of the schema -> column of the inner source, or -1 - key
};

void collect_inputs(const expr::Bound& e, std::vector<int>& inputs) {
  if (e.kind == expr::BoundKind::kInput) inputs.push_back(e.input);
  for (const auto& a : e.args) collect_inputs(*a, inputs);
}

void collect_conjuncts(const expr::BoundPtr& e, std::vector<expr::BoundPtr>& out) {
  if (e->kind == expr::BoundKind::kCall && e->function != nullptr && e->function->name == "and") {
    for (const auto& a : e->args) collect_conjuncts(a, out);
  } else {
    out.push_back(e);
  }
}

expr::BoundPtr moved(const expr::BoundPtr& e, const std::vector<int>& to) {
  auto out = std::make_shared<expr::Bound>(*e);
  if (out->input >= 0) out->input = to[static_cast<size_t>(out->input)];
  if (out->sole_input >= 0) out->sole_input = to[static_cast<size_t>(out->sole_input)];
  for (auto& a : out->args) a = moved(a, to);
  return out;
}

// Output columns of one scan: those of the inner scan, and constants.
struct HiveShape {
  std::vector<int> from;     // output -> output of the inner scan, or -1 - key
  std::vector<size_t> kept;  // files
  std::string detail;
};

class HiveScan final : public plan::Scan {
 public:
  HiveScan(std::shared_ptr<const HivePlan> plan, HiveShape shape, std::shared_ptr<plan::Scan> inner)
      : plan_(std::move(plan)), shape_(std::move(shape)), inner_(std::move(inner)) {}

  int64_t num_morsels() const override { return inner_ == nullptr ? 0 : inner_->num_morsels(); }
  arrow::Result<Next> next(uint64_t seq) override { return inner_->next(seq); }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    return inner_ == nullptr ? std::make_unique<plan::ScanLocal>() : inner_->make_local();
  }
  std::string file_of(int32_t input) const override { return inner_ == nullptr ? "" : inner_->file_of(input); }
  std::string detail() const override {
    const std::string more = inner_ == nullptr ? "" : inner_->detail();
    return shape_.detail + (more.empty() ? "" : ", " + more);
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    return inner_->read(
        seq, local,
        [&](column::Batch batch) {
          const auto file = static_cast<size_t>(batch.origin.input);
          if (batch.origin.input < 0 || file >= shape_.kept.size()) return base::internal_error("a batch that comes from no file");
          std::vector<column::Column> columns;
          for (const int c : shape_.from) columns.push_back(c >= 0 ? batch.columns[c] : plan_->values[shape_.kept[file]][-1 - c]);
          batch.columns = std::move(columns);
          return emit(std::move(batch));
        },
        counts);
  }

 private:
  const std::shared_ptr<const HivePlan> plan_;
  const HiveShape shape_;
  const std::shared_ptr<plan::Scan> inner_;  // null: no file is left
};

class HiveSource final : public plan::TableSource {
 public:
  explicit HiveSource(std::shared_ptr<const HivePlan> plan) : plan_(std::move(plan)) {}
  std::string kind() const override { return "hive"; }
  std::string name() const override { return files_text(plan_->patterns, plan_->paths.size()); }
  std::shared_ptr<arrow::Schema> schema() const override { return plan_->schema; }
  plan::TableEstimate estimate() const override { return plan_->inner_is_all ? plan_->inner->estimate() : plan::TableEstimate{}; }

  std::string to_json() const override {
    JsonWriter json;
    json.add("paths", plan_->paths);
    json.add("keys", plan_->keys);
    std::vector<std::string> types;
    for (const auto& t : plan_->types) types.push_back(column::type_text(*column::canonical_type(t)));
    json.add("types", types);
    json.add("format", plan_->inner->kind());
    json.add("inner", plan_->inner->to_json());
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    HiveShape shape;
    plan::ScanRequest inner = request;
    inner.columns.clear();
    inner.runtime_filters.clear();
    for (const int c : request.columns) {
      shape.from.push_back(plan_->from[c] < 0 ? plan_->from[c] : static_cast<int>(inner.columns.size()));
      if (plan_->from[c] >= 0) inner.columns.push_back(plan_->from[c]);
    }
    for (const auto& [output, filter] : request.runtime_filters) {
      if (shape.from[output] >= 0) inner.runtime_filters.emplace_back(shape.from[output], filter);
    }
    std::vector<expr::BoundPtr> on_keys;
    if (request.predicate != nullptr) split(request.predicate, shape.from, on_keys, inner);
    ARROW_ASSIGN_OR_RAISE(shape.kept, keep(on_keys, shape.from, request));
    shape.detail = "files " + std::to_string(shape.kept.size()) + " of " + std::to_string(plan_->paths.size());
    if (shape.kept.empty()) return std::make_shared<HiveScan>(plan_, std::move(shape), nullptr);
    ARROW_ASSIGN_OR_RAISE(const auto source, source_of(shape.kept));
    ARROW_ASSIGN_OR_RAISE(auto scan, source->open(inner));
    return std::make_shared<HiveScan>(plan_, std::move(shape), std::move(scan));
  }

 private:
  // What reads keys alone decides on files; what reads none of them goes inside; the rest is left to whoever filters after us.
  static void split(const expr::BoundPtr& predicate, const std::vector<int>& from, std::vector<expr::BoundPtr>& on_keys,
                    plan::ScanRequest& inner) {
    std::vector<expr::BoundPtr> conjuncts, inside;
    collect_conjuncts(predicate, conjuncts);
    for (const auto& c : conjuncts) {
      std::vector<int> inputs;
      collect_inputs(*c, inputs);
      const auto is_key = [&](int i) { return from[i] < 0; };
      if (!inputs.empty() && std::all_of(inputs.begin(), inputs.end(), is_key)) {
        on_keys.push_back(c);
      } else if (std::none_of(inputs.begin(), inputs.end(), is_key)) {
        inside.push_back(moved(c, from));
      }
    }
    // A row the inner scan passes may still be refused, unless it got the whole predicate.
    if (inside.size() + on_keys.size() < conjuncts.size()) inner.limit.reset();
    inner.predicate = nullptr;
    for (const auto& c : inside) {
      if (inner.predicate == nullptr) {
        inner.predicate = c;
        continue;
      }
      auto both = std::make_shared<expr::Bound>(*predicate);  // several conjuncts: it is an "and"
      both->args = {inner.predicate, c};
      both->sole_input = -1;
      inner.predicate = std::move(both);
    }
  }

  arrow::Result<std::vector<size_t>> keep(const std::vector<expr::BoundPtr>& on_keys, const std::vector<int>& from,
                                          const plan::ScanRequest& request) const {
    std::vector<size_t> kept;
    expr::Evaluator evaluator(request.memory->pool());
    for (size_t f = 0; f < plan_->paths.size(); ++f) {
      column::Batch one;
      one.rows = 1;
      // Columns of files stand for nothing here; no predicate over keys reads them.
      for (const int c : from) one.columns.push_back(plan_->values[f][c < 0 ? -1 - c : 0]);
      bool may = true;
      for (const auto& p : on_keys) {
        if (!may) break;
        ARROW_ASSIGN_OR_RAISE(const column::Mask mask, evaluator.mask(*p, one));
        may = mask.get(0);
      }
      if (may) kept.push_back(f);
    }
    return kept;
  }

  arrow::Result<plan::TableSourcePtr> source_of(const std::vector<size_t>& kept) const {
    if (plan_->inner_is_all && kept.size() == plan_->paths.size()) return plan_->inner;
    std::vector<std::string> paths;
    for (const size_t f : kept) paths.push_back(plan_->paths[f]);
    ARROW_ASSIGN_OR_RAISE(auto source, plan_->make(paths, plan_->inner->schema().get()));
    for (const auto& f : plan_->inner->schema()->fields()) {
      const auto found = source->schema()->GetFieldByName(f->name());
      const bool same = found != nullptr && column::canonical_type(found->type())->Equals(*column::canonical_type(f->type()));
      if (!same) {
        return base::io_error("mixed schemas: column \"" + f->name() + "\" is not in " + paths[0] + " as it is in " + plan_->paths[0],
                              paths[0]);
      }
    }
    if (source->schema()->field_names() == plan_->inner->schema()->field_names()) return source;
    return base::io_error("mixed schemas: " + paths[0] + " has other columns, or in another order, than " + plan_->paths[0], paths[0]);
  }

  const std::shared_ptr<const HivePlan> plan_;
};

arrow::Status read_keys(HivePlan& plan, const std::vector<HiveKeys>& found, const HiveOptions& options) {
  for (size_t k = 0; k < plan.keys.size(); ++k) {
    std::vector<const HiveValue*> values;
    for (const HiveKeys& keys : found) values.push_back(&keys[k].second);
    const auto given = std::find_if(options.types.begin(), options.types.end(), [&](const auto& t) { return t.first == plan.keys[k]; });
    if (given == options.types.end()) {
      plan.types.push_back(hive_type(values));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto type, column::parse_type(given->second));
    plan.types.push_back(type->id() == arrow::Type::STRING_VIEW ? arrow::utf8() : type);
  }
  for (const auto& [key, type] : options.types) {
    if (std::find(plan.keys.begin(), plan.keys.end(), key) == plan.keys.end())
      return base::plan_error("no folder says anything about \"" + key + "\"", base::suggest_name(key, plan.keys));
  }
  for (size_t f = 0; f < found.size(); ++f) {
    std::vector<column::Column> row;
    for (size_t k = 0; k < plan.keys.size(); ++k) {
      const HiveValue& value = found[f][k].second;
      ARROW_ASSIGN_OR_RAISE(const auto array, hive_array(plan.paths[f], plan.keys[k], value, plan.types[k]));
      if (!value) {
        ARROW_ASSIGN_OR_RAISE(auto null, column::null_column(column::canonical_type(plan.types[k]), arrow::default_memory_pool()));
        row.push_back(std::move(null));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const auto column, column::import_array(array->data(), arrow::default_memory_pool()));
      row.push_back(column::Column::constant(column.values));
    }
    plan.values.push_back(std::move(row));
  }
  return arrow::Status::OK();
}

// Whether every file has the keys of the first; says which has not.
arrow::Status same_keys(const std::vector<std::string>& paths, const std::vector<HiveKeys>& found) {
  const auto names = [](const HiveKeys& keys) {
    std::string out;
    for (const auto& k : keys) out += (out.empty() ? "" : ", ") + k.first;
    return out;
  };
  if (found[0].empty()) return base::io_error("no folder of " + paths[0] + " is named key=value", paths[0]);
  for (size_t f = 1; f < found.size(); ++f) {
    if (names(found[f]) == names(found[0])) continue;
    return base::io_error("mixed folders: those of " + paths[f] + " have the keys (" + names(found[f]) + "), those of " + paths[0] + " (" +
                              names(found[0]) + ")",
                          paths[f]);
  }
  return arrow::Status::OK();
}

arrow::Result<plan::TableSourcePtr> finish(std::shared_ptr<HivePlan> plan, const std::vector<HiveKeys>& found, const HiveOptions& options) {
  for (const auto& [key, value] : found[0]) plan->keys.push_back(key);
  ARROW_RETURN_NOT_OK(read_keys(*plan, found, options));
  plan->inner_is_all = options.look_at_all || plan->paths.size() <= kFewFiles;
  ARROW_ASSIGN_OR_RAISE(plan->inner, plan->make(plan->inner_is_all ? plan->paths : std::vector<std::string>{plan->paths[0]}, nullptr));
  arrow::FieldVector fields;
  const auto& own = plan->inner->schema()->fields();
  for (size_t i = 0; i < own.size(); ++i) {
    if (std::find(plan->keys.begin(), plan->keys.end(), own[i]->name()) != plan->keys.end()) continue;
    fields.push_back(plan->inner_is_all ? own[i] : own[i]->WithNullable(true));
    plan->from.push_back(static_cast<int>(i));
  }
  for (size_t k = 0; k < plan->keys.size(); ++k) {
    fields.push_back(arrow::field(plan->keys[k], plan->types[k]));
    plan->from.push_back(-1 - static_cast<int>(k));
  }
  plan->schema = arrow::schema(std::move(fields));
  return std::make_shared<HiveSource>(std::move(plan));
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_hive(const std::vector<std::string>& patterns, const std::vector<std::string>& extensions,
                                              const StoragePtr& storage, const HiveOptions& options, MakeSource make) {
  if (options.enabled == false) return make(patterns, nullptr);
  ARROW_ASSIGN_OR_RAISE(auto paths, expand_files(patterns, extensions, storage));
  const bool named = paths == patterns;
  if (!options.enabled.has_value() && options.types.empty() && named) return make(patterns, nullptr);
  std::vector<HiveKeys> found;
  for (const std::string& p : paths) found.push_back(hive_keys(p));
  const arrow::Status same = same_keys(paths, found);
  if (!same.ok()) {
    if (options.enabled.has_value() || !options.types.empty()) return same;
    return make(patterns, nullptr);
  }
  auto plan = std::make_shared<HivePlan>();
  plan->patterns = patterns;
  plan->paths = std::move(paths);
  plan->make = std::move(make);
  return finish(std::move(plan), found, options);
}

std::vector<std::pair<std::string, std::string>> types_of(const arrow::Schema& schema) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& f : schema.fields()) out.emplace_back(f->name(), column::type_text(*column::canonical_type(f->type())));
  return out;
}

arrow::Result<plan::TableSourcePtr> make_hive(const JsonReader& json, MakeKind make) {
  auto plan = std::make_shared<HivePlan>();
  HiveOptions options;
  ARROW_ASSIGN_OR_RAISE(plan->paths, json.texts("paths"));
  ARROW_ASSIGN_OR_RAISE(const auto keys, json.texts("keys"));
  ARROW_ASSIGN_OR_RAISE(const auto types, json.texts("types"));
  ARROW_ASSIGN_OR_RAISE(const auto kind, json.text("format"));
  ARROW_ASSIGN_OR_RAISE(const auto inner, json.text("inner"));
  if (plan->paths.empty() || keys.size() != types.size() || !inner.starts_with('{')) return base::plan_error("a damaged hive source");
  for (size_t k = 0; k < keys.size(); ++k) options.types.emplace_back(keys[k], types[k]);
  options.look_at_all = kind == "evolved";
  plan->patterns = plan->paths;
  // The first of two equal names counts.
  plan->make = [kind, inner, make](const std::vector<std::string>& paths, const arrow::Schema* like) {
    JsonWriter first;
    first.add("paths", paths);
    if (like != nullptr) {
      std::vector<std::string> types;
      for (const auto& [name, type] : types_of(*like)) types.push_back(type);
      first.add("like_names", like->field_names());
      first.add("like_types", types);
    }
    const std::string text = first.finish();
    return make(kind, text.substr(0, text.size() - 1) + ", " + inner.substr(1));
  };
  std::vector<HiveKeys> found;
  for (const std::string& p : plan->paths) found.push_back(hive_keys(p));
  ARROW_RETURN_NOT_OK(same_keys(plan->paths, found));
  return finish(std::move(plan), found, options);
}

}  // namespace gristmill::io
