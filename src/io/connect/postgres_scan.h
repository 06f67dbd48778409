// The table source over a query that PostgreSQL answers.
//
// The query runs anew whenever the source is opened, in a read-only transaction that sees one snapshot; only the columns asked for are
// selected, and a limit goes with them. Readers are threads of their own, a few chunks ahead of the workers, which decode.
// Rows come in one order whatever the number of workers: the server's, with its parallel plans and synchronised scans switched off.
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>

#include "gristmill/postgres.h"
#include "io/connect/postgres_session.h"
#include "plan/table_source.h"

namespace gristmill::io {

arrow::Result<plan::TableSourcePtr> scan_postgres(const std::string& connection, std::string query, PostgresScanOptions options = {},
                                                  KeepWaiting keep = {});

}  // namespace gristmill::io
