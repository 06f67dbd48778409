// The three small tables beside the usage, from CSV files or from the tenant's schema.
#pragma once

#include <string>

#include <arrow/result.h>

#include "cost.h"
#include "gristmill/connect.h"

namespace ocp {

// keys: key, enabled, provider_type; categories: namespace, cost_category_id; nodes: node, resource_id, node_role. `\N` is NULL. An empty
// name is a table without rows.
arrow::Result<Reference> read_reference(const std::string& keys, const std::string& categories, const std::string& nodes);

// The same where a file is named, else from reporting_enabledtagkeys, reporting_ocp_cost_category_namespace and reporting_ocp_nodes.
arrow::Result<Reference> read_reference(gristmill::PostgresTransaction& tx, const std::string& schema, const std::string& keys,
                                        const std::string& categories, const std::string& nodes);

// "schema"."table" as PostgreSQL reads it exactly.
std::string quoted_name(const std::string& schema, const std::string& table);

}  // namespace ocp
