// Stored tables, and where a name is looked for: given tables, the session, variables, files.

#include "sql/catalog.h"

#include <algorithm>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "sql/files.h"
#include "sql/lower_select.h"
#include "sql/scope.h"

namespace gristmill::sqltext {
namespace {

template <typename Map>
auto find_in(Map& map, const std::string& name) {
  auto exact = map.find(name);
  if (exact != map.end()) return exact;
  auto found = map.end();
  for (auto it = map.begin(); it != map.end(); ++it) {
    if (!equal_ignoring_case(it->first, name)) continue;
    if (found != map.end()) return map.end();
    found = it;
  }
  return found;
}

// Null for none.
arrow::Result<const Frame*> find_frame(const std::vector<std::pair<std::string, Frame>>& tables, const std::string& name) {
  for (const bool exact : {true, false}) {
    const Frame* found = nullptr;
    for (const auto& [known, frame] : tables) {
      if (exact ? known != name : !equal_ignoring_case(known, name)) continue;
      if (found) return base::plan_error("table \"" + name + "\" is ambiguous");
      found = &frame;
    }
    if (found) return found;
  }
  return nullptr;
}

class Lookup {
 public:
  Lookup(Catalog& catalog, const SqlInput& input) : catalog_(catalog), input_(input) {}

  arrow::Result<Query> find(const std::string& name) {
    ARROW_ASSIGN_OR_RAISE(const Frame* frame, find_frame(input_.tables, name));
    if (!frame) {
      if (const StoredTable* table = catalog_.find_table(name)) frame = &table->frame();
    }
    if (!frame) {
      if (const View* view = catalog_.find_view(name)) return lower_view(name, *view);
      ARROW_ASSIGN_OR_RAISE(frame, find_frame(input_.variables, name));
    }
    if (frame) {
      ARROW_ASSIGN_OR_RAISE(auto plan, frame->plan());
      return query_over(std::move(plan));
    }
    std::vector<std::string> known = catalog_.names();
    for (const auto& t : input_.tables) known.push_back(t.first);
    for (const auto& t : input_.variables) known.push_back(t.first);
    ARROW_ASSIGN_OR_RAISE(auto plan, scan_file(name, known));
    return query_over(std::move(plan));
  }

 private:
  arrow::Result<Query> lower_view(const std::string& name, const View& view) {
    if (std::find(open_.begin(), open_.end(), &view) != open_.end()) return base::plan_error("view \"" + name + "\" reads itself");
    open_.push_back(&view);
    view.text->set_now(catalog_.now);
    auto query = lower_query(*view.select, *view.text, [this](const std::string& inner) { return find(inner); });
    open_.pop_back();
    ARROW_RETURN_NOT_OK(query.status());
    for (size_t i = 0; i < view.names.size() && i < query->names.size(); ++i) query->names[i] = view.names[i];
    query->unknown.assign(query->names.size(), false);
    return query;
  }

  Catalog& catalog_;
  const SqlInput& input_;
  std::vector<const View*> open_;
};

}  // namespace

arrow::Result<StoredTable> StoredTable::make(std::shared_ptr<arrow::Schema> schema) {
  StoredTable out{Frame(base::plan_error("an empty table"))};
  out.schema_ = std::move(schema);
  ARROW_RETURN_NOT_OK(out.refresh());
  return out;
}

StoredTable StoredTable::of(Frame frame) {
  StoredTable out(std::move(frame));
  if (out.frame_.plan().ok()) out.schema_ = (*out.frame_.plan())->schema;
  out.fixed_ = true;
  return out;
}

int64_t StoredTable::rows() const {
  if (fixed_) return -1;
  int64_t n = 0;
  for (const Table& t : parts_) n += t.num_rows();
  return n;
}

arrow::Status StoredTable::append(Table rows, const ParallelOptions& options, const Cancellation& cancel) {
  if (rows.num_rows() == 0) return arrow::Status::OK();
  const auto before = parts_;
  parts_.push_back(std::move(rows));
  while (parts_.size() > 1 && parts_[parts_.size() - 2].num_rows() <= 2 * parts_.back().num_rows()) {
    const Frame both = parts_[parts_.size() - 2].lazy().union_with({parts_.back().lazy()});
    ParallelOptions in_order = options;
    in_order.ordered = true;
    auto one = both.collect(in_order, cancel);
    if (!one.ok()) {
      parts_ = before;
      return one.status();
    }
    parts_.pop_back();
    parts_.back() = std::move(*one);
  }
  return refresh();
}

arrow::Status StoredTable::refresh() {
  if (parts_.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto empty, arrow::Table::MakeEmpty(schema_));
    frame_ = from_arrow(std::move(empty));
  } else {
    std::vector<Frame> others;
    for (size_t i = 1; i < parts_.size(); ++i) others.push_back(parts_[i].lazy());
    frame_ = others.empty() ? parts_[0].lazy() : parts_[0].lazy().union_with(std::move(others));
  }
  return frame_.plan().status();
}

StoredTable* Catalog::find_table(const std::string& name) {
  const auto found = find_in(tables, name);
  return found == tables.end() ? nullptr : &found->second;
}

const View* Catalog::find_view(const std::string& name) const {
  const auto found = find_in(views, name);
  return found == views.end() ? nullptr : &found->second;
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> out;
  for (const auto& [name, t] : tables) out.push_back(name);
  for (const auto& [name, v] : views) out.push_back(name);
  return out;
}

TableLookup lookup_in(Catalog& catalog, const SqlInput& input) {
  const auto lookup = std::make_shared<Lookup>(catalog, input);
  return [lookup](const std::string& name) { return lookup->find(name); };
}

}  // namespace gristmill::sqltext
