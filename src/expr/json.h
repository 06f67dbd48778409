// Expressions as JSON and back: node.h's to_json and its inverse.
//
//   {"col": "fare"}   {"lit": {"type": "int64", "value": 3}, "untyped": true}   {"call": "add", "args": [...], "options": [...]}
//   {"cast": {...}, "to": "int32", "lenient": true}   {"agg": "sum", "args": [...], "filter": {...}}   {"alias": "x", "of": {...}}
//
// A type outside the schema strings (utf8, dictionary, ...) and values of such types travel as Arrow IPC in hexadecimal, so
// every literal comes back with its exact type and bits.
#pragma once

#include <string>
#include <string_view>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/node.h"

namespace simdjson::dom {
class element;
}

namespace gristmill::expr {

// Malformed text is a plan error that says what was expected.
arrow::Result<NodePtr> from_json(std::string_view text);
arrow::Result<NodePtr> from_json(const simdjson::dom::element& element);

// For the plan around expressions: a JSON string with quotes, and exact types and scalars.
std::string json_string(std::string_view s);
std::string type_to_json(const arrow::DataType& type);
arrow::Result<std::shared_ptr<arrow::DataType>> type_from_json(const simdjson::dom::element& element);
std::string scalar_to_json(const arrow::Scalar& value);
arrow::Result<std::shared_ptr<arrow::Scalar>> scalar_from_json(const simdjson::dom::element& element);

}  // namespace gristmill::expr
