// The table of sources.

#include "job/http/http_source.h"
#include "job/sources/kinds.h"

namespace gristmill::job {

const std::vector<SourceKind>& source_kinds() {
  static const std::vector<SourceKind> kKinds = {
      csv_source_kind(),   ndjson_source_kind(),   parquet_source_kind(), ipc_source_kind(),
      stdin_source_kind(), postgres_source_kind(), http_source_kind(),    kafka_source_kind(),
  };
  return kKinds;
}

}  // namespace gristmill::job
