// A day: nodes of one size, a fixed number of pods on each, every pod its own labels.
// A month: nodes of several sizes and roles, slots on them (more on some than on others) that hold one pod after another, pods of a
// workload with the same labels, and claims that stay with their slot. One sequence of random numbers decides everything.

#include "generate_cluster.h"

#include <algorithm>
#include <cmath>

#include "generate_tables.h"

namespace ocp {

namespace {

constexpr double kGigabyte = 0x1p30;

struct Node {
  std::string name, resource_id, role;
  double cores = 8, bytes = 32 * kGigabyte;
};

struct Workload {
  std::string name;
  LabelList labels;
  double cores = 0, bytes = 0;
  bool requests = true, stateful = false;
};

struct Namespace {
  std::string name;
  std::vector<Workload> workloads;
  int64_t last_claim = -1;
};

class Maker {
 public:
  Maker(const GenerateOptions& options, int days) : o_(options), random_(options.seed), hours_(24 * days), tables_(options.form) {}

  arrow::Result<Cluster> make() {
    for (int64_t i = 0; i < o_.nodes; ++i) ARROW_RETURN_NOT_OK(add_node(i));
    for (int64_t i = 0; i < o_.namespaces; ++i) ARROW_RETURN_NOT_OK(add_namespace(i));
    for (const Node& node : nodes_) ARROW_RETURN_NOT_OK(o_.shape == Shape::kDay ? fill_day(node) : fill_month(node));
    if (o_.shape == Shape::kMonth) ARROW_RETURN_NOT_OK(add_orphans());
    cluster_.hours = hours_;
    cluster_.node_count = o_.nodes;
    cluster_.namespace_count = o_.namespaces;
    ARROW_RETURN_NOT_OK(tables_.finish(cluster_));
    return std::move(cluster_);
  }

 private:
  bool month() const { return o_.shape == Shape::kMonth; }
  int64_t number(int64_t n) { return random_.below(n); }
  template <typename T>
  const T& one_of(const std::vector<T>& values) {
    return values[static_cast<size_t>(number(static_cast<int64_t>(values.size())))];
  }
  std::string tail(int length) {
    static constexpr char kLetters[] = "bcdfghjklmnpqrstvwxz2456789";
    std::string out;
    for (int i = 0; i < length; ++i) out += kLetters[number(sizeof kLetters - 1)];
    return out;
  }

  arrow::Status add_node(int64_t i);
  arrow::Status add_namespace(int64_t i);
  Workload make_workload(const std::string& space, bool platform);
  arrow::Status fill_day(const Node& node);
  arrow::Status fill_month(const Node& node);
  arrow::Status add_pod(const Node& node, const std::string& space, const std::string& name, const LabelList& labels, const Workload& w,
                        int32_t begin, int32_t end);
  arrow::Result<int64_t> claim_for(Namespace& space, const Workload& w, int64_t slot);
  arrow::Status add_orphans();

  const GenerateOptions& o_;
  Random random_;
  const int32_t hours_;
  ClusterTables tables_;
  Cluster cluster_;
  std::vector<Node> nodes_;
  std::vector<Namespace> namespaces_;
  int64_t pods_ = 0, claims_ = 0, slots_ = 0;
};

arrow::Status Maker::add_node(int64_t i) {
  Node node;
  const int64_t masters = o_.nodes >= 10 ? 3 : 1, infra = o_.nodes >= 8 ? std::max<int64_t>(1, o_.nodes * 3 / 100) : 0;
  node.role = !month() || i >= masters + infra ? "worker" : i < masters ? "master" : "infra";
  node.name = node.role + "-" + std::to_string(i) + ".cluster.example";
  node.resource_id = "i-" + tail(12);
  if (month()) {
    static const std::vector<std::pair<double, double>> kSizes = {{8, 32}, {16, 64}, {16, 128}, {32, 128}};
    const auto [cores, gigabytes] = one_of(kSizes);
    node.cores = cores;
    node.bytes = std::floor(gigabytes * kGigabyte * 0.98);
  }
  const LabelList labels = {{"beta_kubernetes_io_arch", "amd64"},
                            {"kubernetes_io_hostname", node.name},
                            {"node_role_kubernetes_io_" + node.role, ""},
                            {"topology_kubernetes_io_zone", "zone-" + std::to_string(i % 3)},
                            {"env", month() ? (i % 5 ? "prod" : "dev") : "prod"}};
  ARROW_RETURN_NOT_OK(tables_.add_node(node.name, node.resource_id, node.role, labels));
  nodes_.push_back(std::move(node));
  return arrow::Status::OK();
}

Workload Maker::make_workload(const std::string& space, bool platform) {
  static const std::vector<std::string> kApps = {"api",  "web",   "worker", "scheduler", "cache",    "queue",  "proxy",
                                                 "auth", "batch", "search", "billing",   "frontend", "ingest", "exporter"};
  static const std::vector<std::string> kTiers = {"frontend", "backend", "data"}, kTeams = {"red", "blue", "green", "payments", "core"};
  Workload w;
  const std::string app = one_of(kApps);
  w.name = app + "-" + tail(3);
  w.stateful = random_.chance(0.2);
  w.requests = !random_.chance(0.1);
  w.cores = std::pow(2.0, static_cast<double>(number(6))) / 64;
  w.bytes = std::pow(2.0, static_cast<double>(number(6))) * kGigabyte / 32;
  // Enabled keys first (one to five of them), then labels that nobody asks for; the order is the workload's own.
  w.labels = {{"app", app}};
  if (random_.chance(0.7)) w.labels.emplace_back("tier", one_of(kTiers));
  if (random_.chance(0.5)) w.labels.emplace_back("team", platform ? "platform" : one_of(kTeams));
  if (random_.chance(0.4)) w.labels.emplace_back("env", random_.chance(0.5) ? "prod" : "dev");
  if (random_.chance(0.2)) w.labels.emplace_back("cost_center", "cc-" + std::to_string(100 + number(12)));
  w.labels.emplace_back("pod_template_hash", tail(10));
  w.labels.emplace_back("app_kubernetes_io_name", w.name);
  w.labels.emplace_back("app_kubernetes_io_instance", space + "-" + w.name);
  static const std::vector<std::string> kMore = {"version", "component", "release", "heritage", "chart", "revision", "controller"};
  for (const std::string& key : kMore) {
    if (random_.chance(0.45)) w.labels.emplace_back(key, tail(6));
  }
  for (size_t i = w.labels.size(); i > 1; --i) std::swap(w.labels[i - 1], w.labels[static_cast<size_t>(number(static_cast<int64_t>(i)))]);
  if (!platform && random_.chance(0.02)) w.labels.emplace_back("vm_kubevirt_io_name", "vm-" + tail(5));
  return w;
}

arrow::Status Maker::add_namespace(int64_t i) {
  Namespace space;
  const bool platform = month() && i % 8 == 0;
  static const std::vector<std::string> kTeams = {"red", "blue", "green", "payments", "core"};
  space.name = platform  ? "openshift-" + std::to_string(i)
               : month() ? kTeams[static_cast<size_t>(i % 5)] + "-" + std::to_string(i)
                         : "namespace-" + std::to_string(i);
  LabelList labels = {{"kubernetes_io_metadata_name", space.name}, {"team", platform ? "platform" : kTeams[static_cast<size_t>(i % 5)]}};
  if (month() && i % 3 == 0) labels.emplace_back("cost_center", "cc-" + std::to_string(100 + i % 12));
  if (month() && random_.chance(0.01)) {  // relabelled in the middle of a day
    const int32_t change = 1 + static_cast<int32_t>(number(hours_ - 1));
    ARROW_RETURN_NOT_OK(tables_.add_namespace(cluster_, space.name, labels, 0, change));
    labels.emplace_back("env", "moved");
    ARROW_RETURN_NOT_OK(tables_.add_namespace(cluster_, space.name, labels, change, hours_));
  } else {
    ARROW_RETURN_NOT_OK(tables_.add_namespace(cluster_, space.name, labels, 0, hours_));
  }
  const int64_t workloads = month() ? 1 + number(12) : 0;
  for (int64_t k = 0; k < workloads; ++k) space.workloads.push_back(make_workload(space.name, platform));
  namespaces_.push_back(std::move(space));
  return arrow::Status::OK();
}

arrow::Status Maker::add_pod(const Node& node, const std::string& space, const std::string& name, const LabelList& labels,
                             const Workload& w, int32_t begin, int32_t end) {
  cluster_.pod_spans.push_back({pods_, begin, end});
  return tables_.add_pod(pods_++, {.pod = name,
                                   .space = space,
                                   .node = node.name,
                                   .resource_id = node.resource_id,
                                   .role = node.role,
                                   .cores = node.cores,
                                   .bytes = node.bytes,
                                   .labels = labels,
                                   .pod_cores = w.cores,
                                   .pod_bytes = w.bytes,
                                   .requests = w.requests});
}

arrow::Status Maker::fill_day(const Node& node) {
  for (int64_t i = 0; i < o_.pods_per_node; ++i) {
    Namespace& space = namespaces_[static_cast<size_t>(number(o_.namespaces))];
    const std::string name = "pod-" + std::to_string(pods_) + "-" + tail(5);
    Workload w;
    w.cores = 0.05 + 0.01 * static_cast<double>(number(10));
    w.bytes = kGigabyte * (0.125 + 0.0625 * static_cast<double>(number(4)));
    const LabelList labels = {{"app", "app-" + std::to_string(pods_)},
                              {"env", number(4) ? "prod" : "dev"},
                              {"tier", number(2) ? "frontend" : "backend"},
                              {"pod_template_hash", tail(10)},
                              {"version", "v" + std::to_string(number(20))}};
    const bool has_claim = o_.volumes > 0 && random_.chance(o_.volumes);
    ARROW_RETURN_NOT_OK(add_pod(node, space.name, name, labels, w, 0, hours_));
    if (!has_claim) continue;
    ARROW_ASSIGN_OR_RAISE(const int64_t claim, claim_for(space, w, slots_++));
    cluster_.uses.push_back({claim, cluster_.pod_spans.back()});
  }
  return arrow::Status::OK();
}

arrow::Status Maker::fill_month(const Node& node) {
  // Some nodes hold ten pods, some 250; the mean of the cube of a uniform number is a quarter.
  const double spread = std::pow(random_.unit(), 3),
               most = std::min(240.0, 4.0 * std::max<double>(0, static_cast<double>(o_.pods_per_node) - 10));
  const int64_t slots = std::max<int64_t>(1, std::min<int64_t>(10, o_.pods_per_node) + static_cast<int64_t>(most * spread));
  for (int64_t i = 0; i < slots; ++i) {
    Namespace& space = namespaces_[static_cast<size_t>(number(o_.namespaces))];
    const Workload& w = one_of(space.workloads);
    const int64_t slot = slots_++;
    int64_t claim = -1;
    if (random_.chance(o_.volumes)) {
      ARROW_ASSIGN_OR_RAISE(claim, claim_for(space, w, slot));
    }
    const double mean_hours = random_.chance(0.1) ? 30 : 480;
    int32_t begin = random_.chance(0.8) ? 0 : static_cast<int32_t>(number(hours_));
    while (begin < hours_) {
      const double lasts = -mean_hours * std::log(1 - random_.unit());
      const int32_t end = static_cast<int32_t>(std::min<double>(hours_, begin + 1 + std::floor(lasts)));
      const std::string name = w.stateful ? w.name + "-" + std::to_string(slot) : w.name + "-" + tail(9) + "-" + tail(5);
      LabelList labels = w.labels;
      if (w.stateful) labels.emplace_back("statefulset_kubernetes_io_pod_name", name);
      ARROW_RETURN_NOT_OK(add_pod(node, space.name, name, labels, w, begin, end));
      if (claim >= 0) cluster_.uses.push_back({claim, cluster_.pod_spans.back()});
      begin = end + (random_.chance(0.3) ? 1 : 0);
    }
  }
  return arrow::Status::OK();
}

arrow::Result<int64_t> Maker::claim_for(Namespace& space, const Workload& w, int64_t slot) {
  if (space.last_claim >= 0 && month() && random_.chance(0.05)) return space.last_claim;  // shared with a pod on another node
  static const std::vector<std::string> kClasses = {"gp3-csi", "gp2", "ocs-storagecluster-cephfs", "thin-csi"};
  space.last_claim = claims_;
  const std::string name = "data-" + (w.name.empty() ? std::to_string(slot) : w.name + "-" + std::to_string(slot));
  const LabelList volume = {{"topology_kubernetes_io_zone", "zone-" + std::to_string(number(3))}};
  LabelList claim = {{"app", w.name.empty() ? "app" : w.name}};
  if (random_.chance(0.5)) claim.emplace_back("tier", "data");
  ARROW_RETURN_NOT_OK(tables_.add_claim(claims_, {.space = space.name,
                                                  .claim = name,
                                                  .volume = "pvc-" + tail(16),
                                                  .storage_class = one_of(kClasses),
                                                  .driver = "ebs.csi.example",
                                                  .handle = "vol-" + tail(12),
                                                  .bytes = kGigabyte * std::pow(2.0, static_cast<double>(number(8))),
                                                  .volume_labels = volume,
                                                  .claim_labels = claim}));
  return claims_++;
}

// Claims that no pod uses: one in fifty.
arrow::Status Maker::add_orphans() {
  const int64_t orphans = claims_ / 50;
  if (orphans == 0) return arrow::Status::OK();
  const Span nobody{pods_, 0, hours_};
  ARROW_RETURN_NOT_OK(tables_.add_pod(pods_++, {}));  // without a name; in no span of pods, so it has no usage
  for (int64_t i = 0; i < orphans; ++i) {
    Namespace& space = namespaces_[static_cast<size_t>(number(o_.namespaces))];
    ARROW_ASSIGN_OR_RAISE(const int64_t claim, claim_for(space, {}, slots_++));
    cluster_.uses.push_back({claim, nobody});
  }
  return arrow::Status::OK();
}

}  // namespace

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

const std::vector<std::string>& enabled_label_keys() {
  static const std::vector<std::string> keys = {"app", "cost_center", "env", "team", "tier"};
  return keys;
}

arrow::Result<Cluster> make_cluster(const GenerateOptions& options, int days) { return Maker(options, days).make(); }

}  // namespace ocp
