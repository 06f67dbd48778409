// Casts: columns keep their names and places and become other types, by a type's name or a form (cast_forms.h).

#include <arrow/type.h>

#include "base/status.h"
#include "expr/node.h"
#include "job/steps/cast_forms.h"
#include "job/steps/compute.h"
#include "job/steps/kinds.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;

class CastColumns final : public ComputedStep {
 public:
  using ComputedStep::ComputedStep;
  std::string name() const override { return named("cast"); }

 protected:
  arrow::Result<std::vector<ComputedColumns::Column>> columns(const arrow::Schema& input) const override {
    std::vector<ComputedColumns::Column> columns;
    for (const auto& [name, to] : settings_.own_names()) {
      const auto field = input.GetFieldByName(name);
      if (field == nullptr) return settings_.error("no column \"" + name + "\"" + base::suggest_name(name, input.field_names()));
      auto node = cast_expression(to, expr::column(name), field->type());
      if (!node.ok()) return settings_.at(node.status());
      columns.push_back({name, std::move(*node), nullptr});
    }
    return columns;
  }
};

// Values inside JSON text as columns: name: "TYPE from PATH".
class JsonValues final : public ComputedStep {
 public:
  using ComputedStep::ComputedStep;
  std::string name() const override { return "json " + settings_.text("column"); }

 protected:
  arrow::Result<std::vector<ComputedColumns::Column>> columns(const arrow::Schema& input) const override {
    const std::string source = settings_.text("column");
    const auto field = input.GetFieldByName(source);
    if (field == nullptr)
      return settings_.error_at("column", "no column \"" + source + "\"" + base::suggest_name(source, input.field_names()));
    if (!column::is_text(*column::canonical_type(field->type())))
      return settings_.error_at("column", "column \"" + source + "\" is " + column::type_text(*field->type()) + ", not JSON text",
                                "fields of a struct column are written column.field in expressions");
    const std::string function = settings_.boolean("lenient") ? "json.try_parse" : "json.parse";
    std::vector<ComputedColumns::Column> columns;
    for (const auto& [name, form] : settings_.names("fields")) {
      const size_t from = form.find(" from ");
      const std::string type = from == std::string::npos ? "string" : form.substr(0, from);
      std::string path = from == std::string::npos ? form : form.substr(from + 6);
      if (!path.starts_with('$')) path = path.starts_with('[') ? "$" + path : "$." + path;
      if (auto known = column::parse_type(type); !known.ok()) return settings_.error_at("fields", known.status().message());
      const bool text = type == "string";
      columns.push_back({name,
                         text ? expr::call("json.extract", {expr::column(source), expr::literal(std::string_view(path))})
                              : expr::call(function, {expr::column(source), expr::literal(std::string_view(type)),
                                                      expr::literal(std::string_view(path))}),
                         nullptr});
    }
    return columns;
  }
};

}  // namespace

TransformKind cast_kind() {
  return {{.name = "cast",
           .kind = ValueKind::kNames,
           .help = "Gives columns other types: `column: type`, or a form `X from Y`.",
           .required = true},
          "cast: {timestamp: \"unix_seconds from rfc3339\", amount: \"decimal(12,2)\"}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<CastColumns>(s); }};
}

TransformKind json_kind() {
  return {{.name = "json",
           .kind = ValueKind::kSection,
           .help = "Reads values out of JSON text into columns.",
           .keys = {{.name = "column", .help = "The column with the text.", .required = true},
                    {.name = "fields",
                     .kind = ValueKind::kNames,
                     .help = "`name: PATH` for text, `name: TYPE from PATH` for other types; a path is like user.tags[0].",
                     .required = true},
                    {.name = "lenient",
                     .kind = ValueKind::kBoolean,
                     .help = "What does not fit is NULL instead of an error of its row.",
                     .fallback = "false"}}},
          "json: {column: payload, fields: {user_id: \"int64 from user.id\", city: \"user.address.city\"}}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<JsonValues>(s); }};
}

}  // namespace gristmill::job
