// Labels are written in the form of the files they will stand in.

#include "generate_tables.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/memory_pool.h>
#include <arrow/table.h>
#include <arrow/type.h>

namespace ocp {

namespace {

using Builder = arrow::RecordBatchBuilder;

std::unique_ptr<Builder> builder(arrow::FieldVector fields) {
  return Builder::Make(arrow::schema(std::move(fields)), arrow::default_memory_pool()).ValueOrDie();
}

arrow::Status put(Builder& b, int i, const std::string& value) { return b.GetFieldAs<arrow::StringBuilder>(i)->Append(value); }
arrow::Status put(Builder& b, int i, double value) { return b.GetFieldAs<arrow::DoubleBuilder>(i)->Append(value); }
arrow::Status put(Builder& b, int i, int64_t value) { return b.GetFieldAs<arrow::Int64Builder>(i)->Append(value); }

template <typename... Values>
arrow::Status append(Builder& b, const Values&... values) {
  arrow::Status status;
  int i = 0;
  ((status = status.ok() ? put(b, i++, values) : status), ...);
  return status;
}

arrow::Result<std::shared_ptr<arrow::Table>> finished(Builder& b) {
  ARROW_ASSIGN_OR_RAISE(auto batch, b.Flush());
  return arrow::Table::FromRecordBatches({batch});
}

std::shared_ptr<arrow::Field> text(const char* name) { return arrow::field(name, arrow::utf8()); }
std::shared_ptr<arrow::Field> number(const char* name) { return arrow::field(name, arrow::float64()); }
std::shared_ptr<arrow::Field> id(const char* name) { return arrow::field(name, arrow::int64()); }

}  // namespace

std::string label_text(const LabelList& labels, Form form) {
  const bool pairs = form != Form::kParquet;
  std::string out;
  for (const auto& [key, value] : labels) {
    if (pairs) {
      out += (out.empty() ? "label_" : "|label_") + key + ":" + value;
    } else {
      out += (out.empty() ? "{\"" : ", \"") + key + "\": \"" + value + "\"";
    }
  }
  return pairs ? out : out.empty() ? "{}" : out + "}";
}

ClusterTables::ClusterTables(Form form)
    : form_(form),
      nodes_(builder({text("node"), text("resource_id"), text("node_role"), text("node_labels")})),
      namespaces_(builder({id("set"), text("namespace"), text("namespace_labels")})),
      pods_(
          builder({id("pod_id"), text("pod"), text("namespace"), text("node"), text("resource_id"), text("node_role"), number("node_cores"),
                   number("node_bytes"), text("pod_labels"), number("pod_cores"), number("pod_bytes"), number("requests")})),
      claims_(builder({id("claim_id"), text("claim_namespace"), text("persistentvolumeclaim"), text("persistentvolume"),
                       text("storageclass"), text("csi_driver"), text("csi_volume_handle"), number("bytes"),
                       text("persistentvolume_labels"), text("persistentvolumeclaim_labels")})) {}

arrow::Status ClusterTables::add_node(const std::string& node, const std::string& resource_id, const std::string& role,
                                      const LabelList& labels) {
  return append(*nodes_, node, resource_id, role, label_text(labels, form_));
}

arrow::Status ClusterTables::add_namespace(Cluster& cluster, const std::string& space, const LabelList& labels, int32_t begin,
                                           int32_t end) {
  const int64_t set = static_cast<int64_t>(cluster.namespace_spans.size());
  cluster.namespace_spans.push_back({set, begin, end});
  return append(*namespaces_, set, space, label_text(labels, form_));
}

arrow::Status ClusterTables::add_pod(int64_t id, const PodRow& r) {
  return append(*pods_, id, r.pod, r.space, r.node, r.resource_id, r.role, r.cores, r.bytes, label_text(r.labels, form_), r.pod_cores,
                r.pod_bytes, r.requests ? 1.0 : 0.0);
}

arrow::Status ClusterTables::add_claim(int64_t id, const ClaimRow& r) {
  return append(*claims_, id, r.space, r.claim, r.volume, r.storage_class, r.driver, r.handle, r.bytes, label_text(r.volume_labels, form_),
                label_text(r.claim_labels, form_));
}

arrow::Status ClusterTables::finish(Cluster& cluster) {
  ARROW_ASSIGN_OR_RAISE(cluster.nodes, finished(*nodes_));
  ARROW_ASSIGN_OR_RAISE(cluster.namespaces, finished(*namespaces_));
  ARROW_ASSIGN_OR_RAISE(cluster.pods, finished(*pods_));
  ARROW_ASSIGN_OR_RAISE(cluster.claims, finished(*claims_));
  return arrow::Status::OK();
}

}  // namespace ocp
