// The table's schema from those of its files; scans side by side.

#include "io/evolved_source.h"

#include <algorithm>
#include <mutex>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/bind.h"
#include "expr/evaluate.h"
#include "expr/promotion.h"
#include "expr/registry.h"
#include "io/files.h"

namespace gristmill::io {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;

column::TypePtr inside(const arrow::Field& f) { return column::canonical_type(f.type()); }

// Neighbouring files of one schema.
struct Part {
  plan::TableSourcePtr source;
  std::vector<std::string> paths;
  std::vector<int> from;   // column of the table -> column of the source, or -1
  std::vector<bool> same;  // it has the table's type
};

struct EvolvedPlan {
  SchemaEvolution evolution = SchemaEvolution::kUnion;
  std::vector<std::string> paths;
  SchemaPtr schema;
  std::vector<Part> parts;
};

const char* name_of(SchemaEvolution e) { return e == SchemaEvolution::kFirst ? "first" : "union"; }

void collect_inputs(const expr::Bound& e, std::vector<int>& inputs) {
  if (e.kind == expr::BoundKind::kInput) inputs.push_back(e.input);
  for (const auto& a : e.args) collect_inputs(*a, inputs);
}

// Output columns of one part's scan.
struct Shape {
  struct Output {
    int from = -1;        // output of the part's scan; -1: null
    expr::BoundPtr cast;  // over a batch of that column alone; null: as it is
    column::Column null;
  };
  std::vector<Output> outputs;
  int32_t first_file = 0;
};

class PartLocal final : public plan::ScanLocal {
 public:
  explicit PartLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
  size_t part = 0;
  std::unique_ptr<plan::ScanLocal> inner;  // of that part; null: none yet
};

class EvolvedScan final : public plan::Scan {
 public:
  EvolvedScan(std::shared_ptr<const EvolvedPlan> plan, arrow::MemoryPool* pool) : plan_(std::move(plan)), pool_(pool) {}

  void add(std::shared_ptr<plan::Scan> scan, Shape shape) {
    const int64_t n = scan->num_morsels();
    known_ = known_ && n >= 0;
    if (known_) begins_.push_back(begins_.empty() ? 0 : begins_.back() + sizes_.back());
    sizes_.push_back(std::max<int64_t>(n, 0));
    scans_.push_back(std::move(scan));
    shapes_.push_back(std::move(shape));
  }
  void ready() {
    if (!known_) begins_.assign(1, 0);
  }

  int64_t num_morsels() const override { return !known_ ? -1 : begins_.empty() ? 0 : begins_.back() + sizes_.back(); }
  std::string file_of(int32_t input) const override { return input < 0 || input >= std::ssize(plan_->paths) ? "" : plan_->paths[input]; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<PartLocal>(pool_); }
  std::string detail() const override {
    std::string out = std::to_string(scans_.size()) + " schemas";
    for (const auto& s : scans_) {
      if (const std::string d = s->detail(); !d.empty()) out += ", " + d;
    }
    return out;
  }

  // Where one part's morsels are not known beforehand they are asked for, part after part.
  arrow::Result<Next> next(uint64_t seq) override {
    while (true) {
      const size_t part = asked_;
      if (part == scans_.size()) return Next{true, nullptr};
      const int64_t local = static_cast<int64_t>(seq) - begin_of(part), known = scans_[part]->num_morsels();
      bool end = known >= 0 && local >= known;
      if (known < 0) {
        ARROW_ASSIGN_OR_RAISE(Next n, scans_[part]->next(static_cast<uint64_t>(local)));
        if (n.wait != nullptr) return n;
        end = n.end;
      }
      if (!end) return Next{};
      std::lock_guard lock(mutex_);
      begins_.push_back(static_cast<int64_t>(seq));
      ++asked_;
    }
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    auto& local = static_cast<PartLocal&>(scan_local);
    size_t part = 0;
    int64_t begin = 0;
    {
      std::lock_guard lock(mutex_);
      // The last part that begins at or before; parts without morsels begin where the next one does.
      part = static_cast<size_t>(std::upper_bound(begins_.begin(), begins_.end(), static_cast<int64_t>(seq)) - begins_.begin()) - 1;
      begin = begins_[part];
    }
    if (local.inner == nullptr || local.part != part) {
      ARROW_ASSIGN_OR_RAISE(local.inner, scans_[part]->make_local());
      local.part = part;
    }
    const Shape& shape = shapes_[part];
    const auto shaped = [&](column::Batch batch) -> arrow::Status {
      batch.origin.input += batch.origin.input < 0 ? 0 : shape.first_file;
      return give(shape, local.evaluator, std::move(batch), emit);
    };
    return scans_[part]->read(seq - static_cast<uint64_t>(begin), *local.inner, shaped, counts);
  }

 private:
  // A value that does not fit comes after the rows before it.
  arrow::Status give(const Shape& shape, expr::Evaluator& evaluator, column::Batch batch, const plan::BatchConsumer& emit) const {
    std::vector<column::Column> columns;
    for (const Shape::Output& o : shape.outputs) {
      if (o.from < 0) {
        columns.push_back(o.null);
      } else if (o.cast == nullptr) {
        columns.push_back(batch.columns[o.from]);
      } else {
        column::Batch one;
        one.rows = batch.rows;
        one.selection = batch.selection;
        one.columns.push_back(batch.columns[o.from]);
        auto converted = evaluator.evaluate(*o.cast, one);
        if (!converted.ok()) {
          const auto found = base::error_detail(converted.status());
          const int64_t row = found == nullptr ? -1 : found->batch_row;
          if (row > 0) ARROW_RETURN_NOT_OK(give(shape, evaluator, column::slice(batch, 0, row), emit));
          return at_row(converted.status(), batch.origin);
        }
        columns.push_back(std::move(*converted));
      }
    }
    batch.columns = std::move(columns);
    return batch.selected() > 0 ? emit(std::move(batch)) : arrow::Status::OK();
  }

  // A value that does not fit (of a time, into a finer unit).
  arrow::Status at_row(const arrow::Status& status, const column::Origin& origin) const {
    const auto found = base::error_detail(status);
    if (found == nullptr || found->batch_row < 0) return status;
    base::ErrorDetail d = *found;
    d.row = origin.row_of(d.batch_row);
    d.batch_row = -1;
    d.file = file_of(origin.input);
    return base::with_detail(status, std::move(d));
  }

  int64_t begin_of(size_t part) {
    std::lock_guard lock(mutex_);
    return begins_[part];
  }

  const std::shared_ptr<const EvolvedPlan> plan_;
  arrow::MemoryPool* const pool_;
  std::vector<std::shared_ptr<plan::Scan>> scans_;
  std::vector<Shape> shapes_;
  std::vector<int64_t> sizes_;
  bool known_ = true;
  size_t asked_ = 0;  // by whoever calls next()
  std::mutex mutex_;
  std::vector<int64_t> begins_;  // the first morsel of each part, as far as it is known
};

class EvolvedSource final : public plan::TableSource {
 public:
  explicit EvolvedSource(std::shared_ptr<const EvolvedPlan> plan) : plan_(std::move(plan)) {}
  std::string kind() const override { return "evolved"; }
  std::string name() const override { return files_text({plan_->paths.front()}, plan_->paths.size()); }
  SchemaPtr schema() const override { return plan_->schema; }
  plan::TableEstimate estimate() const override {
    plan::TableEstimate out{0, true, 0};
    for (const Part& p : plan_->parts) {
      const plan::TableEstimate e = p.source->estimate();
      out.exact_rows = out.exact_rows && e.exact_rows;
      out.rows = out.rows && e.rows ? std::optional<int64_t>(*out.rows + *e.rows) : std::nullopt;
      out.bytes = out.bytes && e.bytes ? std::optional<int64_t>(*out.bytes + *e.bytes) : std::nullopt;
    }
    return out;
  }
  std::string to_json() const override {
    JsonWriter json;
    json.add("paths", plan_->paths);
    json.add("evolution", std::string(name_of(plan_->evolution)));
    json.add("format", plan_->parts.front().source->kind());
    json.add("inner", plan_->parts.front().source->to_json());
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    auto scan = std::make_shared<EvolvedScan>(plan_, request.memory->pool());
    int32_t first_file = 0;
    for (const Part& part : plan_->parts) {
      plan::ScanRequest inner = request;
      ARROW_ASSIGN_OR_RAISE(Shape shape, shape_of(part, request, inner));
      shape.first_file = first_file;
      first_file += static_cast<int32_t>(part.paths.size());
      ARROW_ASSIGN_OR_RAISE(auto one, part.source->open(inner));
      scan->add(std::move(one), std::move(shape));
    }
    scan->ready();
    return scan;
  }

 private:
  arrow::Result<Shape> shape_of(const Part& part, const plan::ScanRequest& request, plan::ScanRequest& inner) const {
    Shape shape;
    inner.columns.clear();
    inner.runtime_filters.clear();
    std::vector<int> direct;  // output -> output of the part's scan, where it is the same; else -1
    for (const int c : request.columns) {
      Shape::Output out;
      const arrow::Field& field = *plan_->schema->field(c);
      direct.push_back(-1);
      if (part.from[c] < 0) {
        ARROW_ASSIGN_OR_RAISE(out.null, column::null_column(inside(field), request.memory->pool()));
      } else {
        out.from = static_cast<int>(inner.columns.size());
        inner.columns.push_back(part.from[c]);
        if (part.same[c]) {
          direct.back() = out.from;
        } else {
          const arrow::Schema one({part.source->schema()->field(part.from[c])});
          ARROW_ASSIGN_OR_RAISE(auto value, expr::bind(expr::column(field.name()), one));
          ARROW_ASSIGN_OR_RAISE(out.cast, expr::bind_cast(std::move(value), inside(field)));
        }
      }
      shape.outputs.push_back(std::move(out));
    }
    for (const auto& [output, filter] : request.runtime_filters) {
      if (direct[output] >= 0) inner.runtime_filters.emplace_back(direct[output], filter);
    }
    push(request, direct, inner);
    return shape;
  }

  // What reads columns that are as they are in the files goes inside; whoever filters after us does the rest.
  static void push(const plan::ScanRequest& request, const std::vector<int>& direct, plan::ScanRequest& inner) {
    inner.predicate = nullptr;
    if (request.predicate == nullptr) return;
    std::vector<expr::BoundPtr> conjuncts, inside_ones;
    collect_conjuncts(request.predicate, conjuncts);
    for (const auto& c : conjuncts) {
      std::vector<int> inputs;
      collect_inputs(*c, inputs);
      if (std::all_of(inputs.begin(), inputs.end(), [&](int i) { return direct[i] >= 0; })) inside_ones.push_back(moved(c, direct));
    }
    if (inside_ones.size() < conjuncts.size()) inner.limit.reset();
    for (const auto& c : inside_ones) {
      if (inner.predicate == nullptr) {
        inner.predicate = c;
        continue;
      }
      auto both = std::make_shared<expr::Bound>(*request.predicate);  // several conjuncts: it is an "and"
      both->args = {inner.predicate, c};
      both->sole_input = -1;
      inner.predicate = std::move(both);
    }
  }

  static void collect_conjuncts(const expr::BoundPtr& e, std::vector<expr::BoundPtr>& out) {
    if (e->kind == expr::BoundKind::kCall && e->function != nullptr && e->function->name == "and") {
      for (const auto& a : e->args) collect_conjuncts(a, out);
    } else {
      out.push_back(e);
    }
  }

  static expr::BoundPtr moved(const expr::BoundPtr& e, const std::vector<int>& to) {
    auto out = std::make_shared<expr::Bound>(*e);
    if (out->input >= 0) out->input = to[static_cast<size_t>(out->input)];
    if (out->sole_input >= 0) out->sole_input = to[static_cast<size_t>(out->sole_input)];
    for (auto& a : out->args) a = moved(a, to);
    return out;
  }

  const std::shared_ptr<const EvolvedPlan> plan_;
};

arrow::Status no_type(const std::string& path, const arrow::Field& have, const arrow::Field& want) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kIo;
  d.file = path;
  d.column = have.name();
  return base::with_detail(base::io_error("mixed schemas: column \"" + have.name() + "\" is " + have.type()->ToString() + " in " + path +
                                          ", which does not fit " + want.type()->ToString() + " of the files before"),
                           d);
}

// The table's fields so far and one file more.
arrow::Status unite(arrow::FieldVector& fields, const arrow::Schema& file, const std::string& path, SchemaEvolution evolution, bool first) {
  for (auto& f : fields) {
    const int at = file.GetFieldIndex(f->name());
    if (at < 0) {
      f = f->WithNullable(true);
      continue;
    }
    const arrow::Field& have = *file.field(at);
    if (have.nullable()) f = f->WithNullable(true);
    if (inside(have)->Equals(*inside(*f))) continue;
    const auto common = expr::common_type(inside(*f), inside(have));
    if (common == nullptr || (evolution == SchemaEvolution::kFirst && !common->Equals(*inside(*f)))) return no_type(path, have, *f);
    if (!common->Equals(*inside(*f))) f = f->WithType(common->Equals(*inside(have)) ? have.type() : common);
  }
  if (evolution == SchemaEvolution::kFirst && !first) return arrow::Status::OK();
  for (const auto& have : file.fields()) {
    const bool known = std::any_of(fields.begin(), fields.end(), [&](const auto& f) { return f->name() == have->name(); });
    if (!known) fields.push_back(first ? have : have->WithNullable(true));
  }
  return arrow::Status::OK();
}

bool same_fields(const arrow::Schema& a, const arrow::Schema& b) {
  if (a.num_fields() != b.num_fields()) return false;
  for (int i = 0; i < a.num_fields(); ++i) {
    if (a.field(i)->name() != b.field(i)->name() || !inside(*a.field(i))->Equals(*inside(*b.field(i)))) return false;
  }
  return true;
}

arrow::Status check_like(const arrow::Schema& like, const arrow::Schema& file, const std::string& path) {
  for (const auto& f : like.fields()) {
    const int at = file.GetFieldIndex(f->name());
    if (at < 0 || inside(*file.field(at))->Equals(*inside(*f))) continue;
    const auto common = expr::common_type(inside(*f), inside(*file.field(at)));
    if (common == nullptr || !common->Equals(*inside(*f))) return no_type(path, *file.field(at), *f);
  }
  return arrow::Status::OK();
}

void align(Part& part, const arrow::Schema& table) {
  for (const auto& f : table.fields()) {
    const int at = part.source->schema()->GetFieldIndex(f->name());
    part.from.push_back(at);
    part.same.push_back(at >= 0 && inside(*part.source->schema()->field(at))->Equals(*inside(*f)));
  }
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_evolved(const std::vector<std::string>& paths, SchemaEvolution evolution,
                                                 const arrow::Schema* like, MakeSource make) {
  if (evolution == SchemaEvolution::kStrict) return make(paths, like);
  if (paths.size() > 1) {  // mostly they are all alike
    auto alike = make(paths, nullptr);
    if (alike.ok() && (like == nullptr || same_fields(*(*alike)->schema(), *like))) return alike;
  }
  auto plan = std::make_shared<EvolvedPlan>();
  plan->evolution = evolution;
  plan->paths = paths;
  arrow::FieldVector fields;
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(auto source, make({path}, nullptr));
    const auto schema = source->schema();
    if (like != nullptr) {
      ARROW_RETURN_NOT_OK(check_like(*like, *schema, path));
    } else {
      ARROW_RETURN_NOT_OK(unite(fields, *schema, path, evolution, plan->parts.empty()));
    }
    if (!plan->parts.empty() && same_fields(*plan->parts.back().source->schema(), *schema)) {
      plan->parts.back().paths.push_back(path);
    } else {
      plan->parts.push_back({std::move(source), {path}, {}, {}});
    }
  }
  plan->schema = like != nullptr ? arrow::schema(like->fields()) : arrow::schema(std::move(fields));
  for (Part& part : plan->parts) {
    if (part.paths.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(part.source, make(part.paths, nullptr));
    }
    align(part, *plan->schema);
  }
  return std::make_shared<EvolvedSource>(std::move(plan));
}

arrow::Result<plan::TableSourcePtr> make_evolved(const JsonReader& json, MakeKind make) {
  ARROW_ASSIGN_OR_RAISE(const auto paths, json.texts("paths"));
  ARROW_ASSIGN_OR_RAISE(const auto evolution, json.text("evolution"));
  ARROW_ASSIGN_OR_RAISE(const auto kind, json.text("format"));
  ARROW_ASSIGN_OR_RAISE(const auto inner, json.text("inner"));
  if (paths.empty() || !inner.starts_with('{')) return base::plan_error("a damaged source of files with several schemas");
  ARROW_ASSIGN_OR_RAISE(const auto names, json.texts("like_names"));
  ARROW_ASSIGN_OR_RAISE(const auto types, json.texts("like_types"));
  if (names.size() != types.size()) return base::plan_error("a damaged source of files with several schemas");
  arrow::FieldVector like;
  for (size_t i = 0; i < names.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto type, column::parse_type(types[i]));
    like.push_back(arrow::field(names[i], std::move(type)));
  }
  const SchemaPtr table = names.empty() ? nullptr : arrow::schema(std::move(like));
  // The first of two equal names counts.
  const auto one = [kind, inner, make](const std::vector<std::string>& some, const arrow::Schema*) {
    JsonWriter first;
    first.add("paths", some);
    const std::string text = first.finish();
    return make(kind, text.substr(0, text.size() - 1) + ", " + inner.substr(1));
  };
  return scan_evolved(paths, evolution == "first" ? SchemaEvolution::kFirst : SchemaEvolution::kUnion, table.get(), one);
}

}  // namespace gristmill::io
