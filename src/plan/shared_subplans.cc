// Finding parts, cutting them out, and narrowing each to what its users want.

#include "plan/shared_subplans.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/user_function.h"
#include "plan/explain.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/shared_scans.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

// Errors over kept rows name no row of a file: these are rows of no file.
class RowsOfNoFile final : public Scan {
 public:
  explicit RowsOfNoFile(std::shared_ptr<Scan> scan) : scan_(std::move(scan)) {}
  int64_t num_morsels() const override { return scan_->num_morsels(); }
  arrow::Result<Next> next(uint64_t seq) override { return scan_->next(seq); }
  arrow::Result<std::unique_ptr<ScanLocal>> make_local() override { return scan_->make_local(); }
  arrow::Status read(uint64_t seq, ScanLocal& local, const BatchConsumer& emit, ScanCounts& counts) override {
    const auto bare = [&emit](column::Batch batch) {
      batch.origin = column::Origin{};
      return emit(std::move(batch));
    };
    return scan_->read(seq, local, bare, counts);
  }
  bool filters_exactly() const override { return scan_->filters_exactly(); }
  std::string detail() const override { return scan_->detail(); }

 private:
  const std::shared_ptr<Scan> scan_;
};

// One pointer for equal nodes over equal inputs ----------------------------------------------------------------------

bool rereadable(const std::string& kind) { return kind == "parquet" || kind == "ipc" || kind == "csv" || kind == "ndjson"; }

// A user's function may answer differently each time, and two of one name are not the same: only the very same node is the same then.
bool calls_user(const Plan& p) {
  const auto calls = [](const NodePtr& e) { return e != nullptr && expr::calls_user_function(*e); };
  const auto named = [&](const NamedExpr& e) { return calls(e.expr); };
  const auto sorted = [&](const SortBy& k) { return calls(k.expr); };
  return std::any_of(p.exprs.begin(), p.exprs.end(), named) || std::any_of(p.aggregates.begin(), p.aggregates.end(), named) ||
         std::any_of(p.sort.begin(), p.sort.end(), sorted) || std::any_of(p.left_keys.begin(), p.left_keys.end(), calls) ||
         std::any_of(p.right_keys.begin(), p.right_keys.end(), calls) || calls(p.predicate) || calls(p.residual) || calls(p.asof.left_on) ||
         calls(p.asof.right_on);
}

class Canonical {
 public:
  arrow::Result<PlanPtr> of(const PlanPtr& p) {
    if (const auto it = seen_.find(p.get()); it != seen_.end()) return it->second;
    std::vector<PlanPtr> inputs;
    std::string key;
    bool changed = false;
    for (const PlanPtr& in : p->inputs) {
      ARROW_ASSIGN_OR_RAISE(PlanPtr one, of(in));
      key += std::to_string(reinterpret_cast<uintptr_t>(one.get())) + ' ';
      changed = changed || one != in;
      inputs.push_back(std::move(one));
    }
    PlanPtr node = p;
    if (changed) {
      ARROW_ASSIGN_OR_RAISE(node, with_inputs(*p, std::move(inputs)));
    }
    if (p->kind == PlanKind::kScan && !rereadable(p->source->kind())) {
      key += std::to_string(reinterpret_cast<uintptr_t>(p->source.get()));
    } else if (p->kind == PlanKind::kScan) {
      const TableEstimate e = p->source->estimate();  // files replaced between two looks at them
      key += p->source->name() + ' ' + std::to_string(e.rows.value_or(-1)) + ' ' + std::to_string(e.bytes.value_or(-1));
    }
    if (!calls_user(*p)) node = by_key_.try_emplace(key + node_key(*p) + p->schema->ToString(), node).first->second;
    seen_.emplace(p.get(), node);
    kept_.push_back(p);
    return node;
  }

 private:
  std::unordered_map<const Plan*, PlanPtr> seen_;
  std::unordered_map<std::string, PlanPtr> by_key_;
  std::vector<PlanPtr> kept_;  // addresses stay taken
};

// Cutting ------------------------------------------------------------------------------------------------------------

// A sort alone is left to its users: a limit over it needs few of its rows.
bool works(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kAggregate:
    case PlanKind::kJoin:
    case PlanKind::kWindow: return true;
    default: return std::any_of(p.inputs.begin(), p.inputs.end(), [](const PlanPtr& in) { return works(*in); });
  }
}

// Groups and windows cost more to compute than their rows to keep.
bool dear(const Plan& p) {
  return p.kind == PlanKind::kAggregate || p.kind == PlanKind::kWindow ||
         std::any_of(p.inputs.begin(), p.inputs.end(), [](const PlanPtr& in) { return dear(*in); });
}

// A row kept is written and read again, which costs about what two rows cost that are read and joined.
bool worth_keeping(const Plan& optimised) {
  if (dear(optimised)) return true;
  const auto gives = estimate_rows(optimised).likely, reads = source_rows(optimised);
  return gives && reads && *gives <= *reads / 2;
}

class Cutter {
 public:
  explicit Cutter(SharedPlan& out) : out_(out) {}

  void count(const Plan& p) {
    if (++readers_[&p] > 1) return;
    for (const PlanPtr& in : p.inputs) count(*in);
  }

  arrow::Result<PlanPtr> cut(const PlanPtr& p) {
    if (const auto it = done_.find(p.get()); it != done_.end()) return it->second;
    std::vector<PlanPtr> inputs;
    bool changed = false;
    for (const PlanPtr& in : p->inputs) {
      ARROW_ASSIGN_OR_RAISE(PlanPtr one, cut(in));
      changed = changed || one != in;
      inputs.push_back(std::move(one));
    }
    PlanPtr node = p;
    if (changed) {
      ARROW_ASSIGN_OR_RAISE(node, with_inputs(*p, std::move(inputs)));
    }
    if (readers_[p.get()] > 1 && works(*node)) {
      ARROW_ASSIGN_OR_RAISE(const PlanPtr alone, optimize(node));
      if (worth_keeping(*alone)) {
        auto rows = std::make_shared<SharedRows>(static_cast<int>(out_.parts.size()) + 1, *alone);
        out_.parts.push_back({node, rows});
        ARROW_ASSIGN_OR_RAISE(node, make_scan(rows));
      }
    }
    done_.emplace(p.get(), node);
    return node;
  }

 private:
  SharedPlan& out_;
  std::unordered_map<const Plan*, int> readers_;
  std::unordered_map<const Plan*, PlanPtr> done_;
};

// What the users of a part read of it --------------------------------------------------------------------------------

struct Wants {
  std::set<std::string> columns;
  std::vector<NodePtr> filters;  // different ones
  bool all_filter = true, ordered = false;
};

void collect_wants(const Plan& p, const SharedRows& rows, std::set<const Plan*>& seen, Wants& wants) {
  if (!seen.insert(&p).second) return;
  if (p.kind == PlanKind::kScan && p.source.get() == &rows) {
    wants.ordered = wants.ordered || p.ordered;
    for (const auto& f : p.schema->fields()) wants.columns.insert(f->name());
    if (p.predicate == nullptr) {
      wants.all_filter = false;
      return;
    }
    NameSet used;
    add_columns(*p.predicate, used);
    wants.columns.insert(used.begin(), used.end());
    const auto known = [&](const NodePtr& e) { return expr::text(*e) == expr::text(*p.predicate); };
    if (std::none_of(wants.filters.begin(), wants.filters.end(), known)) wants.filters.push_back(p.predicate);
  }
  for (const PlanPtr& in : p.inputs) collect_wants(*in, rows, seen, wants);
}

arrow::Result<PlanPtr> narrowed(const PlanPtr& part, const Wants& wants) {
  PlanPtr out = part;
  if (wants.all_filter && !wants.filters.empty()) {
    NodePtr any = wants.filters[0];
    for (size_t i = 1; i < wants.filters.size(); ++i) any = expr::call("or", {any, wants.filters[i]});
    ARROW_ASSIGN_OR_RAISE(out, filter_node(std::move(out), std::move(any)));
  }
  std::vector<std::string> kept;
  for (const auto& f : part->schema->fields()) {
    if (wants.columns.contains(f->name())) kept.push_back(f->name());
  }
  if (kept.empty()) kept.push_back(part->schema->field(0)->name());  // only how many rows there are is wanted
  if (kept.size() == static_cast<size_t>(part->schema->num_fields())) return out;
  return keep_columns(std::move(out), kept);
}

// From the root down, as long as there is one way.
std::vector<PlanPtr> way_down(const PlanPtr& root) {
  std::vector<PlanPtr> out = {root};
  while (out.back()->inputs.size() == 1) out.push_back(out.back()->inputs[0]);
  return out;
}

// The first node from the top that is in all plans: the same one, not an equal one.
PlanPtr common_node(const std::vector<PlanPtr>& plans) {
  for (const PlanPtr& node : way_down(plans[0])) {
    const auto has = [&](const PlanPtr& plan) {
      const std::vector<PlanPtr> way = way_down(plan);
      return std::find(way.begin(), way.end(), node) != way.end();
    };
    if (std::all_of(plans.begin(), plans.end(), has)) return node;
  }
  return nullptr;
}

arrow::Result<PlanPtr> replaced(const PlanPtr& p, const PlanPtr& node, const PlanPtr& by) {
  if (p == node) return by;
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, replaced(p->inputs[0], node, by));
  return with_inputs(*p, {std::move(below)});
}

// A scan of `rows`, then filters and projections, then a grouping, then anything.
bool groups_rows_of(const PlanPtr& plan, const SharedRows& rows) {
  const std::vector<PlanPtr> way = way_down(plan);
  if (way.back()->kind != PlanKind::kScan || way.back()->source.get() != &rows || way.back()->scan_limit) return false;
  for (auto node = way.rbegin() + 1; node != way.rend(); ++node) {
    if ((*node)->kind == PlanKind::kAggregate) return true;
    if ((*node)->kind != PlanKind::kFilter && (*node)->kind != PlanKind::kProject) return false;
  }
  return false;
}

bool one_path(const Plan& p) { return p.inputs.empty() || (p.inputs.size() == 1 && one_path(*p.inputs[0])); }

}  // namespace

SharedRows::SharedRows(int number, const Plan& part) : number_(number), schema_(part.schema) {
  estimate_.rows = estimate_rows(part).likely;
}

std::string SharedRows::name() const { return "shared #" + std::to_string(number_); }

arrow::Result<std::shared_ptr<Scan>> SharedRows::open(const ScanRequest& request) const {
  if (rows_ == nullptr) return base::internal_error(name() + " is read before it was computed");
  ScanRequest mapped = request;
  for (int& c : mapped.columns) {
    ARROW_ASSIGN_OR_RAISE(c, find_column(*rows_->schema(), schema_->field(c)->name()));
  }
  ARROW_ASSIGN_OR_RAISE(auto scan, rows_->open(mapped));
  return std::make_shared<RowsOfNoFile>(std::move(scan));
}

arrow::Result<SharedPlan> optimize_shared(const PlanPtr& plan, bool ordered) {
  SharedPlan out;
  PlanPtr main = plan;
  if (!one_path(*plan)) {
    ARROW_ASSIGN_OR_RAISE(main, Canonical().of(plan));
    Cutter cutter(out);
    cutter.count(*main);
    ARROW_ASSIGN_OR_RAISE(main, cutter.cut(main));
  }
  ARROW_ASSIGN_OR_RAISE(out.main, optimize(std::move(main), ordered));
  ARROW_ASSIGN_OR_RAISE(main, share_scans(out.main));
  if (main != out.main) {
    Cutter cutter(out);
    cutter.count(*main);
    ARROW_ASSIGN_OR_RAISE(main, cutter.cut(main));
    ARROW_ASSIGN_OR_RAISE(out.main, optimize(std::move(main), ordered));
  }
  for (size_t i = out.parts.size(); i-- > 0;) {  // its users are known by then
    Wants wants;
    std::set<const Plan*> seen;
    collect_wants(*out.main, *out.parts[i].rows, seen, wants);
    for (size_t user = i + 1; user < out.parts.size(); ++user) collect_wants(*out.parts[user].plan, *out.parts[i].rows, seen, wants);
    ARROW_ASSIGN_OR_RAISE(PlanPtr part, narrowed(out.parts[i].plan, wants));
    ARROW_ASSIGN_OR_RAISE(out.parts[i].plan, optimize(std::move(part), wants.ordered));
  }
  return out;
}

arrow::Result<TogetherPlan> optimize_together(const std::vector<PlanPtr>& plans, bool ordered) {
  const PlanPtr common = plans.size() < 2 ? nullptr : common_node(plans);
  if (common == nullptr) return TogetherPlan{};
  TogetherPlan out;
  out.rows = std::make_shared<SharedRows>(1, *common);
  ARROW_ASSIGN_OR_RAISE(const PlanPtr scan, make_scan(out.rows));
  Wants wants;
  for (const PlanPtr& plan : plans) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr user, replaced(plan, common, scan));
    ARROW_ASSIGN_OR_RAISE(user, optimize(std::move(user), ordered));
    if (!groups_rows_of(user, *out.rows)) return TogetherPlan{};
    std::set<const Plan*> seen;
    collect_wants(*user, *out.rows, seen, wants);
    out.users.push_back(std::move(user));
  }
  ARROW_ASSIGN_OR_RAISE(out.common, narrowed(common, wants));
  ARROW_ASSIGN_OR_RAISE(out.common, optimize(std::move(out.common), wants.ordered));
  return out;
}

std::string explain(const SharedPlan& plan) {
  std::string out = explain_with_guesses(*plan.main);
  for (const SharedPart& part : plan.parts) out += part.rows->name() + ", computed once:\n" + explain_with_guesses(*part.plan);
  return out;
}

}  // namespace gristmill::plan
