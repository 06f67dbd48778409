// gristmill schema FILE...

#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "column/types.h"

namespace gristmill::cli {

arrow::Status run_schema(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(const Frame frame, open_inputs(command.operands, command.format));
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  arrow::StringBuilder names, types;
  arrow::BooleanBuilder nullable;
  for (const auto& f : schema->fields()) {
    ARROW_RETURN_NOT_OK(names.Append(f->name()));
    ARROW_RETURN_NOT_OK(types.Append(column::type_text(*column::canonical_type(f->type()))));
    ARROW_RETURN_NOT_OK(nullable.Append(f->nullable()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto n, names.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto t, types.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto b, nullable.Finish());
  const auto columns = arrow::schema({arrow::field("column", arrow::utf8(), false), arrow::field("type", arrow::utf8(), false),
                                      arrow::field("nullable", arrow::boolean(), false)});
  Command all = command;
  all.limit = schema->num_fields();
  return print_rows(from_arrow(arrow::Table::Make(columns, {n, t, b})), all);
}

}  // namespace gristmill::cli
