// The cluster that usage is generated for: nodes, namespaces, pods and volumes, and the hours in which they are there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "generate.h"

namespace ocp {

// Numbers that depend on the seed alone.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool chance(double p) { return unit() < p; }

 private:
  uint64_t state_;
};

// Of hours counted from the first of the month; `end` is not in it.
struct Span {
  int64_t id = 0;
  int32_t begin = 0, end = 0;
};

using LabelList = std::vector<std::pair<std::string, std::string>>;
// {"k":"v"}, or label_k:v|label_k:v as the operator writes them.
std::string label_text(const LabelList& labels, Form form);

struct Cluster {
  int32_t hours = 0;
  std::shared_ptr<arrow::Table> nodes;       // node, resource_id, node_role, node_labels
  std::shared_ptr<arrow::Table> namespaces;  // set, namespace, namespace_labels; one whose labels change has two sets
  std::vector<Span> namespace_spans;         // of sets
  std::shared_ptr<arrow::Table> pods;        // pod_id, names, the node's size, labels, what it needs and whether it requests that
  std::vector<Span> pod_spans;
  std::shared_ptr<arrow::Table> claims;  // claim_id, claim_namespace, names, bytes, labels
  struct Use {
    int64_t claim_id = 0;
    Span pod;  // while this pod is there
  };
  std::vector<Use> uses;
  int64_t node_count = 0, namespace_count = 0;
};

arrow::Result<Cluster> make_cluster(const GenerateOptions& options, int days);

// Label keys that the cluster has enabled.
const std::vector<std::string>& enabled_label_keys();

}  // namespace ocp
