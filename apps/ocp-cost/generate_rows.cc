// Each day's hours are crossed with what is there on that day, so that rows come hour after hour as in the operator's reports, and no
// more than a day's names are looked at for a row. Numbers depend on seed, pod and hour alone, never on how rows are cut.

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

// hour, then the four times of a row.
arrow::Result<Frame> hours_of(int32_t first_day, int32_t month_days, int32_t begin, int32_t end, Form form) {
  arrow::Int64Builder hour;
  std::vector<std::unique_ptr<arrow::TimestampBuilder>> times;
  const auto millis = arrow::timestamp(arrow::TimeUnit::MILLI);
  for (int i = 0; i < 4; ++i) times.push_back(std::make_unique<arrow::TimestampBuilder>(millis, arrow::default_memory_pool()));
  for (int64_t h = begin; h < end; ++h) {
    const int64_t month = int64_t{first_day} * 24 * kHourMillis, start = month + h * kHourMillis;
    ARROW_RETURN_NOT_OK(hour.Append(h));
    const int64_t values[] = {month, month + int64_t{month_days} * 24 * kHourMillis, start, start + kHourMillis - 1000};
    for (size_t i = 0; i < 4; ++i) ARROW_RETURN_NOT_OK(times[i]->Append(values[i]));
  }
  arrow::ArrayVector columns(5);
  ARROW_ASSIGN_OR_RAISE(columns[0], hour.Finish());
  for (size_t i = 0; i < 4; ++i) {
    ARROW_ASSIGN_OR_RAISE(columns[i + 1], times[i]->Finish());
  }
  static const char* const kTimes[] = {"report_period_start", "report_period_end", "interval_start", "interval_end"};
  arrow::FieldVector fields = {arrow::field("hour", arrow::int64())};
  for (const char* name : kTimes) fields.push_back(arrow::field(name, millis));
  const Frame hours = gristmill::from_arrow(arrow::Table::Make(arrow::schema(fields), columns));
  if (form == Form::kParquet) return hours;
  std::vector<Expr> texts;
  for (const char* name : kTimes) texts.push_back(col(name).dt().strftime("%Y-%m-%d %H:%M:%S +0000 UTC").alias(name));
  return hours.with_columns(texts);
}

struct Presence {
  std::vector<Span> spans;
  std::vector<int64_t> others;  // a second id beside each span's, or nothing
};

arrow::Result<Frame> presence_frame(const Presence& there, const char* id, const char* other) {
  arrow::Int64Builder ids, others, begins, ends;
  for (size_t i = 0; i < there.spans.size(); ++i) {
    const Span& s = there.spans[i];
    ARROW_RETURN_NOT_OK(ids.Append(s.id));
    ARROW_RETURN_NOT_OK(begins.Append(s.begin));
    ARROW_RETURN_NOT_OK(ends.Append(s.end));
    if (other) ARROW_RETURN_NOT_OK(others.Append(there.others[i]));
  }
  arrow::ArrayVector columns(other ? 4 : 3);
  arrow::FieldVector fields(columns.size());
  ARROW_ASSIGN_OR_RAISE(columns[0], ids.Finish());
  ARROW_ASSIGN_OR_RAISE(columns[1], begins.Finish());
  ARROW_ASSIGN_OR_RAISE(columns[2], ends.Finish());
  if (other) {
    ARROW_ASSIGN_OR_RAISE(columns[3], others.Finish());
  }
  const char* const names[] = {id, "begin", "end", other};
  for (size_t i = 0; i < columns.size(); ++i) fields[i] = arrow::field(names[i], arrow::int64());
  return gristmill::from_arrow(arrow::Table::Make(arrow::schema(fields), columns));
}

// Hours with the ids of what is there in them.
arrow::Result<Frame> present(const Presence& all, const char* id, const char* other, const GenerateOptions& o, int32_t first_day,
                             int32_t begin, int32_t end) {
  Month month;
  month.year = o.year, month.month = o.month;
  std::vector<Frame> days;
  for (int32_t from = begin; from < end;) {
    const int32_t to = std::min(end, (from / 24 + 1) * 24);
    Presence there;
    bool whole = true;
    for (size_t i = 0; i < all.spans.size(); ++i) {
      const Span& s = all.spans[i];
      if (s.begin >= to || s.end <= from) continue;
      there.spans.push_back(s);
      if (other) there.others.push_back(all.others[i]);
      whole &= s.begin <= from && s.end >= to;
    }
    ARROW_ASSIGN_OR_RAISE(const Frame hours, hours_of(first_day, month.days(), from, to, o.form));
    ARROW_ASSIGN_OR_RAISE(const Frame ids, presence_frame(there, id, other));
    Frame rows = hours.cross_join(ids);
    if (!whole) rows = rows.filter((col("hour") >= col("begin")) & (col("hour") < col("end")));
    days.push_back(rows.drop({"begin", "end"}));
    from = to;
  }
  return days.size() == 1 ? days[0] : gristmill::concat(std::move(days));
}

// 0 <= x < 1 in 2^-20, from twenty bits of the column `noise`.
Expr unit(int piece) {
  return call("bit_and", {call("shift_right", {col("noise"), 20 * piece}), 0xfffff}).cast(arrow::float64()) * 0x1p-20;
}

Frame with_noise(const Frame& rows, const char* id, uint64_t seed) {
  return rows.with_columns({call("hash", {col(id), col("hour"), static_cast<int64_t>(seed)}).alias("noise")});
}

const std::vector<std::string> kTimes = {"report_period_start", "report_period_end", "interval_start", "interval_end"};

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
  const auto rows = [&](const char* id, const char* other) { return present(all, id, other, options, first_day, begin, end); };
  if (kind == Kind::kPod) {
    all.spans = cluster.pod_spans;
    ARROW_ASSIGN_OR_RAISE(const Frame there, rows("pod_id", nullptr));
    return pod_usage(there, cluster, options);
  }
  if (kind == Kind::kStorage) {
    for (const Cluster::Use& use : cluster.uses) {
      all.spans.push_back({use.claim_id, use.pod.begin, use.pod.end});
      all.others.push_back(use.pod.id);
    }
    ARROW_ASSIGN_OR_RAISE(const Frame there, rows("claim_id", "pod_id"));
    return storage_usage(there, cluster, options);
  }
  if (kind == Kind::kNamespaceLabels) {
    all.spans = cluster.namespace_spans;
    ARROW_ASSIGN_OR_RAISE(const Frame there, rows("set", nullptr));
    return there.join(gristmill::from_arrow(cluster.namespaces), {.on = {"set"}})
        .select(columns_after_times({"namespace", "namespace_labels"}));
  }
  Month month;
  month.year = options.year, month.month = options.month;
  ARROW_ASSIGN_OR_RAISE(const Frame hours, hours_of(first_day, month.days(), begin, end, options.form));
  return hours.cross_join(gristmill::from_arrow(cluster.nodes)).select(columns_after_times({"node", "node_labels"}));
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
