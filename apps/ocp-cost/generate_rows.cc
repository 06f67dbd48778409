// Each hour is joined with what is there on its day, some hundred things at a time, so that rows come hour after hour as in the operator's
// reports and every worker has some to make. Numbers depend on seed, pod and hour alone, never on how rows are cut.

#include "generate_rows.h"

#include <algorithm>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/memory_pool.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::call;
using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::lit;

namespace {

constexpr int64_t kHourMillis = 3'600'000;

constexpr size_t kBlockSpans = 1024;  // rows that one row of the outer table becomes, at most

// Columns of int64 as a frame.
arrow::Result<Frame> integers(const std::vector<std::string>& names, const std::vector<std::vector<int64_t>>& values) {
  arrow::FieldVector fields(names.size());
  arrow::ArrayVector columns(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    arrow::Int64Builder builder;
    ARROW_RETURN_NOT_OK(builder.AppendValues(values[i]));
    ARROW_ASSIGN_OR_RAISE(columns[i], builder.Finish());
    fields[i] = arrow::field(names[i], arrow::int64());
  }
  return gristmill::from_arrow(arrow::Table::Make(arrow::schema(fields), columns));
}

const std::vector<std::string> kTimes = {"report_period_start", "report_period_end", "interval_start", "interval_end"};

// The four times of a row, from its hour.
Frame with_times(const Frame& rows, const GenerateOptions& o, int32_t first_day) {
  Month month;
  month.year = o.year, month.month = o.month;
  const auto millis = arrow::timestamp(arrow::TimeUnit::MILLI);
  const int64_t begin = int64_t{first_day} * 24 * kHourMillis;
  const auto at = [&](int64_t t) { return lit(std::make_shared<arrow::TimestampScalar>(t, millis)); };
  const Expr start = (col("hour") * kHourMillis + begin).cast(millis);
  std::vector<Expr> times = {at(begin), at(begin + int64_t{month.days()} * 24 * kHourMillis), start,
                             (col("hour") * kHourMillis + (begin + kHourMillis - 1000)).cast(millis)};
  for (size_t i = 0; i < times.size(); ++i) {
    if (o.form != Form::kParquet) times[i] = times[i].dt().strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
    times[i] = times[i].alias(kTimes[i]);
  }
  return rows.with_columns(times);
}

// What is there: `ids` of it, and when.
struct Presence {
  std::vector<std::string> names;         // of the ids
  std::vector<std::vector<int64_t>> ids;  // one vector a name
  std::vector<Span> spans;                // begin and end
};

// The hours begin..end-1, one after another, with the ids of what is there in each.
arrow::Result<Frame> present(const Presence& all, int32_t begin, int32_t end) {
  // Outer rows are pairs of an hour and a block of what is there on its day; inner rows are the blocks.
  std::vector<std::vector<int64_t>> outer(2), inner(all.names.size() + 3);
  int64_t block = 0;
  for (int32_t from = begin; from < end;) {
    const int32_t to = std::min(end, (from / 24 + 1) * 24);
    const int64_t first_block = block;
    size_t in_block = kBlockSpans;
    for (size_t i = 0; i < all.spans.size(); ++i) {
      const Span& s = all.spans[i];
      if (s.begin >= to || s.end <= from) continue;
      if (in_block == kBlockSpans) in_block = 0, ++block;
      ++in_block;
      inner[0].push_back(block - 1);
      inner[1].push_back(s.begin);
      inner[2].push_back(s.end);
      for (size_t k = 0; k < all.names.size(); ++k) inner[k + 3].push_back(all.ids[k][i]);
    }
    for (int64_t hour = from; hour < to; ++hour) {
      for (int64_t b = first_block; b < block; ++b) outer[0].push_back(hour), outer[1].push_back(b);
    }
    from = to;
  }
  std::vector<std::string> names = {"block", "begin", "end"};
  names.insert(names.end(), all.names.begin(), all.names.end());
  ARROW_ASSIGN_OR_RAISE(const Frame hours, integers({"hour", "block"}, outer));
  ARROW_ASSIGN_OR_RAISE(const Frame blocks, integers(names, inner));
  return hours.join(blocks, {.on = {"block"}})
      .filter((col("hour") >= col("begin")) & (col("hour") < col("end")))
      .drop({"block", "begin", "end"});
}

// 0 <= x < 1 in 2^-20, from twenty bits of the column `noise`.
Expr unit(int piece) {
  return call("bit_and", {call("shift_right", {col("noise"), 20 * piece}), 0xfffff}).cast(arrow::float64()) * 0x1p-20;
}

Frame with_noise(const Frame& rows, const char* id, uint64_t seed) {
  return rows.with_columns({call("hash", {col(id), col("hour"), static_cast<int64_t>(seed)}).alias("noise")});
}

std::vector<Expr> columns_after_times(const std::vector<std::string>& names) {
  std::vector<Expr> out;
  for (const std::string& name : kTimes) out.push_back(col(name));
  for (const std::string& name : names) out.push_back(col(name));
  return out;
}

Frame pod_usage(const Frame& there, const Cluster& cluster, const GenerateOptions& o) {
  const Expr cpu = col("pod_cores") * 3600.0, memory = col("pod_bytes") * 3600.0;
  Frame rows =
      with_noise(there, "pod_id", o.seed)
          .join(gristmill::from_arrow(cluster.pods), {.on = {"pod_id"}})
          .with_columns(
              {((cpu * (unit(0) * 1.2 + 0.02) * 1e6).floor() / 1e6).alias("pod_usage_cpu_core_seconds"),
               (cpu * col("requests")).alias("pod_request_cpu_core_seconds"),
               (cpu * col("requests") * 2.0).alias("pod_limit_cpu_core_seconds"),
               (memory * (unit(1) * 0.9 + 0.2)).floor().alias("pod_usage_memory_byte_seconds"),
               (memory * col("requests")).alias("pod_request_memory_byte_seconds"),
               (memory * col("requests") * 1.5).alias("pod_limit_memory_byte_seconds"), col("node_cores").alias("node_capacity_cpu_cores"),
               (col("node_cores") * 3600.0).alias("node_capacity_cpu_core_seconds"), col("node_bytes").alias("node_capacity_memory_bytes"),
               (col("node_bytes") * 3600.0).alias("node_capacity_memory_byte_seconds")});
  std::vector<std::string> names = {"pod", "namespace", "node", "resource_id"};
  for (const char* unit : {"cpu_core", "memory_byte"}) {
    for (const char* what : {"usage", "request", "limit"}) names.push_back(std::string("pod_") + what + "_" + unit + "_seconds");
  }
  for (const char* what : {"cpu_cores", "cpu_core_seconds", "memory_bytes", "memory_byte_seconds"})
    names.push_back(std::string("node_capacity_") + what);
  names.emplace_back("pod_labels");
  if (o.form == Form::kParquet) {  // the operator has no such columns: they are made when its files are taken in
    for (const std::string unit : {"cpu_core", "memory_byte"}) {
      const std::string name = "pod_effective_usage_" + unit + "_seconds";
      rows = rows.with_columns(
          {call("greatest", {col("pod_usage_" + unit + "_seconds"), col("pod_request_" + unit + "_seconds")}).alias(name)});
      names.push_back(name);
    }
    names.emplace_back("node_role");
  }
  return rows.select(columns_after_times(names));
}

Frame storage_usage(const Frame& there, const Cluster& cluster, const GenerateOptions& o) {
  const Frame pods = gristmill::from_arrow(cluster.pods).select({col("pod_id"), col("pod"), col("node")});
  const Expr seconds = col("bytes") * 3600.0;
  return with_noise(there, "claim_id", o.seed + 1)
      .join(pods, {.on = {"pod_id"}})
      .join(gristmill::from_arrow(cluster.claims), {.on = {"claim_id"}})
      .with_columns({col("claim_namespace").alias("namespace"), col("bytes").alias("persistentvolumeclaim_capacity_bytes"),
                     seconds.alias("persistentvolumeclaim_capacity_byte_seconds"),
                     (seconds * 0.75).alias("volume_request_storage_byte_seconds"),
                     (seconds * (unit(0) * 0.5 + 0.1)).floor().alias("persistentvolumeclaim_usage_byte_seconds")})
      .select(columns_after_times({"namespace", "pod", "node", "persistentvolumeclaim", "persistentvolume", "storageclass", "csi_driver",
                                   "csi_volume_handle", "persistentvolumeclaim_capacity_bytes",
                                   "persistentvolumeclaim_capacity_byte_seconds", "volume_request_storage_byte_seconds",
                                   "persistentvolumeclaim_usage_byte_seconds", "persistentvolume_labels", "persistentvolumeclaim_labels"}));
}

}  // namespace

arrow::Result<Frame> hourly_rows(const Cluster& cluster, Kind kind, const GenerateOptions& options, int32_t first_day, int32_t begin,
                                 int32_t end) {
  Presence all;
  const auto rows = [&]() -> arrow::Result<Frame> {
    ARROW_ASSIGN_OR_RAISE(const Frame there, present(all, begin, end));
    return with_times(there, options, first_day);
  };
  // Spans whose ids are their own.
  const auto spans = [&](const char* name, const std::vector<Span>& of) {
    all = {{name}, {{}}, of};
    for (const Span& s : of) all.ids[0].push_back(s.id);
  };
  switch (kind) {
    case Kind::kPod: {
      spans("pod_id", cluster.pod_spans);
      ARROW_ASSIGN_OR_RAISE(const Frame there, rows());
      return pod_usage(there, cluster, options);
    }
    case Kind::kStorage: {
      all.names = {"claim_id", "pod_id"};
      all.ids.resize(2);
      for (const Cluster::Use& use : cluster.uses) {
        all.spans.push_back(use.pod);
        all.ids[0].push_back(use.claim_id);
        all.ids[1].push_back(use.pod.id);
      }
      ARROW_ASSIGN_OR_RAISE(const Frame there, rows());
      return storage_usage(there, cluster, options);
    }
    case Kind::kNamespaceLabels: {
      spans("set", cluster.namespace_spans);
      ARROW_ASSIGN_OR_RAISE(const Frame there, rows());
      return there.join(gristmill::from_arrow(cluster.namespaces), {.on = {"set"}})
          .select(columns_after_times({"namespace", "namespace_labels"}));
    }
    default: {
      std::vector<std::vector<int64_t>> hours(1);
      for (int64_t hour = begin; hour < end; ++hour) hours[0].push_back(hour);
      ARROW_ASSIGN_OR_RAISE(const Frame there, integers({"hour"}, hours));
      return with_times(there.cross_join(gristmill::from_arrow(cluster.nodes)), options, first_day)
          .select(columns_after_times({"node", "node_labels"}));
    }
  }
}

Frame daily_rows(const Frame& hourly, Kind kind) {
  std::vector<Expr> group = {col("report_period_start"), col("report_period_end"), col("interval_start")}, values;
  std::vector<std::string> keys, order;
  switch (kind) {
    case Kind::kPod: keys = {"pod", "namespace", "node", "pod_labels"}; break;
    case Kind::kStorage:
      keys = {"namespace",
              "pod",
              "node",
              "persistentvolumeclaim",
              "persistentvolume",
              "storageclass",
              "csi_driver",
              "csi_volume_handle",
              "persistentvolume_labels",
              "persistentvolumeclaim_labels"};
      break;
    case Kind::kNodeLabels: keys = {"node", "node_labels"}; break;
    default: keys = {"namespace", "namespace_labels"};
  }
  for (const std::string& key : keys) group.push_back(col(key));
  for (const InputColumn& c : input_columns(kind)) {
    if (std::find(keys.begin(), keys.end(), c.name) != keys.end()) continue;
    const bool seconds = std::string(c.name).ends_with("_seconds");
    values.push_back(seconds ? col(c.name).sum() : col(c.name).max());
  }
  const Expr day = col("interval_start").dt().truncate("day").alias("interval_start");
  const Frame days = hourly.with_columns({day});
  return values.empty() ? days.select(group).distinct() : days.group_by(group).agg(values);
}

}  // namespace ocp
