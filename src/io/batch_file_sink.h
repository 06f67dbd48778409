// The sink behind formats whose writer takes record batches one by one: IPC and CSV.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <arrow/ipc/type_fwd.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "io/output_file.h"

namespace gristmill::io {

using MakeBatchWriter = std::function<arrow::Result<std::shared_ptr<arrow::ipc::RecordBatchWriter>>(std::shared_ptr<OutputFile>,
                                                                                                    const std::shared_ptr<arrow::Schema>&)>;

// Given the file, makes its writer. Every batch but the last has `block_rows` rows.
arrow::Result<std::shared_ptr<exec::OrderedSink>> batch_file_sink(std::string format, std::shared_ptr<OutputFile> file,
                                                                  std::shared_ptr<arrow::Schema> schema, int64_t block_rows,
                                                                  std::shared_ptr<base::QueryMemory> memory, const MakeBatchWriter& make);

// What a format writer says about a file, as our IoError naming the path; errors of ours and of memory pass as they are.
arrow::Status writing_error(const std::string& path, const arrow::Status& status);
arrow::Status null_refused(const arrow::Field& field, const std::string& path);  // a null in a column declared not null

}  // namespace gristmill::io
