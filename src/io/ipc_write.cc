// The IPC file sink.

#include "io/ipc_write.h"

#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>

#include "base/status.h"
#include "io/batch_file_sink.h"

namespace gristmill::io {

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_ipc(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                            const IpcWriteOptions& options, std::shared_ptr<base::QueryMemory> memory) {
  if (options.batch_rows < 1) return base::plan_error("batch_rows must be at least 1");
  auto ipc = arrow::ipc::IpcWriteOptions::Defaults();
  ipc.memory_pool = memory->pool();
  ipc.use_threads = false;
  if (options.compression == "lz4" || options.compression == "zstd") {
    const auto codec = options.compression == "lz4" ? arrow::Compression::LZ4_FRAME : arrow::Compression::ZSTD;
    ARROW_ASSIGN_OR_RAISE(ipc.codec,
                          arrow::util::Codec::Create(codec, options.compression == "lz4" ? arrow::util::kUseDefaultCompressionLevel : 1));
  } else if (options.compression != "none") {
    return base::plan_error("unknown compression \"" + options.compression + "\"",
                            base::suggest_name(options.compression, {"none", "lz4", "zstd"}));
  }
  ARROW_ASSIGN_OR_RAISE(auto output, OutputFile::create(path, options.storage));
  return batch_file_sink("ipc", std::move(output), schema->RemoveMetadata(), options.batch_rows, std::move(memory),
                         [&](std::shared_ptr<OutputFile> file, const std::shared_ptr<arrow::Schema>& s) {
                           return options.stream ? arrow::ipc::MakeStreamWriter(std::move(file), s, ipc)
                                                 : arrow::ipc::MakeFileWriter(std::move(file), s, ipc);
                         });
}

}  // namespace gristmill::io
