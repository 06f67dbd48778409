// Steps that rename, choose and drop columns. They compute nothing and cannot fail on a row.

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "job/steps/kinds.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;

arrow::Result<int> field_index(const arrow::Schema& schema, const std::string& name) {
  const int i = schema.GetFieldIndex(name);
  if (i < 0) return base::plan_error("no column \"" + name + "\"" + base::suggest_name(name, schema.field_names()));
  return i;
}

std::string list_text(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

// Some of the columns that come, in some order.
class PickColumns : public Transform {
 public:
  arrow::Status process(column::Batch& batch, StepLocal&, RowErrors&) const final {
    std::vector<column::Column> kept;
    kept.reserve(picked_.size());
    for (const int i : picked_) kept.push_back(batch.columns[static_cast<size_t>(i)]);
    batch.columns = std::move(kept);
    return arrow::Status::OK();
  }
  bool computes() const final { return false; }
  bool may_reject() const final { return false; }
  std::vector<bool> needs(const std::vector<bool>& wanted) const final {
    std::vector<bool> out(came_, false);
    for (size_t i = 0; i < picked_.size(); ++i) out[static_cast<size_t>(picked_[i])] = wanted[i];
    return out;
  }

 protected:
  arrow::Result<SchemaPtr> pick(const arrow::Schema& input) {
    came_ = static_cast<size_t>(input.num_fields());
    if (picked_.empty()) return base::plan_error("no column is left");
    arrow::FieldVector fields;
    for (const int i : picked_) fields.push_back(input.field(i));
    return arrow::schema(std::move(fields));
  }
  std::vector<int> picked_;
  size_t came_ = 0;  // columns
};

class SelectColumns final : public PickColumns {
 public:
  explicit SelectColumns(const Settings& settings) : settings_(settings), names_(settings.own_texts()) {}
  std::string name() const override { return "select " + list_text(names_); }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    for (const std::string& n : names_) {
      auto i = field_index(*input, n);
      if (!i.ok()) return settings_.at(i.status());
      if (std::find(picked_.begin(), picked_.end(), *i) != picked_.end()) return settings_.error("column \"" + n + "\" is selected twice");
      picked_.push_back(*i);
    }
    return pick(*input);
  }

 private:
  const Settings settings_;
  const std::vector<std::string> names_;
};

class DropColumns final : public PickColumns {
 public:
  explicit DropColumns(const Settings& settings) : settings_(settings), names_(settings.own_texts()) {}
  std::string name() const override { return "drop " + list_text(names_); }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    for (const std::string& n : names_) {
      if (auto i = field_index(*input, n); !i.ok()) return settings_.at(i.status());
    }
    for (int i = 0; i < input->num_fields(); ++i) {
      if (std::find(names_.begin(), names_.end(), input->field(i)->name()) == names_.end()) picked_.push_back(i);
    }
    auto out = pick(*input);
    return out.ok() ? out : arrow::Result<SchemaPtr>(settings_.at(out.status()));
  }

 private:
  const Settings settings_;
  const std::vector<std::string> names_;
};

class RenameColumns final : public Transform {
 public:
  explicit RenameColumns(const Settings& settings) : settings_(settings), names_(settings.own_names()) {}
  std::string name() const override { return "rename"; }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    arrow::FieldVector fields = input->fields();
    for (const auto& [from, to] : names_) {
      auto i = field_index(*input, from);
      if (!i.ok()) return settings_.at(i.status());
      if (to.empty()) return settings_.error("column \"" + from + "\" would have no name");
      fields[static_cast<size_t>(*i)] = fields[static_cast<size_t>(*i)]->WithName(to);
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (fields[i]->name() == fields[j]->name())
          return settings_.error("two columns would be called \"" + fields[i]->name() + "\"", "rename or drop the other one");
      }
    }
    return arrow::schema(std::move(fields));
  }
  arrow::Status process(column::Batch&, StepLocal&, RowErrors&) const override { return arrow::Status::OK(); }
  std::vector<bool> needs(const std::vector<bool>& wanted) const override { return wanted; }
  bool computes() const override { return false; }
  bool may_reject() const override { return false; }

 private:
  const Settings settings_;
  const std::vector<std::pair<std::string, std::string>> names_;
};

}  // namespace

TransformKind rename_kind() {
  return {{.name = "rename", .kind = ValueKind::kNames, .help = "Gives columns other names: `old: new`."},
          "rename: {cust: customer_id}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<RenameColumns>(s); }};
}

TransformKind select_kind() {
  return {{.name = "select", .kind = ValueKind::kTexts, .help = "Keeps these columns, in this order.", .required = true},
          "select: [customer_id, value]",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<SelectColumns>(s); }};
}

TransformKind drop_kind() {
  return {{.name = "drop", .kind = ValueKind::kTexts, .help = "Leaves these columns out.", .required = true},
          "drop: [internal_note]",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<DropColumns>(s); }};
}

}  // namespace gristmill::job
