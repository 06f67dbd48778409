// The public options of services and folders as the parts inside take them.
#pragma once

#include <arrow/result.h>

#include "gristmill/stream_connect.h"
#include "stream/epoch_sink.h"
#include "stream/kafka_sink.h"
#include "stream/kafka_source.h"

namespace gristmill::stream {

KafkaSourceOptions source_options(const std::string& topic, const KafkaOptions& options);
KafkaSinkOptions sink_options(const std::string& topic, const KafkaWriteOptions& options);
arrow::Result<EpochFilesOptions> files_options(const StreamFilesOptions& options);

}  // namespace gristmill::stream
